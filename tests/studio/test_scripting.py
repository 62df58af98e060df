"""The scripts' own controls: axes filled, LoRA compared, pictures counted, mistakes told before anything is queued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from web_fakes import make_bench

from sdcolab.core.errors import AxisValueUnknown, InitImageMissing, NothingToCompare, PlanNotChosen, SearchTextMissing
from sdcolab.core.events import Ended, ImageSaved, Phase
from sdcolab.core.fields import table_of
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.scripts import ContinuePlan, DynamicPrompts, Forecast, Grid, PromptLines, Ultimate, XyzPlot
from sdcolab.core.tasks import Generate, Task
from sdcolab.core.words.scripts import forecast_text
from sdcolab.studio.form import Reader
from sdcolab.studio.job import Job
from sdcolab.studio.layout import GADGETS, LAYOUT, every_section
from sdcolab.studio.scripting import (
    CHOSEN,
    as_text,
    comparison,
    epochs_of,
    every_script,
    filled_axis,
    forecast_sentence,
    script_left,
    seconds_a_step,
)
from sdcolab.web.uploads import chosen_picture
from sdcolab.wiring.grids import forecast, script_lists


@pytest.fixture
def studio(tmp_path: Path) -> Any:
    folders = Folders(tmp_path)
    loras = tmp_path / "models" / "Lora"
    loras.mkdir(parents=True)
    for name in ("mi_lora-000002", "mi_lora-000004", "mi_lora", "otro"):
        (loras / f"{name}.safetensors").write_bytes(b"")
    lists = script_lists(Library(folders), folders)
    return SimpleNamespace(lists=lambda name: lists[name]())


def test_axes_are_filled(studio: Any) -> None:
    assert filled_axis(studio, "LoRA", "x") == "None,mi_lora-000002,mi_lora-000004,mi_lora,otro"
    assert "DPM++ 2M SDE Heun" in filled_axis(studio, "Sampler", "")
    assert filled_axis(studio, "Steps", "20, 30") == "20, 30"


def test_a_lora_is_compared_with_its_epochs(studio: Any) -> None:
    settings = XyzPlot(**comparison(studio, "mi_lora-000004.safetensors"))
    assert (settings.x_axis, settings.y_axis) == ("LoRA weight", "LoRA")
    assert settings.y_values == "None,mi_lora-000002,mi_lora-000004,mi_lora"
    assert epochs_of("nada", ("None", "otro")) == ()
    with pytest.raises(NothingToCompare):
        comparison(studio, "")
    assert as_text(("a, b", "c")) == '"a, b",c'


def test_every_row_has_its_fields_and_makes_a_grid() -> None:
    for script in LAYOUT.scripts:
        shown = [path for section in script.shown() for path in section.paths]
        assert set(table_of(script.settings)) == set(shown), script.id
        task = script.task(GenerationRequest(), ContinuePlan("x") if script.id == "continue" else script.settings())
        assert isinstance(task, Grid)
        assert task.name
        assert script.hint
    gadgets = {
        item for script in LAYOUT.scripts for section in every_section(script.shown()) for item in _names(section)
    }
    assert gadgets <= GADGETS
    by_id = {script.id: script for script in LAYOUT.scripts}
    assert by_id["dynamic"].task(GenerationRequest(), DynamicPrompts()).dynamic == DynamicPrompts()  # type: ignore[attr-defined]
    continued = by_id["continue"].task(GenerationRequest(), ContinuePlan("txt2img-grids/x/y.jsonl"))
    assert isinstance(continued, Grid)
    assert continued.plan == Path("txt2img-grids/x/y.jsonl")
    with pytest.raises(PlanNotChosen):
        by_id["continue"].task(GenerationRequest(), ContinuePlan())
    assert by_id["ultimate"].modes == ("img2img",)


def _names(section: Any) -> list[str]:
    flat = [name for item in section.items for name in ((item,) if isinstance(item, str) else item)]
    return [name for name in flat if name.startswith("@")]


def test_pictures_and_steps_are_counted_and_mistakes_told(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    library = Library(folders)
    request = GenerationRequest(prompt="a cat", batch_size=2, steps=10)
    told = forecast(Grid(request, XyzPlot("Steps", "10,20", "CFG Scale", "1,2,3")), library, folders)
    assert (told.pictures, told.steps) == (12, 180)
    larger = GenerationRequest(init=InitImage((Image.new("RGB", (128, 64)),), strength=0.5), steps=10)
    told = forecast(Grid(larger, Ultimate(tile_width=64, scale=1.0)), library, folders)
    assert (told.pictures, told.steps, told.parts) == (2, 10 * (96 / 512) ** 2, True), "tiles of 64 with 32 around"
    assert forecast_text(told, "3 s") == "La imagen se hará en 2 partes; unos 3 s en este equipo."
    assert forecast_text(Forecast(1, 10), "") == "Se hará 1 imagen."
    with pytest.raises(AxisValueUnknown):
        forecast(Grid(request, XyzPlot("Sampler", "Eulr")), library, folders)
    with pytest.raises(SearchTextMissing):
        forecast(Grid(request, XyzPlot("Prompt S/R", "dog,cat")), library, folders)


@pytest.mark.parametrize(
    ("script", "told"), [(XyzPlot("Seed", ""), "Escríbelos"), (PromptLines(""), "Escribe al menos")]
)
def test_what_is_still_to_be_written_is_no_fault_yet(tmp_path: Path, studio: Any, script: Any, told: str) -> None:
    folders = Folders(tmp_path)
    desk: Any = SimpleNamespace(forecast=lambda asked: forecast(Grid(asked, script), Library(folders), folders))
    assert told in forecast_sentence(studio, desk, GenerationRequest(prompt="gato"))  # type: ignore[arg-type]


def test_what_may_be_meant_otherwise_is_told_beside_the_count(studio: Any, tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    plot = XyzPlot("CFG Scale", "0,5, 7")
    studio.jobs = SimpleNamespace(jobs=lambda _place: ())
    desk: Any = SimpleNamespace(forecast=lambda asked: forecast(Grid(asked, plot), Library(folders), folders))
    told = forecast_sentence(studio, desk, GenerationRequest(prompt="gato"))  # type: ignore[arg-type]
    assert told.startswith("Se harán 3 imágenes") and "punto: 0.5" in told


def test_a_picture_that_is_still_to_come_is_no_fault_yet(studio: Any) -> None:
    def without_picture(_asked: Any) -> Any:
        raise InitImageMissing()

    desk: Any = SimpleNamespace(forecast=without_picture)
    assert "Falta la imagen" in forecast_sentence(studio, desk, SimpleNamespace())  # type: ignore[arg-type]


def test_time_comes_from_the_last_pictures_without_loading(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    library = Library(folders)

    def ended(task: Task, **seconds: float) -> Job:
        job = Job(1, task)
        job.notify(ImageSaved(0, tmp_path / "x.png", 1, ""))
        job.notify(Ended(None))
        job.seconds = {Phase[name]: spent for name, spent in seconds.items()}
        return job

    def pace(*jobs: Job) -> float | None:
        queue = SimpleNamespace(jobs=lambda _place: jobs)
        return seconds_a_step(
            SimpleNamespace(jobs=queue, forecast=lambda task: forecast(task, library, folders))  # type: ignore[arg-type]
        )

    request = GenerationRequest(prompt="a cat", steps=10)
    one = ended(Generate(request), LOADING_LIBRARIES=30, LOADING_MODEL=60, SAMPLING=19, DECODING=1)
    plot = ended(Grid(request, XyzPlot("Steps", "10,20")), LOADING_MODEL=60, SAMPLING=90)
    gone = ended(Grid(request, XyzPlot("Checkpoint name", "borrado.safetensors")), SAMPLING=5)
    assert pace() is None
    assert pace(one) == pytest.approx(2.0)
    assert pace(one, plot) == pytest.approx(3.0)
    assert pace(one, gone, Job(2, Generate(request))) == pytest.approx(2.0)
    large = ended(Generate(replace(request, width=1024, height=512)), SAMPLING=40)
    assert pace(large) == pytest.approx(2.0), "a step of a picture twice as large takes twice as long"


def test_the_last_script_comes_back_but_for_what_its_controls_cannot_read(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    form, reader = bench.studio.last_form, Reader(bench.studio.lists, chosen_picture)
    blank = every_script(LAYOUT, reader, "", {})
    assert script_left(bench.studio, LAYOUT) == ("", {})
    for asked in (XyzPlot(x_axis="Steps", x_values="4, 8", margin=6), PromptLines("uno\ndos"), DynamicPrompts(), None):
        form.save(GenerationRequest(prompt="gato"), script=asked)
        name, values = script_left(bench.studio, LAYOUT)
        assert name == (asked.code if asked else "")
        assert asked is None or Reader(bench.studio.lists, chosen_picture).build(type(asked), values) == asked
        changed = {path for path, value in every_script(LAYOUT, reader, name, values).items() if value != blank[path]}
        assert all(path == CHOSEN or path.startswith(f"{CHOSEN}.{name}.") for path in changed)
    form.save(GenerationRequest(prompt="gato"), script=ContinuePlan("ayer"))
    assert script_left(bench.studio, LAYOUT) == ("", {})
    strange = every_script(LAYOUT, reader, "xyz", {"x_axis": "Rareza", "margin": "mucho", "y_values": "7", "otra": 1})
    assert (strange[f"{CHOSEN}.xyz.x_axis"], strange[f"{CHOSEN}.xyz.margin"]) == ("Seed", 0)
    assert (strange[f"{CHOSEN}.xyz.y_values"], set(strange)) == ("7", set(blank))
    bench.studio.jobs.close()
