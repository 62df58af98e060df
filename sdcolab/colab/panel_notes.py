"""The panel's lines of news, and the edge where a button's errors become one."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from typing import Any

from sdcolab.colab.waiting import is_waiting
from sdcolab.core.errors import SdcolabError, Unexpected
from sdcolab.core.words import explain
from sdcolab.core.words.layout import GET
from sdcolab.studio.remarking import gettable

MAX_NOTES = 8

Note = Callable[[str], None]
"""Shows a line of news."""

Guarded = Callable[[Callable[[], None]], Callable[[object], None]]
"""A button's handler that explains what goes wrong."""

_log = logging.getLogger(__name__)


class Notes:
    """The last lines of news, and a button for the file that is missing. ``box`` is what is shown; ``get`` asks for a
    file of that name and says so."""

    def __init__(self, widgets: Any, get: Callable[[str], str]) -> None:
        self._widgets = widgets
        self._lines: list[str] = []
        self._said = widgets.HTML()
        self._get, self._missing = get, ""
        self._fetch = self.button("", self._fetch_missing)
        self.box = widgets.VBox([self._said, self._fetch])
        self.offer("")

    def __call__(self, text: str) -> None:
        """Show a line of news, once in a row; the last ones stay. What is still waited for has one line."""
        if self._lines and is_waiting(self._lines[-1]) and is_waiting(text):
            self._lines = [*self._lines[:-1], text]
        elif self._lines[-1:] != [text]:
            self._lines = [*self._lines[1 - MAX_NOTES :], text]
        self._draw()

    def forget_troubles(self) -> None:
        """Take away what was said of something that has just been corrected."""
        self._lines = [line for line in self._lines if not line.startswith(("⚠️", "❌"))]
        self.offer("")
        self._draw()

    def trouble(self, error: SdcolabError, sign: str = "❌") -> None:
        """Explain what went wrong, with a button for the file that is missing where it is one on offer."""
        self(f"{sign} {explain(error)}")
        if name := gettable(error):
            self.offer(name)

    def offer(self, name: str) -> None:
        """Show the button that downloads the file ``name``; "" takes it away."""
        self._missing = name
        self._fetch.description = f"⬇️ {GET} {name}"
        self._fetch.layout.display = "flex" if name else "none"

    def _fetch_missing(self) -> None:
        self(f"📥 {self._get(self._missing)}")
        self.offer("")

    def guarded(self, action: Callable[[], None]) -> Callable[[object], None]:
        """``action`` as the handler of a button, which explains what goes wrong."""

        def press(_button: object) -> None:
            try:
                action()
            except SdcolabError as error:
                self.trouble(error, "⚠️")
            except Exception as error:  # noqa: BLE001 - an edge: the user must see that the button did not work
                self.crashed(error)

        return press

    def button(self, text: str, action: Callable[[], None], **options: Any) -> Any:
        """A button that does ``action``, and explains what goes wrong."""
        made = self._widgets.Button(description=text, layout=self._widgets.Layout(width="auto"), **options)
        made.on_click(self.guarded(action))
        return made

    def crashed(self, error: Exception) -> None:
        """Tell of a bug; the log keeps its traceback."""
        _log.error("panel", exc_info=error)
        self(f"❌ {explain(unexpected(error))}")

    def _draw(self) -> None:
        self._said.value = "<br>".join(map(html.escape, self._lines))


def unexpected(error: Exception) -> Unexpected:
    """A bug as an error that can be explained."""
    return Unexpected(kind=type(error).__name__, detail=str(error))
