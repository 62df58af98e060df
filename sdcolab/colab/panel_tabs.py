"""The panel's other tabs: the forms of tools, and the data inside a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sdcolab.colab.panel_fields import uploaded_files
from sdcolab.colab.panel_form import FormBox
from sdcolab.colab.panel_generation import picture_of
from sdcolab.colab.panel_notes import Guarded
from sdcolab.core import infotext
from sdcolab.core.errors import PictureUnreadable
from sdcolab.core.pictures import PICTURE_SUFFIXES, for_browsers
from sdcolab.core.tasks import Origin
from sdcolab.core.words import panel as words
from sdcolab.studio.form import Reader, once
from sdcolab.studio.layout import Tab
from sdcolab.studio.studio import Studio

Send = Callable[[bytes, str], None]
"""What is done with a picture and its text."""


class TabStack:
    """The ``bar`` of tabs, and in ``body`` what they show. Each is made by ``make`` when it is opened first, since a
    notebook keeps every widget of every cell in the browser; ``opened`` hears of each opening before it is seen."""

    def __init__(
        self,
        widgets: Any,
        tabs: Sequence[Tab],
        make: Callable[[Tab], Any],
        opened: Callable[[Tab], None],
        guarded: Guarded,
    ) -> None:
        self._tabs = {tab.id: tab for tab in tabs}
        self._make = make
        self._opened = opened
        self._boxes: dict[str, Any] = {}
        self.body = widgets.VBox([])
        titles = [(tab.title, tab.id) for tab in tabs]
        self.bar = widgets.ToggleButtons(options=titles, style={"button_width": "auto"})
        self.bar.observe(guarded(self.show), names="value")

    @property
    def tab(self) -> Tab:
        """The one that is open."""
        return self._tabs[self.bar.value]

    def open(self, name: str) -> None:
        """Go to the tab of that name."""
        self.bar.value = name

    def show(self) -> None:
        """Show the one that is open."""
        tab = self.tab
        box = self._boxes.get(tab.id)
        try:
            self._opened(tab)
            box = self._boxes[tab.id] = box or self._make(tab)
        finally:  # where one cannot be made, no other stands in its place
            if box and box not in self.body.children:
                self.body.children += (box,)
            for other in self.body.children:
                other.layout.display = "flex" if other is box else "none"


class ToolTab:
    """The form of a task and the button that queues it. ``starting`` is called just before it is queued."""

    def __init__(
        self, widgets: Any, studio: Studio, tab: Tab, guarded: Guarded, starting: Callable[[], None] = lambda: None
    ) -> None:
        if tab.tool is None:
            raise ValueError(tab.id)
        self._studio = studio
        self._tool = tab.tool
        self._starting = starting
        lists = once(studio.lists)
        self.form = FormBox(
            widgets,
            tab.tool.task,
            tab.tool.shown(),
            tab.tool.opening(lists) | studio.last_values(tab.tool),
            lists,
            prefix=tab.tool.prefix or tab.tool.task.code,
        )
        row = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        for verb, style, trying in ((tab.tool.verb, "primary", False), (tab.tool.trying, "", True)):
            if verb:
                text = f"▶️ {verb}" if verb[0].isalpha() else verb  # one picture is enough
                button = widgets.Button(description=text, button_style=style, layout=widgets.Layout(width="auto"))
                button.add_class("sd-start")
                button.on_click(guarded(partial(self._start, trying=trying)))
                row.children += (button,)
        self.box = widgets.VBox([widgets.HTML(f"<p>{tab.hint}</p>"), self.form.box, row])

    def refresh(self) -> None:
        """Look for what can be chosen again; what has no value yet begins with what there is now."""
        lists, now, begin = once(self._studio.lists), self.form.values, self._tool.begin
        self.form.offer(lists)
        self.form.fill({path: value for path, value in (begin(lists) if begin else {}).items() if not now[path]})

    def _start(self, *, trying: bool) -> None:
        task = Reader(once(self._studio.lists), picture_of).build(self._tool.task, self.form.values)
        self._starting()  # before it is asked for: what fails at once has its own troubles to tell
        self._studio.start(self._tool, task, Origin.PANEL, trying=trying)


class PngInfoTab:
    """What is written inside a picture, and where it can be sent. ``sends``: by the words on the button. ``opened``
    opens the tab, since pictures come from elsewhere too."""

    def __init__(self, widgets: Any, sends: dict[str, Send], opened: Callable[[], None], guarded: Guarded) -> None:
        self._picture = b""
        self._opened = opened
        self._upload = widgets.FileUpload(accept="image/*", multiple=False, description=words.CHOOSE_PICTURE)
        self._upload.layout.width = "auto"
        self._shown = widgets.Image(layout=widgets.Layout(max_width="100%", max_height="260px", display="none"))
        self._text = widgets.Textarea(
            rows=8,
            disabled=True,
            description=words.SAVED_DATA,
            placeholder=words.NO_PICTURE_YET,
            layout=widgets.Layout(width="98%"),
        )
        self._upload.observe(lambda _change: guarded(self._look)(None), names="value")
        buttons = []
        for text, send in sends.items():
            button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
            button.on_click(guarded(partial(self._send, send)))
            buttons.append(button)
        row = widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._upload, self._shown, self._text, row])

    def show(self, name: str, picture: bytes) -> None:
        """Open the tab with the file called ``name``. Raises ``PictureUnreadable`` and leaves the tab where it is
        none."""
        if Path(name).suffix.lower() not in PICTURE_SUFFIXES:
            raise PictureUnreadable(path=Path(name))
        self._opened()
        self._picture = picture
        self._shown.value = for_browsers(self._picture)
        self._shown.layout.display = "flex"
        self._text.value = ""
        self._text.value = infotext.read_bytes(self._picture, name)

    def _send(self, send: Send) -> None:
        if self._picture:
            send(self._picture, self._text.value)

    def _look(self) -> None:
        found = uploaded_files(self._upload.value)
        if found:
            self.show(*found[-1])
