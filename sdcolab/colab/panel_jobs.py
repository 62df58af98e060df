"""What the panel shows of the jobs: the bar and its sentence, the preview, the report, and the new pictures."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import Any

from sdcolab.colab.panel_notes import Notes
from sdcolab.colab.panel_sheet import as_cells, sheet_widget
from sdcolab.core.curve import chart_svg
from sdcolab.core.errors import Cancelled
from sdcolab.core.events import ImageSaved, Phase
from sdcolab.core.tasks import Download
from sdcolab.core.words import PHASE_LABELS
from sdcolab.core.words import panel as words
from sdcolab.core.words.queue import GO_ON, HELD, PAUSE_JOB, PAUSED
from sdcolab.core.words.tasks import how_far
from sdcolab.studio.job import JobSnapshot
from sdcolab.studio.jobs import JobQueue, behind, is_held
from sdcolab.studio.made import MOST_IN_A_CELL, made_lines
from sdcolab.studio.maps import figures
from sdcolab.studio.sheets import Sheets


class JobsView:
    """Draws what changed since it last looked. ``made`` is called with every new picture, ``opened`` with the key of a
    cell that is pressed on a sheet which fills up, and ``came`` once work that brings files has ended."""

    def __init__(
        self,
        widgets: Any,
        jobs: JobQueue,
        made: Callable[[ImageSaved], None],
        opened: Callable[[str], None],
        came: Callable[[], None],
        notes: Notes,
    ) -> None:
        self._jobs = jobs
        self._sheets = Sheets(jobs)
        self._opened = opened
        self._came = came
        self._sheet: Any = None
        self._made = made
        self._notes = notes
        self._drawn: dict[int, JobSnapshot] = {}
        self._reported = (0, 0)
        self.state = widgets.HTML(value=words.STARTING)
        self.progress = widgets.FloatProgress(min=0.0, max=1.0, layout=widgets.Layout(width="98%", visibility="hidden"))
        self._picture = widgets.Image(format="jpeg", layout=widgets.Layout(width="256px", display="none"))
        self._sheet_box = widgets.VBox([])
        self.preview = widgets.VBox([self._picture, self._sheet_box])
        self.report = widgets.HTML()
        self.pause = widgets.Button(description=PAUSE_JOB, layout=widgets.Layout(width="auto", display="none"))
        self.pause.on_click(lambda _button: self._turn())

    def _turn(self) -> None:
        """Let the job that runs wait, or go on."""
        if job := self._jobs.shown():
            job.pause(not job.cancel_token.held)

    def look(self) -> None:
        """Draw what changed."""
        jobs = self._jobs.jobs()
        for forgotten in self._drawn.keys() - {job.id for job in jobs}:
            del self._drawn[forgotten]  # with its pictures
        for job in jobs:
            snapshot, former = job.snapshot, self._drawn.get(job.id)
            if former is None or snapshot.version != former.version:
                self._drawn[job.id] = snapshot
                self._draw(snapshot, former)
        if current := self._jobs.shown():
            self._draw_current(current.snapshot, behind(current, self._jobs), held=is_held(current, self._jobs))

    def _draw(self, snapshot: JobSnapshot, former: JobSnapshot | None) -> None:
        """What stays of a job: its images, warnings and error."""
        images, warnings = (len(former.images), len(former.warnings)) if former else (0, 0)
        for image in snapshot.images[images:]:
            self._made(image)
        for warning in snapshot.warnings[warnings:]:
            self._notes.trouble(warning, "⚠️")
        if snapshot.ended and not (former and former.ended):
            if snapshot.files or isinstance(snapshot.task, Download):
                self._came()
            if isinstance(snapshot.error, Cancelled):
                self._notes(words.INTERRUPTED)
            elif snapshot.error:
                self._notes.trouble(snapshot.error)

    def _draw_current(self, snapshot: JobSnapshot, waiting: int, *, held: bool) -> None:
        """What moves: the bar, its sentence and the preview; and its report, where it changed."""
        if self._reported != (snapshot.id, snapshot.version):
            self._reported = (snapshot.id, snapshot.version)
            put(self.report, "value", report_of(snapshot))
        put(self.state, "value", state_line(snapshot, waiting, held=held))
        put(self.progress, "value", snapshot.fraction)
        put(self.progress.layout, "visibility", "hidden" if snapshot.ended else "visible")
        pauses = snapshot.pauses and not snapshot.ended and snapshot.phase is not Phase.WAITING
        put(self.pause.layout, "display", "flex" if pauses else "none")
        put(self.pause, "description", f"▶️ {GO_ON}" if snapshot.paused else f"⏸️ {PAUSE_JOB}")
        spots = () if snapshot.ended else self._sheets.growing(str(snapshot.id))
        there = snapshot.preview is not None and not snapshot.ended
        put(self._picture.layout, "display", "flex" if there and not spots else "none")
        if snapshot.preview is None or not there:
            put(self._sheet_box, "children", ())
            return
        encoded = io.BytesIO()
        snapshot.preview.save(encoded, format="JPEG", quality=80)
        self._draw_preview(encoded.getvalue(), as_cells(spots))

    def _draw_preview(self, picture: bytes, cells: list[dict[str, Any]]) -> None:
        """A preview, or a sheet that fills up, whose cells can be pressed."""
        if not cells:
            put(self._picture, "value", picture)
            put(self._sheet_box, "children", ())
            return
        self._sheet = self._sheet or sheet_widget(self._opened)
        put(self._sheet, "picture", picture)
        put(self._sheet, "cells", cells)
        put(self._sheet_box, "children", (self._sheet,))


def report_of(snapshot: JobSnapshot) -> str:
    """The curve of a training, the lines of a report with the files that were made, and maps, as HTML."""
    lines = [*map(html.escape, snapshot.notes), *made_lines(snapshot, "#", MOST_IN_A_CELL)]
    return chart_svg(snapshot.curve) + "<br>".join(lines) + figures(snapshot.maps)


def state_line(snapshot: JobSnapshot, waiting: int, *, held: bool = False) -> str:
    """The sentence beside the bar, as HTML; ``held``: it waits for a queue that is paused."""
    queued = words.QUEUED.format(count=waiting) if waiting else ""
    if snapshot.ended:
        if isinstance(snapshot.error, Cancelled):
            return words.INTERRUPTED
        if snapshot.error:
            return words.FAILED
        if snapshot.is_in_vain:
            return words.IN_VAIN
        return words.images_ready(len(snapshot.images)) if snapshot.images else words.DONE
    if held:
        return html.escape(f"{HELD}{queued}")
    if snapshot.phase is Phase.WAITING:
        return words.PREPARING.format(queued=queued)
    if snapshot.paused:
        return html.escape(f"{PAUSED}{queued}")
    sampling = snapshot.phase in (Phase.SAMPLING, Phase.TRAINING, Phase.LOOKING) and snapshot.total
    steps = f" · {how_far(snapshot.task, snapshot.step, snapshot.total)}" if sampling else ""
    detail = f": {snapshot.detail}" if snapshot.detail else ""
    return html.escape(f"⏳ {PHASE_LABELS[snapshot.phase]}{detail}{steps}{queued}")


def put(widget: Any, trait: str, value: object) -> None:
    """Set a trait only when it changes: each one that does is a message to the browser."""
    if getattr(widget, trait) != value:
        setattr(widget, trait, value)
