"""What an infotext puts in the form, and which sizes are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from web_fakes import Bench, make_bench

from sdcolab.core.control import ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import UnknownFile
from sdcolab.core.infotext import EngineFacts, write
from sdcolab.core.request import FIELDS, GenerationRequest, Hires, Refiner, Variation
from sdcolab.core.settings import Settings
from sdcolab.core.tuning import Emphasis, Tuning
from sdcolab.core.words.page import NO_PARAMETERS
from sdcolab.studio.form import Reader, apart, choices, shown
from sdcolab.studio.generating import (
    BROUGHT,
    Asked,
    GenerationDesk,
    brought,
    chip_size,
    fitting_size,
    of_a_beginning,
    with_lora,
)
from sdcolab.studio.layout import LAYOUT
from sdcolab.web.sending import said_of
from sdcolab.web.uploads import chosen_picture


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = make_bench(tmp_path)
    bench.add_checkpoint("refinador.safetensors")
    yield bench
    bench.studio.jobs.close()


def desk(bench: Bench) -> GenerationDesk:
    return GenerationDesk(bench.studio, LAYOUT, Reader(bench.studio.lists, chosen_picture))


def pasted_over(form: GenerationRequest, text: str, bench: Bench) -> GenerationRequest:
    """The request of a form that showed ``form`` before ``text`` was pasted."""
    values = shown(GenerationRequest, form) | {"width": form.width or 512, "height": form.height or 512}
    built: GenerationRequest = Reader(bench.studio.lists, chosen_picture).build(
        GenerationRequest, values | dict(desk(bench).read(text).values)
    )
    return built


def test_what_an_image_says_is_what_the_form_asks_for(bench: Bench) -> None:
    asked = GenerationRequest(
        prompt="un gato, (suave:1.2)",
        negative_prompt="perro",
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=33,
        cfg_scale=5.5,
        seed=77,
        width=640,
        height=384,
        clip_skip=2,
        checkpoint="demo-128.safetensors",
        tiling=True,
        variation=Variation(5, 0.3),
        hires=Hires("Remacri", 9, 0.4, 1.5, sampler="Euler", prompt="más detalle"),
        refiner=Refiner("refinador.safetensors", 0.7),
        tuning=Tuning(emphasis=Emphasis.NO_NORM, eta=0.5, ensd=31337, ngms=1.5),
    )
    text = write(asked, EngineFacts("1", schedule="Karras", model="demo-128"))
    assert pasted_over(GenerationRequest(), text, bench) == asked
    assert desk(bench).read(text).troubles == ()


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("dsine", "sdcolab no tiene el preprocessor «dsine». El más parecido es «normal_bae»"),
        ("algo_raro", "No existe el preprocessor «algo_raro»"),
    ],
)
def test_a_pasted_preprocessor_that_is_not_here_is_told(bench: Bench, module: str, told: str) -> None:
    text = f'gato\nSteps: 4, Sampler: Euler, Seed: 3, Size: 128x128, ControlNet 0: "Module: {module}, Model: None"'
    assert told in " ".join(desk(bench).read(text).troubles)


def test_units_that_the_form_has_no_room_for_are_told(bench: Bench) -> None:
    def troubles(units: int) -> str:
        asked = GenerationRequest(
            prompt="gato", seed=3, width=128, height=128, control=(ControlUnit(module="reference_only"),) * units
        )
        return " ".join(desk(bench).read(write(asked, EngineFacts("1", schedule="Karras", model="demo-128"))).troubles)

    assert "En «ControlNet» no caben 2 unidades" in troubles(5)
    assert "no cabe una unidad" in troubles(4)
    assert "unidad" not in troubles(3)


def test_parts_that_the_text_lacks_are_turned_off(bench: Bench) -> None:
    before = GenerationRequest(
        checkpoint="demo-128.safetensors",
        batch_count=4,
        hires=Hires(),
        refiner=Refiner("refinador.safetensors"),
        tuning=Tuning(eta=0.1),
    )
    after = pasted_over(before, "gato\nSteps: 9, Sampler: Euler, Seed: 3, Size: 256x256, Version: v1.10.1", bench)
    assert (after.hires, after.refiner, after.tuning) == (None, None, Tuning())
    assert (after.batch_count, after.checkpoint) == (4, "demo-128.safetensors")


def test_a_prompt_alone_changes_only_the_prompts(bench: Bench) -> None:
    before = GenerationRequest(checkpoint="demo-128.safetensors", steps=7, hires=Hires())
    after = pasted_over(before, "solo un prompt", bench)
    assert (after.prompt, after.steps, after.hires) == ("solo un prompt", 7, Hires())


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("a cat, (smile:1.1), (park:1.2), (sun:1.3)", True),
        ("a cat\nNegative prompt: bad", False),
        ("a cat\nSteps: 4, Sampler: Euler, Seed: 3", False),
        ("Steps: 4, Sampler: Euler, Seed: 3", False),
    ],
)
def test_a_text_that_is_a_prompt_alone_is_told_apart(bench: Bench, text: str, alone: bool) -> None:
    reading = desk(bench).read(text)
    assert reading.is_prompt is alone
    assert (NO_PARAMETERS in said_of(reading)) is alone


def test_inpainting_is_restored_but_for_its_pictures(bench: Bench) -> None:
    text = (
        "gato\nSteps: 9, Sampler: Euler, Seed: 3, Size: 256x256, Denoising strength: 0.3, Mask blur: 9, "
        "Inpaint area: Only masked, Masked area padding: 64, Masked content: latent noise, Version: v1.10.1"
    )
    reading = desk(bench).read(text)
    shown = {path.removeprefix("init."): value for path, value in reading.values.items() if path.startswith("init")}
    assert (shown["inpaint"], shown["strength"]) == (True, 0.3)
    assert (shown["inpaint.blur_x"], shown["inpaint.blur_y"], shown["inpaint.padding"]) == (9, 9, 64)
    assert (shown["inpaint.only_masked"], shown["inpaint.content"]) == (True, "latent noise")
    assert "init" not in reading.values
    assert any("a partir de otra" in sentence for sentence in reading.troubles)


def test_what_cannot_be_used_is_said_and_left_as_it_was(bench: Bench) -> None:
    text = (
        "gato <lora:falta:1>\nSteps: 9, Sampler: Inventado, Schedule type: karras, Seed: 3, Size: 256x256, "
        "Model: otro, Hires upscale: 2, Hires upscaler: 4x-Falta, Rareza: sí, Version: v1.10.1"
    )
    reading = desk(bench).read(text)
    assert {"sampler", "checkpoint", "hires.upscaler"}.isdisjoint(reading.values)
    assert reading.values["schedule"] == "Karras"
    said = " ".join(reading.troubles)
    assert all(f"«{name}" in said for name in ("Inventado", "otro", "falta", "4x-Falta", "Rareza: sí"))
    assert said.count("o elige otro en su lugar.") == 1  # one advice for the missing files in a row
    assert "Elige un nombre de la lista." in said


def test_advice_comes_with_what_could_not_be_used(bench: Bench) -> None:
    reading = desk(bench).read('{"hola": [1, 2]}')
    assert reading.values == {}
    assert "Se leen los datos de AUTOMATIC1111" in " ".join(reading.troubles)
    assert "se usa 984" in " ".join(desk(bench).read("a\nSteps: 4, Sampler: Euler, Seed: 3, Size: 990x312").troubles)


@pytest.mark.parametrize(
    ("size", "asked"),
    [
        ((512, 768), (512, 768)),
        ((513, 771), (512, 768)),
        ((4000, 3000), (2048, 1536)),
        ((3000, 4000), (1536, 2048)),
        ((32, 16), (128, 64)),
        ((10_000, 10), (2048, 64)),
        ((10, 10_000), (64, 2048)),
        ((1, 1), (64, 64)),
    ],
)
def test_sizes_that_fit(size: tuple[int, int], asked: tuple[int, int]) -> None:
    assert fitting_size(*size) == asked


@pytest.mark.parametrize(
    ("chip", "size"),
    [
        ("square", (512, 512)),
        ("portrait", (512, 768)),
        ("landscape", (768, 512)),
        ("grow", (768, 1152)),
        ("double", (1024, 1536)),
        ("swap", (768, 512)),
    ],
)
def test_sizes_with_one_tap(chip: str, size: tuple[int, int]) -> None:
    assert chip_size(chip, 512, 768, 512) == size


def test_an_enhanced_picture_is_the_same_with_a_hires_pass(bench: Bench) -> None:
    asked = GenerationRequest("gato", seed=7, width=128, height=128, checkpoint="demo-128.safetensors")
    again = desk(bench).enhanced(write(asked, EngineFacts("1", schedule="Automatic", model="demo-128")))
    assert (again.prompt, again.seed, again.width, again.init) == ("gato", 7, 128, None)
    assert again.hires is not None and (again.hires.scale, again.hires.strength) == (2.0, 0.4)


@pytest.mark.parametrize(
    ("typed", "sampler", "schedule"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("dpm++ 2m karras", "DPM++ 2M", "Karras"),
        ("Euler a", "Euler a", "Uniform"),
    ],
)
def test_old_names_of_samplers_are_understood(bench: Bench, typed: str, sampler: str, schedule: str) -> None:
    values = shown(GenerationRequest) | {"width": 128, "height": 128, "checkpoint": "demo-128.safetensors"}
    request = desk(bench).request(Asked(values | {"sampler": typed, "schedule": "Uniform"}))
    assert (request.sampler, request.schedule) == (sampler, schedule)


def test_old_names_of_samplers_are_offered_and_shown_apart(bench: Bench) -> None:
    lists = bench.studio.lists
    assert "DPM++ 2M Karras" in dict(choices(FIELDS["sampler"], lists))
    assert apart({"sampler": "dpmpp_2m karras"}, "sampler", lists) == {"sampler": "DPM++ 2M", "schedule": "Karras"}
    assert apart({"hires.sampler": "Euler Uniform"}, "hires.sampler", lists) == {
        "hires.sampler": "Euler",
        "hires.schedule": "Uniform",
    }
    assert apart({"sampler": "Euler a"}, "sampler", lists) == {}
    assert apart({"sampler": "Inventado Karras"}, "sampler", lists) == {}


@pytest.mark.parametrize(
    ("typed", "put"),
    [("Tinta china", "tinta_china"), ("líneas", "Lineas_finas"), ("lineas_finas", "Lineas_finas"), ("tinta", "Tinta")],
)
def test_a_lora_is_found_by_what_is_typed_of_it(bench: Bench, typed: str, put: str) -> None:
    folder = bench.studio.folders.models(ModelKind.LORA)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tinta_china", "Tinta", "Lineas_finas"):
        folder.joinpath(f"{name}.safetensors").write_bytes(b"")
    assert with_lora(bench.studio.library, typed, "gato").startswith(f"gato, <lora:{put}:1>")


def test_what_is_typed_of_several_loras_names_none(bench: Bench) -> None:
    folder = bench.studio.folders.models(ModelKind.LORA)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tinta_a", "tinta_b"):
        folder.joinpath(f"{name}.safetensors").write_bytes(b"")
    with pytest.raises(UnknownFile):
        with_lora(bench.studio.library, "tinta", "gato")


def test_units_of_control_get_their_type_and_keep_what_the_text_lacks(bench: Bench) -> None:
    text = (
        "gato\nSteps: 9, Sampler: Euler, Seed: 3, Size: 256x256, "
        'ControlNet 0: "Module: canny, Model: None, Weight: 1", Version: v1.10.1'
    )
    values = desk(bench).read(text).values
    assert (values["control.0"], values["control.0.module"], values["control.0.kind"]) == (True, "canny", "Canny")
    plain = desk(bench).read("gato\nSteps: 9, Sampler: Euler, Seed: 3, Size: 256x256, Version: v1.10.1").values
    assert plain["control.0"] is False and "control.0.kind" not in plain
    assert "control.0" not in of_a_beginning(plain), "a unit that is on goes on with the picture to start from"
    assert "control.0.pixel_perfect" in of_a_beginning(values)


def test_a_unit_keeps_its_number_when_those_before_it_are_off(bench: Bench) -> None:
    form = desk(bench)
    values = dict(form.values(GenerationRequest(width=64, height=64)))
    second = {"control.1": True, "control.1.module": "reference_only", "control.1.kind": "Reference"}
    request = form.request(Asked(values | second))
    assert [unit.enabled for unit in request.control] == [False, True]
    text = write(request.resolved(checkpoint="mio", native_size=64), EngineFacts("", ""))
    assert "ControlNet 1: " in text and "ControlNet 0" not in text
    read = form.read(text).values
    assert (read["control.0"], read["control.1"], read["control.1.module"]) == (False, True, "reference_only")
    assert form.request(Asked(values | dict(read))).control == request.control
    assert "ControlNet" not in write(replace(request, control=request.control[:1]), EngineFacts("", ""))
    beyond = " ".join(form.read(text.replace("ControlNet 1", "ControlNet 7")).troubles)
    assert "no cabe una unidad" in beyond


def test_many_pictures_at_once_are_forgotten_the_next_day(bench: Bench) -> None:
    form = bench.studio.last_form
    form.save(GenerationRequest(steps=33, batch_count=20))
    assert desk(bench).opening(Settings())[0]["batch_count"] == 20
    os.utime(form.path, (0, 0))
    values, _ = desk(bench).opening(Settings())
    assert (values["batch_count"], values["steps"]) == (1, 33)


def test_a_model_of_another_family_brings_the_defaults_saved_with_it(bench: Bench) -> None:
    form, settings = desk(bench), bench.studio.settings
    assert brought(form, settings.load(), 512, 1024) == {}
    saved = GenerationRequest(sampler="DPM++ 2M", steps=28, cfg_scale=5.0)
    settings.change(lambda now: now.with_defaults(saved, 1024))
    found = brought(form, settings.load(), 512, 1024)
    assert (found["sampler"], found["steps"], found["cfg_scale"]) == ("DPM++ 2M", 28, 5.0)
    assert set(found) <= set(BROUGHT) and brought(form, settings.load(), 1024, 1024) == {}


SHEET = """un gato
Steps: 4, Sampler: Euler, Seed: 3, Size: 64x64, Script: X/Y/Z plot, X Type: Steps, X Values: "4, 8", Y Type: seed, \
Y Values: -1, Fixed Y Values: 77, Z Type: Rareza, Z Values: 1"""


def test_the_text_of_a_sheet_brings_its_script(bench: Bench) -> None:
    reading = desk(bench).read(SHEET)
    assert reading.script == "xyz"
    assert reading.script_values == {
        "x_axis": "Steps",
        "x_values": "4, 8",
        "y_axis": "Seed",
        "y_values": "-1",
        "z_values": "1",
    }
    (trouble,) = reading.troubles
    assert "Rareza" in trouble
    assert desk(bench).read("un gato\nSteps: 4, Sampler: Euler, Seed: 3").script == ""
    assert desk(bench).read("un gato\nSteps: 4, Sampler: Euler, Script: Otra, Seed: 3").script == ""
    assert desk(bench).read("solo un prompt").script is None
