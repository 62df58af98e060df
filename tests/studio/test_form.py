"""The layout shows every field once, and what a face shows reads back as what was asked."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdcolab.core.control import ControlUnit
from sdcolab.core.errors import (
    CannotRead,
    FieldEmpty,
    FieldNotMultiple,
    FieldNotNumber,
    FieldOutOfRange,
    FieldWrongType,
    InitImageMissing,
    MaskMissing,
    NotDownloaded,
    PictureUnreadable,
    RequestError,
    SdcolabError,
    UnknownName,
)
from sdcolab.core.fields import fact, parts_of, table_of
from sdcolab.core.inversion import Inversion
from sdcolab.core.request import (
    FIELDS,
    GenerationRequest,
    Hires,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    ResizeMode,
    Variation,
)
from sdcolab.core.tuning import Emphasis, NoiseSchedule, Tuning, UniPCVariant, VaeMethod
from sdcolab.core.words import FIELD_LABELS, FIELD_WORDS
from sdcolab.core.words.fields import part_label
from sdcolab.studio.form import Control, Reader, choices, control_of, readable, shown
from sdcolab.studio.layout import (
    CONVERT,
    GADGETS,
    GENERATION,
    LAYOUT,
    MERGE,
    TRAIN,
    TabKind,
    every_section,
)
from sdcolab.studio.look import icons
from sdcolab.web.uploads import chosen_picture

LISTS = {
    "checkpoints": ("demo.safetensors", "sub/otro.safetensors"),
    "vaes": ("Automatic", "mse.safetensors"),
    "samplers": ("Euler a", "DPM++ 2M"),
    "schedules": ("Automatic", "Karras"),
    "upscalers": ("None", "Lanczos", "Nearest", "Remacri"),
    "hires_upscalers:absent": ("R-ESRGAN 4x+",),
    "hires_upscalers": ("Latent", "None", "Lanczos", "Nearest", "Remacri"),
}
READER = Reader(lambda name: LISTS.get(name, ()), chosen_picture)
SLIDERS = tuple(path for path, field in FIELDS.items() if control_of(field) is Control.SLIDER)


def shown_values(request: GenerationRequest, native: int) -> dict[str, Any]:
    sizes = {"width": request.width or native, "height": request.height or native}
    return shown(GenerationRequest, request) | sizes


def request_from(values: Mapping[str, Any], reader: Reader = READER) -> GenerationRequest:
    built: GenerationRequest = reader.build(GenerationRequest, values)
    return built


def form(**changes: Any) -> dict[str, Any]:
    return shown_values(GenerationRequest(checkpoint="demo.safetensors"), 512) | changes


def data_url(image: Image.Image) -> str:
    png = io.BytesIO()
    image.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "foto.png"
    Image.new("RGB", (96, 64), "red").save(path)
    return str(path)


def painted() -> Image.Image:
    mask = Image.new("L", (96, 64))
    mask.paste(255, (10, 10, 40, 30))
    return mask


def img2img(picture: str, **changes: Any) -> dict[str, Any]:
    return form(**({"init": True, "init.images": picture, "init.inpaint.mask": data_url(painted())} | changes))


# --- The layout ---------------------------------------------------------------------------------------------------


NOT_SHOWN = frozenset(
    {
        "original_prompt",
        "original_negative_prompt",
        "init.inpaint.latent_mask",
        "control.enabled",
        "details.enabled",
        *(f"inversion.{path}" for path in table_of(Inversion)),
    }
)
"""Fields that only other programs and scripts set, and what the switch of a unit says."""


def test_every_field_stands_once_in_the_layout() -> None:
    assert sorted((*LAYOUT.form_paths(), *NOT_SHOWN)) == sorted(FIELDS)
    assert set(FIELDS) <= set(FIELD_LABELS)


def test_every_part_that_may_be_absent_has_a_section() -> None:
    with_switch = {section.part for section in every_section(GENERATION) if section.part}
    assert with_switch | {"init", "inversion"} == {
        path for path, part in parts_of(GenerationRequest).items() if part.optional or part.many
    }
    for section in every_section(GENERATION):
        assert all(path.startswith(f"{section.part}.") for path in section.paths if section.part), section.id


def test_the_layout_names_what_exists() -> None:
    sections = (*GENERATION, *(section for script in LAYOUT.scripts for section in script.shown()))
    items = [item for section in every_section(sections) for item in section.items]
    gadgets = {name for item in items for name in ((item,) if isinstance(item, str) else item) if name.startswith("@")}
    assert gadgets == GADGETS
    assert all(tab.icon in icons() for tab in LAYOUT.tabs)
    assert all((tab.tool is not None) == (tab.kind is TabKind.TOOL) for tab in LAYOUT.tabs)
    for tab in LAYOUT.tabs:
        if tab.tool:
            paths = [path for section in tab.tool.shown() for path in section.paths]
            assert sorted(paths) == sorted(set(table_of(tab.tool.task)) - set(tab.tool.hidden))
            code = tab.tool.prefix or tab.tool.task.code
            assert [path for path in paths if not {path, f"{code}.{path}"} & set(FIELD_WORDS)] == []


def test_every_script_is_drawn_whole_and_has_its_words() -> None:
    for script in LAYOUT.scripts:
        paths = [path for section in script.shown() for path in section.paths]
        assert sorted(paths) == sorted(table_of(script.settings)), script.id
        assert [path for path in paths if f"{script.id}.{path}" not in FIELD_WORDS] == []


# --- There and back -----------------------------------------------------------------------------------------------

ASKED = GenerationRequest(
    prompt="un (gato:1.2)",
    negative_prompt="perro",
    sampler="DPM++ 2M",
    schedule="Karras",
    steps=31,
    cfg_scale=6.5,
    seed=2**64 - 1,
    width=640,
    height=512,
    batch_size=3,
    batch_count=2,
    clip_skip=2,
    noise_origin=NoiseOrigin.CPU,
    checkpoint="sub/otro.safetensors",
    vae="mse.safetensors",
    tiling=True,
    variation=Variation(2**64 - 2, 0.25, 768, 512),
    hires=Hires(
        "Remacri", 12, 0.35, 1.5, 1024, 768, "demo.safetensors", "Euler a", "Karras", "gato grande", "feo", 5.5
    ),
    refiner=Refiner("demo.safetensors", 0.6, by_steps=True, passes=RefinerPasses.BOTH),
    tuning=Tuning(
        emphasis=Emphasis.NO_NORM,
        comma_backtrack=7,
        eta=0.5,
        ensd=2**62 + 1,
        unipc_variant=UniPCVariant.BH2,
        unipc_lower_order_final=False,
        schedule_rho=5.5,
        ngms_all=True,
        noise_schedule=NoiseSchedule.ZERO_TERMINAL_SNR,
        sdxl_crop_left=64,
        vae_decoder=VaeMethod.TAESD,
    ),
)


def test_shown_values_read_back_as_the_same_request() -> None:
    assert request_from(shown_values(ASKED, 512)) == ASKED


def test_absent_parts_show_their_defaults_and_read_back_as_absent() -> None:
    asked = replace(ASKED, hires=None, refiner=None)
    shown = shown_values(asked, 512)
    assert (shown["hires"], shown["refiner"], shown["init"], shown["init.inpaint"]) == (False,) * 4
    assert (shown["hires.upscaler"], shown["hires.strength"], shown["refiner.switch_at"]) == ("Latent", 0.7, 0.8)
    assert request_from(shown) == asked


def test_an_absent_part_is_not_read() -> None:
    wrong = {"hires.steps": "muchos", "refiner.checkpoint": "no existe", "init.images": 7}
    assert request_from(form(**wrong)).hires is None


def test_open_sizes_show_the_native_size() -> None:
    shown = shown_values(GenerationRequest(height=256), 128)
    assert (shown["width"], shown["height"]) == (128, 256)


def test_a_form_without_any_checkpoint_is_a_request() -> None:
    empty = Reader(lambda name: () if name == "checkpoints" else LISTS[name], chosen_picture)
    assert request_from(form(checkpoint=None), empty).checkpoint == ""


# --- Pictures -----------------------------------------------------------------------------------------------------


def test_the_initial_image_and_the_mask_are_read(picture: str) -> None:
    changes = {
        "init.strength": 0.4,
        "init.resize_mode": "crop",
        "init.color_correction": True,
        "init.inpaint": True,
        "init.inpaint.content": "latent noise",
        "init.inpaint.only_masked": True,
        "init.inpaint.padding": 16,
        "init.inpaint.blur_x": 2,
    }
    init = request_from(img2img(picture, **changes)).init
    assert init is not None and init.inpaint is not None
    assert (init.images[0].size, init.strength, init.resize_mode) == ((96, 64), 0.4, ResizeMode.CROP)
    assert init.color_correction
    assert init.inpaint.mask.getbbox() == (10, 10, 40, 30)
    assert (init.inpaint.content, init.inpaint.only_masked) == (MaskedContent.LATENT_NOISE, True)
    assert (init.inpaint.padding, init.inpaint.blur_x, init.inpaint.blur_y) == (16, 2, 4)


def test_without_inpaint_the_mask_is_not_read(picture: str) -> None:
    init = request_from(img2img(picture, **{"init.inpaint.mask": "nada"})).init
    assert init is not None and init.inpaint is None


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("init.images", None, InitImageMissing),
        ("init.images", "", InitImageMissing),
        ("init.images", {"path": "/etc/passwd"}, PictureUnreadable),
        ("init.images", "/no/existe.png", CannotRead),
        ("init.images", __file__, PictureUnreadable),
        ("init.resize_mode", "no existe", UnknownName),
        ("init.background", "rojo", UnknownName),
        ("init.strength", 1.5, FieldOutOfRange),
        ("init.inpaint.mask", None, MaskMissing),
        ("init.inpaint.mask", 7, MaskMissing),
        ("init.inpaint.mask", "data:image/png;base64,???", PictureUnreadable),
        ("init.inpaint.mask", "data:image/png;base64,AAAA", PictureUnreadable),
        ("init.inpaint.mask", "data:image/png;base64,A", MaskMissing),
        ("init.inpaint.mask", "data:image/png;base64,ñ", MaskMissing),
        ("init.inpaint.mask", data_url(Image.new("L", (8, 8))), MaskMissing),
        ("init.inpaint.padding", 300, FieldOutOfRange),
    ],
)
def test_wrong_pictures_and_masks_are_request_errors(
    picture: str, path: str, value: Any, error: type[SdcolabError]
) -> None:
    with pytest.raises(error):
        request_from(img2img(picture, **{"init.inpaint": True, path: value}))


# --- Numbers and names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SLIDERS)
def test_both_ends_of_a_slider_are_accepted(path: str, picture: str) -> None:
    on = {"hires": True, "refiner": True, "init.inpaint": True, "refiner.checkpoint": "demo.safetensors"}
    for end in (FIELDS[path].low, FIELDS[path].high):
        request_from(img2img(picture, **on, **{path: end}))


@pytest.mark.parametrize(
    ("name", "typed", "error"),
    [
        ("seed", "abc", FieldNotNumber),
        ("seed", "", FieldEmpty),
        ("seed", "1.5", FieldWrongType),
        ("seed", "9" * 5000, FieldNotNumber),
        ("seed", "-2", FieldOutOfRange),
        ("seed", str(2**64), FieldOutOfRange),
        ("steps", 0, FieldOutOfRange),
        ("steps", 151, FieldOutOfRange),
        ("steps", 20.5, FieldWrongType),
        ("steps", None, FieldEmpty),
        ("steps", "inf", FieldWrongType),
        ("cfg_scale", "siete", FieldNotNumber),
        ("cfg_scale", "nan", FieldOutOfRange),
        ("width", 500, FieldNotMultiple),
        ("height", 4096, FieldOutOfRange),
        ("sampler", "Euler b", UnknownName),
        ("checkpoint", "demo.safetensor", UnknownName),
        ("checkpoint", None, UnknownName),
        ("vae", "../../etc/passwd", UnknownName),
        ("noise_origin", "TPU", UnknownName),
        ("variation.strength", 2, FieldOutOfRange),
        ("hires.cfg_scale", "mucho", FieldNotNumber),
        ("hires.upscaler", "Latente", UnknownName),
        ("hires.checkpoint", "otro", UnknownName),
        ("refiner.checkpoint", "", UnknownName),
        ("tuning.eta", None, FieldEmpty),
        ("tuning.emphasis", None, UnknownName),
        ("tuning.comma_backtrack", 75, FieldOutOfRange),
    ],
)
def test_wrong_values_are_request_errors(name: str, typed: Any, error: type[RequestError]) -> None:
    on = {"hires": True, "refiner": True, "refiner.checkpoint": "demo.safetensors"}
    with pytest.raises(error) as caught:
        request_from(form(**(on | {name: typed})))
    assert str(caught.value)


@pytest.mark.parametrize(("typed", "seed"), [(" 42 ", 42), ("-1", -1), ("42.0", 42), (str(2**63 + 1), 2**63 + 1)])
def test_seeds_as_people_type_them(typed: str, seed: int) -> None:
    assert request_from(form(seed=typed)).seed == seed


def test_a_decimal_comma_is_understood() -> None:
    assert request_from(form(cfg_scale="7,5")).cfg_scale == 7.5


def test_close_names_are_suggested() -> None:
    with pytest.raises(UnknownName) as caught:
        request_from(form(sampler="Euler b"))
    assert caught.value.suggestions == ("Euler a",)


def test_names_are_found_in_any_case() -> None:
    assert request_from(form(sampler="euler A")).sampler == "Euler a"


# --- Parts that repeat, lists, optional pictures ------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    weight: float = fact(1.0, low=0, high=2)
    model: str = fact("", choices="checkpoints")
    picture: Image.Image | None = None


@dataclass(frozen=True)
class Plan:
    name: str
    units: tuple[Unit, ...] = ()
    words: tuple[str, ...] = ()
    rates: tuple[float, ...] = (1e-4,)
    models: tuple[str, ...] = fact((), choices="checkpoints")
    origins: tuple[NoiseOrigin, ...] = (NoiseOrigin.NV,)
    limit: int | None = None


def test_parts_that_repeat_have_numbered_places_with_switches(picture: str) -> None:
    plan = Plan(
        "uno", (Unit(0.5), Unit(model="demo.safetensors")), ("a", "b"), (1e-4, 5e-5), ("demo.safetensors",), limit=3
    )
    values = shown(Plan, plan, {"units": 3})
    assert [values[f"units.{place}"] for place in range(3)] == [True, True, False]
    assert (values["words"], values["rates"]) == ("a\nb", "0.0001\n5e-05")
    assert values["origins"] == ["NV"]
    assert READER.build(Plan, values) == plan
    assert READER.build(Plan, values | {"origins": ["CPU", "GPU"]}).origins == (NoiseOrigin.CPU, NoiseOrigin.GPU)
    changed = values | {"units.0": False, "units.2": True, "units.2.picture": picture, "limit": ""}
    built = READER.build(Plan, changed)
    assert (len(built.units), built.units[0].model, built.limit) == (2, "demo.safetensors", None)
    assert built.units[1].picture.size == (96, 64)
    with pytest.raises(UnknownName):
        READER.build(Plan, values | {"models": ["otro"]})
    with pytest.raises(FieldNotNumber):
        READER.build(Plan, values | {"rates": "mucho"})


def test_a_list_offers_what_can_be_downloaded_and_says_so_when_it_is_asked_for() -> None:
    field = FIELDS["hires.upscaler"]
    assert choices(field, READER.lists)[-1] == ("⬇️ R-ESRGAN 4x+ (por descargar)", "R-ESRGAN 4x+")
    with pytest.raises(NotDownloaded, match="R-ESRGAN"):
        READER.read(field, "R-ESRGAN 4x+")
    assert readable(GenerationRequest, {"hires.upscaler": "R-ESRGAN 4x+"}, READER) == {}


def test_the_guides_own_mixture_is_the_example() -> None:
    here = ("aom3.safetensors", "Heaven Orange Mix.safetensors", "7th_heaven.safetensors")
    opened = MERGE.opening(lambda name: here if name == "checkpoints" else ())
    assert (opened["primary"], opened["secondary"]) == ("7th_heaven.safetensors", "aom3.safetensors")
    assert opened["name"] == "heaven-orange-mix"
    assert MERGE.opening(lambda _name: ("x.safetensors",))["primary"] == "x.safetensors"


def test_a_tool_that_needs_a_model_opens_with_the_first() -> None:
    for tool in (CONVERT, TRAIN):
        assert tool.opening(lambda _name: ("a.safetensors", "b.safetensors"))["checkpoint"] == "a.safetensors"
        assert not tool.opening(lambda _name: ())["checkpoint"]


def test_every_part_that_a_face_shows_has_a_name() -> None:
    forms = [
        ("", GENERATION),
        *((tab.tool.prefix or tab.tool.task.code, tab.tool.shown()) for tab in LAYOUT.tabs if tab.tool),
    ]
    nameless = [
        (prefix, section.part)
        for prefix, sections in forms
        for section in every_section(sections)
        if section.part and part_label(section.part, prefix) == section.part
    ]
    assert nameless == []


def test_a_unit_that_was_off_is_on_once_its_switch_is() -> None:
    shows = shown(GenerationRequest, GenerationRequest(control=(ControlUnit(enabled=False),)), {"control": 2})
    values = {path: value for path, value in shows.items() if path.startswith("control.0")} | {"control.0": True}
    (unit,) = (
        Reader(lambda name: ("none",) if name == "preprocessors" else (), chosen_picture)
        .build(GenerationRequest, values)
        .control
    )
    assert unit.enabled
