"""What the panel says of the form before its button is pressed."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from sdcolab.colab.panel_form import FormBox
from sdcolab.colab.panel_notes import Guarded
from sdcolab.core.request import FIELDS
from sdcolab.core.words import explain
from sdcolab.studio.control_desk import ControlDesk
from sdcolab.studio.generating import Asked
from sdcolab.studio.remarking import looked_at, remarks_on
from sdcolab.studio.studio import Studio


class RemarkBox:
    """``box`` is where it is said. ``asked`` gives the form as it stands."""

    def __init__(self, widgets: Any, studio: Studio, asked: Callable[[], Asked], guarded: Guarded) -> None:
        self.box = widgets.HTML()
        self._studio = studio
        self._asked = asked
        self._again = guarded(self._look)

    def watch(self, form: FormBox, desk: ControlDesk, *others: Callable[[Callable[[], None]], None]) -> None:
        """Look whenever a field that counts changes in ``form``; ``others`` take what to call when theirs do."""
        for hears in others:
            hears(self.look)
        for path in (*filter(looked_at, FIELDS), *(f"{unit}.model" for unit in desk.units)):
            form.watch(path, self.look)

    def look(self) -> None:
        """Say what there is to say now."""
        self._again(None)

    def _look(self) -> None:
        told = "<br>".join(f"⚠️ {html.escape(str(explain(one)))}" for one in remarks_on(self._studio, self._asked()))
        if told != self.box.value:
            self.box.value = told
