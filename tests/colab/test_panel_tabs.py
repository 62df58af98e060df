"""The panel's forms of tools: what can be chosen follows what there is."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import ipywidgets
from PIL import Image

from sdcolab.colab.panel_drop import drop_widget
from sdcolab.colab.panel_tabs import PngInfoTab, TabStack, ToolTab
from sdcolab.core.errors import PictureUnreadable, SdcolabError
from sdcolab.core.outputs import png_text
from sdcolab.core.workshop import Merge, TryMerge
from sdcolab.studio.layout import LAYOUT, Tab, Tool
from sdcolab.studio.studio import Studio


class Lists:
    """A studio that only knows lists."""

    def __init__(self) -> None:
        self.trained: tuple[str, ...] = ()

    def lists(self, name: str) -> tuple[str, ...]:
        return self.trained if name == "trained_projects" else ()

    def last_values(self, _tool: Tool) -> dict[str, Any]:
        return {}


def test_a_project_that_was_just_trained_is_offered_and_the_choice_is_kept() -> None:
    studio = Lists()
    tab = ToolTab(ipywidgets, cast(Studio, studio), LAYOUT.tab("probar"), lambda action: action)
    project: Any = tab.form.fields["project"]
    assert not project.value
    studio.trained = ("zorp",)
    tab.refresh()
    assert project.value == "zorp"
    studio.trained = ("antes", "zorp")
    tab.refresh()
    assert project.value == "zorp"


def test_a_merge_is_written_or_only_tried_by_its_buttons() -> None:
    class Queue(Lists):
        def __init__(self) -> None:
            super().__init__()
            self.queued: list[Any] = []

        def start(self, tool: Tool, task: Any, _origin: Any, *, trying: bool) -> None:
            assert len(begun) > len(self.queued), "old troubles are forgotten before it can have its own"
            self.queued.append(tool.finished(task, trying=trying))

    studio, begun = Queue(), list[str]()
    tab = ToolTab(
        ipywidgets,
        cast(Studio, studio),
        LAYOUT.tab("mezclar"),
        lambda action: lambda _click: action(),
        lambda: begun.append("ya"),
    )
    tab.form.fill({"trial.prompt": "una cara"})
    buttons = tab.box.children[-1].children
    assert [button.description for button in buttons] == ["▶️ Mezclar", "▶️ Probar"]
    for button in buttons:
        button.click()
    written, tried = studio.queued
    assert isinstance(written, Merge) and tried == TryMerge(written) and written.trial.prompt == "una cara"
    assert begun == ["ya", "ya"], "what was said of the work before is taken away"


def dropped(name: str, data: bytes) -> tuple[PngInfoTab, list[str]]:
    """PNG Info after a file was dropped on the panel, and what happened to it."""
    happened: list[str] = []

    def guarded(action: Callable[[], None]) -> Callable[[object], None]:
        def run(_pressed: object) -> None:
            try:
                action()
            except SdcolabError as error:
                happened.append(error.code)

        return run

    sends = {"Enviar": lambda picture, text: happened.append(f"{len(picture)} {text}")}
    tab = PngInfoTab(ipywidgets, sends, lambda: happened.append("abierta"), guarded)
    *_, row = tab.box.children
    drop_widget(lambda *file: guarded(partial(tab.show, *file))(None))._handle_custom_msg(
        {"name": name}, [memoryview(data)]
    )
    row.children[0].click()
    return tab, happened


def test_a_picture_that_is_dropped_on_the_panel_opens_png_info_with_it() -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG", pnginfo=png_text("gato\nSteps: 7, Seed: 9, Sampler: Heun"))
    _, happened = dropped("x.PNG", data.getvalue())
    assert happened == ["abierta", f"{len(data.getvalue())} gato\nSteps: 7, Seed: 9, Sampler: Heun"]


def test_what_is_no_picture_opens_nothing() -> None:
    assert dropped("x.doc", b"hola")[1] == [PictureUnreadable.code]


def test_a_tab_that_cannot_be_made_shows_no_other_in_its_place_and_is_tried_again() -> None:
    troubles: list[Exception] = []
    broken = {"mezclar"}

    def guarded(action: Callable[[], None]) -> Callable[[object], None]:
        def run(_change: object) -> None:
            try:
                action()
            except OSError as error:
                troubles.append(error)

        return run

    def make(tab: Tab) -> Any:
        if tab.id in broken:
            raise OSError(tab.id)
        return ipywidgets.HTML(tab.id)

    def shown() -> list[str]:
        return [box.value for box in stack.body.children if box.layout.display != "none"]

    stack = TabStack(ipywidgets, LAYOUT.tabs, make, lambda _tab: None, guarded)
    stack.show()
    stack.open("mezclar")
    assert (shown(), len(troubles)) == ([], 1)
    stack.open("pnginfo")
    assert shown() == ["pnginfo"]
    broken.clear()
    stack.open("mezclar")
    assert (shown(), len(troubles)) == (["mezclar"], 1)
