"""The panel's scripts: values added to an axis, axes exchanged, and a plan of another session gone on with."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest

from sdcolab.colab.panel_plans import LeftPlanOffer
from sdcolab.colab.panel_scripts import ScriptBox
from sdcolab.core.errors import AxisUnknown
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Origin
from sdcolab.core.words.panel import FILL_AXIS, FORECAST
from sdcolab.core.words.scripts import CONTINUE_PLAN, LEAVE_PLAN
from sdcolab.studio.layout import LAYOUT
from sdcolab.studio.plans import LeftPlan, continued

LISTS = {
    "axes": ("Nothing", "Seed", "Steps", "Sampler", "LoRA", "LoRA weight"),
    "axis.Sampler": ("Euler a", "DDIM"),
}


def at_once(action: Callable[[], None]) -> Callable[[object], None]:
    return lambda _button: action()


def walk(widget: Any) -> list[Any]:
    return [widget, *(inner for child in getattr(widget, "children", ()) for inner in walk(child))]


def press(box: Any, description: str) -> None:
    (button,) = [one for one in walk(box) if getattr(one, "description", "") == description]
    button.click()


def fills(row: Any) -> bool:
    return [getattr(one, "description", "") for one in row.children] == [FILL_AXIS.format(axis="X")]


@pytest.fixture
def studio() -> Any:
    library: Any = SimpleNamespace(files=lambda _kind: ())
    return SimpleNamespace(lists=lambda name: LISTS.get(name, ()), library=library)


def test_values_are_added_and_axes_exchanged(studio: Any) -> None:
    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, lambda: "", at_once)
    (choice, _) = scripts.box.children
    choice.value = "xyz"
    fields = {one.description: one for one in walk(scripts.box) if getattr(one, "description", "")}
    picks = [one for one in walk(scripts.box) if getattr(one, "description", "") == "Añadir un valor"]
    (fill,) = [one for one in walk(scripts.box) if one.__class__.__name__ == "HBox" and fills(one)]
    assert (picks[0].layout.display, fill.layout.display) == ("none", "none")
    fields["Tipo X"].value = "Sampler"
    assert (picks[0].layout.display, picks[0].options) == ("flex", ("", "Euler a", "DDIM"))
    assert fill.layout.display == "flex"
    picks[0].value = "DDIM"
    picks[0].value = "Euler a"
    assert fields["Valores X"].value == "DDIM, Euler a"
    press(scripts.box, "⇄ X/Y")
    assert (scripts.values["y_axis"], scripts.values["y_values"]) == ("Sampler", "DDIM, Euler a")
    assert (scripts.values["x_axis"], scripts.values["x_values"]) == ("Nothing", "")


def test_a_lora_that_came_later_can_be_compared(studio: Any, tmp_path: Path) -> None:
    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, lambda: "", at_once)
    scripts.choose("xyz")
    (lora,) = [one for one in walk(scripts.box) if getattr(one, "description", "") == "LoRA"]
    assert lora.options == ("",)
    there = SimpleNamespace(name="mi lora", path=tmp_path / "mi lora.safetensors", shown_name="mi lora")
    studio.library.files = lambda _kind: (there,)
    scripts.offer(studio.lists)
    assert lora.options[1:], "it is there now"
    lora.value = lora.options[1]
    scripts.offer(studio.lists)
    assert lora.value == lora.options[1]
    press(scripts.box, "📊 Comparar LoRA")
    assert (scripts.values["x_axis"], scripts.values["y_axis"]) == ("LoRA weight", "LoRA")


def test_a_script_is_chosen_with_its_settings_and_taken_away(studio: Any) -> None:
    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, lambda: "", at_once)
    scripts.choose("xyz", {"x_axis": "Steps", "x_values": "4, 8"})
    assert (scripts.chosen, scripts.values["x_axis"], scripts.values["x_values"]) == ("xyz", "Steps", "4, 8")
    scripts.choose("")
    assert (scripts.chosen, scripts.values) == ("", {})


def test_an_axis_is_found_by_its_group(studio: Any) -> None:
    lists = {
        "axes": ("Nothing", "Seed", "Hires steps", "Hires sampler"),
        "axes:to_read": ("Nada", "Seed · Semilla", "Hires fix › Hires steps", "Hires fix › Hires sampler"),
        "axis.Hires sampler": ("Euler a", "DDIM"),
    }
    studio.lists = lambda name: lists.get(name, ())
    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, lambda: "", at_once)
    scripts.choose("xyz")
    drawn = [one for one in walk(scripts.box) if getattr(one, "description", "") in ("Tipo X", "›")]
    groups, names = drawn[:2]
    assert (groups.options, groups.value, names.value) == (("Lo más usado", "Hires fix"), "Lo más usado", "Seed")
    groups.value = "Hires fix"
    assert [text for text, _ in names.options] == ["Hires steps", "Hires sampler"]
    names.value = "Hires sampler"
    picks = [one for one in walk(scripts.box) if getattr(one, "description", "") == "Añadir un valor"]
    assert (scripts.values["x_axis"], picks[0].options) == ("Hires sampler", ("", "Euler a", "DDIM"))
    press(scripts.box, "⇄ X/Y")
    assert (scripts.values["x_axis"], groups.value) == ("Nothing", "Lo más usado")
    scripts.offer(studio.lists)
    assert scripts.values["y_axis"] == "Hires sampler"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "cp1252"])
def test_prompts_are_read_from_a_file(studio: Any, coding: str) -> None:
    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, lambda: "", at_once)
    scripts.choose("lines")
    (upload,) = [one for one in walk(scripts.box) if isinstance(one, ipywidgets.FileUpload)]
    content = "un año\nun gato".encode(coding)
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    upload.value = (
        {"name": "x.txt", "type": "text/plain", "size": len(content), "content": content, "last_modified": when},
    )
    assert scripts.values["text"] == "un año\nun gato"


def test_what_is_wrong_is_told_beside_the_button_that_counts(studio: Any) -> None:
    def forecast() -> str:
        raise AxisUnknown(name="<Pasos>")

    scripts = ScriptBox(ipywidgets, studio, LAYOUT.scripts, forecast, at_once)
    scripts.choose("xyz")
    press(scripts.box, FORECAST)
    told = [one.value for one in walk(scripts.box) if "&lt;Pasos&gt;" in str(getattr(one, "value", ""))]
    assert len(told) == 1 and told[0].startswith("⚠️ ")


class Shelf:
    """One plan that was left."""

    def __init__(self) -> None:
        self.left: list[str] = []
        when = datetime.datetime(2026, 5, 4, 3, 2)
        self.plan = LeftPlan("txt2img-grids/x/xyz_grid-0001-7.jsonl", "X/Y/Z plot", 12, 25, when, "cinco")

    def unfinished(self) -> tuple[LeftPlan, ...]:
        return (self.plan,)

    def continued(self, name: str) -> Grid:
        return continued(name)

    def leave(self, name: str) -> None:
        self.left.append(name)


def offer(jobs: list[Any]) -> tuple[LeftPlanOffer, Shelf, list[tuple[Any, Origin]], list[str]]:
    shelf, asked, notes = Shelf(), list[tuple[Any, Origin]](), list[str]()
    queue: Any = SimpleNamespace(jobs=lambda: jobs)
    studio: Any = SimpleNamespace(plans=shelf, jobs=queue, submit=lambda task, by: asked.append((task, by)))
    return LeftPlanOffer(ipywidgets, studio, notes.append, at_once), shelf, asked, notes


def test_a_plan_of_another_session_is_gone_on_with() -> None:
    made, shelf, asked, notes = offer([])
    text = " ".join(str(one.value) for one in walk(made.box) if hasattr(one, "value"))
    assert "«X/Y/Z plot» (12 de 25 imágenes hechas, 04/05 03:02)" in text
    press(made.box, CONTINUE_PLAN)
    ((task, by),) = asked
    assert (task.plan, by) == (Path(shelf.plan.name), Origin.PANEL)
    assert not made.box.children
    assert notes == ["La cuadrícula continúa."]


def test_it_is_left_or_not_offered_while_a_job_is_at_it() -> None:
    made, shelf, asked, _ = offer([])
    press(made.box, LEAVE_PLAN)
    assert (shelf.left, asked) == ([shelf.plan.name], [])
    from sdcolab.core.request import GenerationRequest

    running = SimpleNamespace(snapshot=SimpleNamespace(ended=False), task=Grid(GenerationRequest(), name="cinco"))
    assert not offer([running])[0].box.children
