"""The demo ControlNet through the whole engine: a drawn outline gives a picture of that shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from sdcolab.core.control import ControlMode, ControlResize, ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import ControlImageMissing, ControlModelNotChosen, ControlModelTaken, UnknownName
from sdcolab.core.events import Event, MapMade, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import parse, to_request
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.regions import Regions
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, Tuning
from sdcolab.core.words import explain
from sdcolab.engine.control.preparing import detected
from sdcolab.engine.engine import Engine
from sdcolab.wiring.engine import with_control_models

DEMO = Path(__file__).parents[3] / "sdcolab" / "demo"
LINES = "emoji-128-lineas.safetensors"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    files = (
        ModelFile(ModelKind.CHECKPOINT, "emoji-128.safetensors", DEMO / "emoji-128.safetensors"),
        ModelFile(ModelKind.CONTROLNET, LINES, DEMO / LINES),
    )
    return Engine(Library(Folders(tmp_path_factory.mktemp("demo")), bundled=files), None, device="cpu")


def circle(box: tuple[int, int, int, int]) -> Image.Image:
    """A black circle on white paper, as somebody draws it."""
    paper = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(paper).ellipse(box, outline="black", width=3)
    return paper


def asked(**unit: object) -> GenerationRequest:
    made = ControlUnit(model=LINES, **unit)  # type: ignore[arg-type]
    return GenerationRequest(prompt="pizza", steps=10, cfg_scale=4, seed=3, width=128, height=128, control=(made,))


def inside(picture: Image.Image, box: tuple[int, int, int, int]) -> float:
    """Share of what is drawn (not white) that lies in ``box``."""
    drawn = np.asarray(picture.convert("RGB")).min(axis=2) < 220
    left, top, right, bottom = box
    return float(drawn[top:bottom, left:right].sum()) / max(1, int(drawn.sum()))


@pytest.mark.parametrize("box", [(64, 64, 124, 124), (4, 4, 64, 64)])
def test_a_drawn_outline_places_the_picture(engine: Engine, box: tuple[int, int, int, int]) -> None:
    heard: list[Event] = []
    (image,) = engine.generate(asked(drawing=circle(box)), heard.append).images
    around = (max(0, box[0] - 5), max(0, box[1] - 5), box[2] + 5, box[3] + 5)
    assert inside(image.image, around) > 0.9
    (made,) = [event for event in heard if isinstance(event, MapMade)]
    assert np.asarray(made.image)[0, 0].tolist() == [0, 0, 0]  # turned into white on black
    assert f'ControlNet 0: "Module: none, Model: {Path(LINES).stem} [' in image.infotext


def test_all_pictures_that_act_together_are_shown_as_maps(engine: Engine) -> None:
    heard: list[Event] = []
    pictures = (circle((8, 8, 60, 60)), circle((64, 64, 120, 120)))
    made = replace(asked(images=pictures, module="canny"), steps=1)
    engine.generate(made, heard.append)
    first, second = [np.asarray(event.image) for event in heard if isinstance(event, MapMade)]
    assert first[:64, :64].any() and not second[:64, :64].any()


def test_a_map_shows_what_is_to_be_painted_as_a_generation_does(tmp_path: Path) -> None:
    mask = Image.new("L", (32, 32), 255)
    task = Detect((Image.new("RGB", (64, 64), "plum"),), "inpaint_only", mask=mask)
    plain, painted = detected(task, task.pictures[0], Folders(tmp_path))
    assert plain.getpixel((0, 0)) == task.pictures[0].getpixel((0, 0))
    assert painted.size == (64, 64) and painted.getextrema() == ((255, 255),) * 3
    assert len(detected(replace(task, module="canny"), task.pictures[0], Folders(tmp_path))) == 1


def test_the_infotext_comes_back(engine: Engine) -> None:
    request = asked(images=(circle((30, 30, 90, 90)),), module="invert", weight=0.8, mode=ControlMode.PROMPT)
    (image,) = engine.generate(replace(request, steps=1)).images
    (unit,) = to_request(parse(image.infotext)).changes["control"]
    kept = (unit.module, unit.model, unit.weight, unit.mode, unit.resize)
    assert kept == ("invert", Path(LINES).stem, 0.8, ControlMode.PROMPT, ControlResize.CROP)


@pytest.mark.parametrize("change", [{"weight": 0.0}, {"enabled": False}, {"start": 1.0}])
def test_units_that_do_not_act_change_nothing(engine: Engine, change: dict[str, object]) -> None:
    with_unit = replace(asked(drawing=circle((30, 30, 90, 90)), **change), steps=2)
    plain = engine.generate(replace(with_unit, control=())).images[0].image
    found = engine.generate(with_unit).images[0].image
    apart = np.abs(np.asarray(plain, np.int16) - np.asarray(found, np.int16))
    assert apart.max() <= 1


def test_modes_weights_and_regions_differ(engine: Engine) -> None:
    left = Image.new("L", (128, 128))
    left.paste(255, (0, 0, 64, 128))
    made = [
        np.asarray(engine.generate(replace(asked(drawing=circle((30, 30, 90, 90)), **change), steps=3)).images[0].image)
        for change in ({}, {"mode": ControlMode.PROMPT}, {"mode": ControlMode.CONTROL}, {"region": left}, {"end": 0.3})
    ]
    for index, one in enumerate(made):
        assert all(not np.array_equal(one, other) for other in made[:index])


def test_img2img_uses_the_initial_picture(engine: Engine) -> None:
    photo = circle((30, 30, 90, 90))
    heard: list[Event] = []
    request = replace(asked(module="canny"), init=InitImage((photo,), strength=0.5), steps=2)
    engine.generate(request, heard.append)
    assert any(isinstance(event, MapMade) for event in heard)


def test_what_is_not_to_be_painted_stays_pixel_by_pixel(engine: Engine) -> None:
    photo = circle((30, 30, 90, 90)).convert("RGB")
    mask = Image.new("L", (128, 128))
    mask.paste(255, (40, 40, 88, 88))
    request = replace(asked(images=(photo,), module="inpaint_only", mask=mask), steps=2)
    made, own = (np.asarray(one, np.int16) for one in (engine.generate(request).images[0].image, photo))
    outside = np.ones((128, 128), bool)
    outside[32:96, 32:96] = False
    assert np.array_equal(made[outside], own[outside])
    assert np.abs(made - own)[44:84, 44:84].max() > 20


def test_what_stays_stays_where_only_the_painted_area_is_worked_on(engine: Engine) -> None:
    """The unit's map is of that area, and the picture is whole again when it is put back."""
    photo = circle((30, 30, 90, 90)).convert("RGB")
    mask = Image.new("L", (128, 128))
    mask.paste(255, (48, 48, 80, 80))
    inpaint = Inpaint(mask, only_masked=True, padding=8, blur_x=0, blur_y=0)
    request = replace(asked(module="inpaint_only"), init=InitImage((photo,), inpaint=inpaint), steps=2)
    made, own = (np.asarray(one, np.int16) for one in (engine.generate(request).images[0].image, photo))
    outside = np.ones((128, 128), bool)
    outside[44:84, 44:84] = False
    assert np.array_equal(made[outside], own[outside])
    assert np.abs(made - own)[48:80, 48:80].max() > 20


def test_two_pictures_together_share_the_weight(engine: Engine) -> None:
    photo = circle((30, 30, 90, 90)).convert("RGB")
    one = engine.generate(replace(asked(images=(photo,)), steps=2)).images[0].image
    two = engine.generate(replace(asked(images=(photo, photo)), steps=2)).images[0].image
    assert np.abs(np.asarray(one, np.int16) - np.asarray(two, np.int16)).max() <= 2


def test_what_is_missing_is_told_before_anything_is_computed(engine: Engine) -> None:
    with pytest.raises(ControlImageMissing):
        engine.generate(asked())
    with pytest.raises(UnknownName):
        engine.generate(asked(images=(circle((1, 1, 9, 9)),), module="kanny"))
    nothing = ControlUnit(images=(circle((1, 1, 9, 9)),))
    with pytest.raises(ControlModelNotChosen):
        engine.generate(GenerationRequest(control=(nothing,)))


def test_a_unit_is_told_by_the_number_that_the_form_gives_it(engine: Engine) -> None:
    with_unit = replace(asked(drawing=circle((4, 4, 60, 60))), steps=1)
    heard: list[Event] = []
    off = ControlUnit(enabled=False, module="canny", images=(circle((1, 1, 9, 9)),))
    (image,) = engine.generate(replace(with_unit, control=(off, *with_unit.control)), heard.append).images
    assert [event.unit for event in heard if isinstance(event, MapMade)] == [2]
    assert f'ControlNet 1: "Module: none, Model: {LINES.partition(".")[0]}' in image.infotext
    assert "ControlNet 0" not in image.infotext
    with pytest.raises(ControlImageMissing) as told:
        engine.generate(GenerationRequest(control=(off, ControlUnit(model=LINES), *with_unit.control, ControlUnit())))
    assert told.value.units == (2, 4), "all that lack theirs"
    assert "ControlNet 2 y 4" in explain(told.value).text


def test_units_without_effect_are_told(engine: Engine) -> None:
    heard: list[Event] = []
    photo = circle((4, 4, 60, 60))
    late = replace(asked(images=(photo,)).control[0], start=0.8, end=0.2)
    units = (late, replace(late, end=1.0), replace(late, start=0.0, weight=0.0), replace(late, module="inpaint_only"))
    engine.generate(replace(asked(), control=units, steps=1), heard.append)
    (told,) = [event.warning for event in heard if isinstance(event, Warned)]
    assert explain(told).text.startswith("ControlNet 1 y 3 no cambia nada")


def test_each_part_of_a_prompt_draws_in_its_area(engine: Engine) -> None:
    base = GenerationRequest(prompt="pizza AND luna", steps=6, cfg_scale=4, seed=3, width=128, height=128)
    halves = replace(base, regions=Regions("1:2,1:2", "0:0,0:1", "1,1", 20))
    plain, parted = (engine.generate(one).images[0] for one in (base, halves))
    assert not np.array_equal(np.asarray(plain.image), np.asarray(parted.image))
    assert 'Latent Couple: "divisions=1:2,1:2 positions=0:0,0:1 weights=1,1 end at step=20"' in parted.infotext


def test_steps_are_forecast_and_none_across_the_end_of_a_unit(engine: Engine) -> None:
    box, calls = (64, 64, 124, 124), []
    precise = Tuning(cpu_precision=CpuPrecision.FULL)
    request = replace(asked(drawing=circle(box)), steps=25, speed=Speed.FAST, tuning=precise)
    engine.preload()
    hook = engine.models.checkpoints[0].model.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    (image,) = engine.generate(request).images
    assert inside(image.image, (59, 59, 128, 128)) > 0.9
    whole = len(calls)
    assert whole == 9
    engine.generate(replace(request, control=(replace(request.control[0], end=0.6),)))
    assert len(calls) - whole > whole
    hook.remove()


@pytest.mark.parametrize("module", ["reference_only", "reference_adain", "reference_adain+attn"])
def test_a_picture_is_followed_without_a_model(engine: Engine, module: str) -> None:
    red = Image.new("RGB", (128, 128), "#c01010")
    unit = ControlUnit(images=(red,), module=module, mode=ControlMode.PROMPT)
    request = GenerationRequest(prompt="pizza", steps=6, cfg_scale=4, seed=3, width=128, height=128, control=(unit,))
    (image,) = engine.generate(request).images
    plain = engine.generate(replace(request, control=())).images[0].image

    def redness(picture: Image.Image) -> float:
        red, green, blue = (float(one) for one in np.asarray(picture, np.float64).mean(axis=(0, 1)))
        return red - (green + blue) / 2

    assert redness(image.image) > redness(plain) + 5
    assert f'ControlNet 0: "Module: {module}, Model: None, Weight: 1' in image.infotext
    again = engine.generate(request).images[0].image
    assert np.array_equal(np.asarray(again), np.asarray(image.image))


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM"])
@pytest.mark.parametrize("module", ["tile_colorfix", "tile_colorfix+sharp"])
def test_colours_are_kept(engine: Engine, module: str, sampler: str) -> None:
    half = Image.new("RGB", (128, 128), "#2050d0")
    half.paste("#e0c020", (64, 0, 128, 128))
    request = replace(asked(images=(half,), module=module, weight=1.0), steps=6, sampler=sampler)
    found = np.asarray(engine.generate(request).images[0].image, np.float64)
    plain = np.asarray(engine.generate(replace(request, control=())).images[0].image, np.float64)
    wanted = np.asarray(half, np.float64)

    def apart(made: np.ndarray) -> float:
        sides = (slice(0, 56), slice(72, 128))
        return max(float(np.abs(made[:, side].mean((0, 1)) - wanted[:, side].mean((0, 1))).max()) for side in sides)

    assert apart(found) < 0.4 * apart(plain)


def test_a_drawing_is_cut_to_the_painted_part_like_a_picture(engine: Engine) -> None:
    drawing, mask = circle((10, 10, 50, 50)), Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 64))
    init = InitImage((Image.new("RGB", (128, 128), "white"),), inpaint=Inpaint(mask=mask, only_masked=True, padding=0))
    seen = []
    for unit in (asked(drawing=drawing), asked(images=(ImageOps.invert(drawing),))):
        heard: list[Event] = []
        engine.generate(replace(unit, steps=1, init=init), heard.append)
        seen += [event.image for event in heard if isinstance(event, MapMade)]
    by_drawing, by_picture = seen
    assert by_drawing == by_picture
    assert np.asarray(by_drawing)[60:].max() > 200  # uncut, the circle ends at 50


def test_the_only_model_of_a_type_is_taken_and_told(tmp_path: Path) -> None:
    folders, folder = Folders(tmp_path), Folders(tmp_path).models(ModelKind.CONTROLNET)
    folder.mkdir(parents=True)
    (folder / "control_v11p_sd15_canny.safetensors").write_bytes(b"x")
    canny, other = ControlUnit(module="canny"), ControlUnit(module="depth_midas")
    request = GenerationRequest(prompt="gato", control=(other, canny, ControlUnit(module="reference_only")))
    asked, told = with_control_models(request, folders)
    assert [unit.model for unit in asked.control] == ["", LINES, ""]
    assert [(one.unit, one.model) for one in told if isinstance(one, ControlModelTaken)] == [(2, LINES)]
    copy(DEMO / LINES, folder / "otro_canny.safetensors")
    assert with_control_models(request, folders) == (request, ())
