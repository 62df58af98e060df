"""What the panel says of the form before its button is pressed."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from sdcolab.colab.panel_form import FormBox
from sdcolab.colab.panel_notes import Guarded
from sdcolab.core.words import explain
from sdcolab.core.words.fields import part_label
from sdcolab.core.words.layout import turn_off
from sdcolab.studio.control_desk import ControlDesk
from sdcolab.studio.generating import Asked
from sdcolab.studio.remarking import ended_by, every_path, remarks_on
from sdcolab.studio.studio import Studio


class RemarkBox:
    """``box`` is where it is said. ``asked`` gives the form as it stands."""

    def __init__(self, widgets: Any, studio: Studio, asked: Callable[[], Asked], guarded: Guarded) -> None:
        self._told = widgets.HTML()
        self._off = widgets.Button(layout=widgets.Layout(width="auto", display="none", align_self="flex-start"))
        self._off.on_click(guarded(self._turn_off))
        self._part = ""
        self._form: FormBox | None = None
        self.box = widgets.VBox([self._told, self._off])
        self._studio = studio
        self._asked = asked
        self._again = guarded(self._look)

    def watch(self, form: FormBox, desk: ControlDesk, *others: Callable[[Callable[[], None]], None]) -> None:
        """Look whenever a field that counts changes in ``form``; ``others`` take what to call when theirs do."""
        self._form = form
        for hears in others:
            hears(self.look)
        for path in every_path(desk.units):
            form.watch(path, self.look)

    def look(self) -> None:
        """Say what there is to say now."""
        self._again(None)

    def _look(self) -> None:
        remarks = remarks_on(self._studio, self._asked())
        told = "<br>".join(f"⚠️ {html.escape(str(explain(one)))}" for one in remarks)
        if told != self._told.value:
            self._told.value = told
        self._part = next(filter(None, map(ended_by, remarks)), "")
        self._off.description = turn_off(part_label(self._part)) if self._part else ""
        self._off.layout.display = "flex" if self._part else "none"

    def _turn_off(self) -> None:
        if self._form and self._part:
            self._form.fill({self._part: False})
            self._look()
