"""The panel's tab of downloads: what was asked for anywhere in the studio, and how it goes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from sdcolab.colab.panel_jobs import put
from sdcolab.colab.panel_notes import Notes
from sdcolab.colab.prepare import MissingDownload
from sdcolab.colab.progress import WidgetBars, describe
from sdcolab.core.tasks import Origin
from sdcolab.core.words import panel as words
from sdcolab.core.words.faces import CANCEL, CATALOG, LINKS, NO_LINKS, PASTE_LINKS, READING_LINKS
from sdcolab.studio.desk import DeskSnapshot, DownloadDesk, asked_links
from sdcolab.studio.studio import Studio

LINKS_PLACEHOLDER = "https://civitai.com/…, https://huggingface.co/…"


class DownloadTab:
    """Choose from the catalogue or paste links. ``again`` is what other sessions had."""

    def __init__(self, widgets: Any, studio: Studio, again: Sequence[MissingDownload], notes: Notes) -> None:
        self._widgets = widgets
        self._desk = DownloadDesk(studio.jobs)
        self._notes = notes
        self._drawn = DeskSnapshot()
        wide = widgets.Layout(width="98%")
        self._catalog = widgets.SelectMultiple(
            options=[*studio.catalog], rows=8, description=CATALOG.label, layout=wide
        )
        self.links = widgets.Textarea(rows=3, description=LINKS.label, placeholder=LINKS_PLACEHOLDER, layout=wide)
        self._start = notes.button(words.DOWNLOAD, self._begin, button_style="primary")
        self._cancel = notes.button(CANCEL, self._desk.cancel, disabled=True)
        self._waiting = widgets.HTML()
        self._going, self._told = widgets.VBox([]), widgets.HTML()
        self._bars = WidgetBars(widgets, self._show_bars, notes)
        if again:
            self.links.value = "\n".join(one.link for one in again)
            notes(words.DOWNLOAD_AGAIN)
        buttons = widgets.HBox([self._start, self._cancel], layout=widgets.Layout(flex_flow="row wrap"))
        asked = [self._help(CATALOG.help), self._catalog, self._help(LINKS.help), self.links, buttons]
        self.box = widgets.VBox([*asked, self._waiting, self._going, self._told])

    def look(self) -> None:
        """Draw what changed; called by the thread that watches. What goes wrong is told among the news."""
        now = self._desk.snapshot
        if now.version == self._drawn.version:
            return
        former, self._drawn = self._drawn, now
        put(self._cancel, "disabled", not now.running)
        put(self._waiting, "value", READING_LINKS if now.running and not now.transfers else "")
        if names(former) - names(now):  # others were asked for once the former had ended
            self._bars = WidgetBars(self._widgets, self._show_bars, self._notes)
        for one in now.transfers:
            self._bars.show(one.name, one.received / one.total if one.total else None, describe(one))
        put(self._told, "value", "<br>".join(map(html.escape, now.reports)))

    def close(self) -> None:
        """Nothing else can be asked for."""
        self._start.disabled = self._cancel.disabled = True

    def _show_bars(self, box: Any) -> None:
        self._going.children = (box,)

    def _help(self, text: str) -> Any:
        return self._widgets.HTML(f"<small>{html.escape(text)}</small>")

    def _begin(self) -> None:
        text = asked_links(self.links.value, self._catalog.value)
        if not text:
            self._notes(f"⚠️ {NO_LINKS} {PASTE_LINKS}")
            return
        self._desk.start(text, Origin.PANEL)


def names(snapshot: DeskSnapshot) -> frozenset[str]:
    """The files that it tells of."""
    return frozenset(one.name for one in snapshot.transfers)
