"""The panel's offer to go on with a plan that another session left."""

from __future__ import annotations

import html
from typing import Any

from sdcolab.colab.panel_notes import Guarded, Note
from sdcolab.colab.panel_parts import button_row
from sdcolab.core.tasks import Origin
from sdcolab.core.words.scripts import CONTINUE_PLAN, LEAVE_PLAN, PLAN_CONTINUED, PLAN_LEFT
from sdcolab.studio.plans import offered, sentence
from sdcolab.studio.studio import Studio


class LeftPlanOffer:
    """``box`` is what is shown: nothing when there is no such plan."""

    def __init__(self, widgets: Any, studio: Studio, note: Note, guarded: Guarded) -> None:
        self._studio = studio
        self._note = note
        self.box = widgets.VBox([])
        plan = offered(studio.plans, studio.jobs)
        if plan is None:
            return
        self._name = plan.name
        buttons = button_row(widgets, guarded, (CONTINUE_PLAN, self._go_on), (LEAVE_PLAN, self._leave))
        self.box.children = (widgets.HTML(f"<p>{html.escape(sentence(plan))}</p>"), buttons)

    def _go_on(self) -> None:
        self._studio.submit(self._studio.plans.continued(self._name), Origin.PANEL)
        self._close(PLAN_CONTINUED)

    def _leave(self) -> None:
        self._studio.plans.leave(self._name)
        self._close(PLAN_LEFT)

    def _close(self, told: str) -> None:
        self.box.children = ()
        self._note(told)
