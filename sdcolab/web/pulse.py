"""The pulse: what has changed since the page last looked.

The page's script asks the queue's room in a line whether there is news (``assets/page.js``), and only then presses a
hidden button here: an event of gradio costs a browser many times what a small request does, by each of its outputs.
"""

from __future__ import annotations

import time

import gradio as gr

from sdcolab.core.thumbnails import ThumbnailFolder
from sdcolab.core.words.queue import GO_ON, PAUSE_JOB
from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.actions import FormActions, Selected, Updates, image_updates
from sdcolab.web.bridge import DeskView, JobView, Watch, see_desk, see_job
from sdcolab.web.form_wires import QUIET
from sdcolab.web.parts import Parts
from sdcolab.web.results import shown_images


class Pulse:
    """Brings a page up to date. ``selected`` holds the image on show; the page's new pictures are followed without
    one."""

    def __init__(
        self,
        studio: Studio,
        desk: DownloadDesk,
        parts: Parts,
        actions: FormActions,
        selected: gr.State,
    ) -> None:
        self._studio = studio
        self._desk = desk
        self._parts = parts
        self._actions = actions
        self._selected = selected
        self._thumbnails = ThumbnailFolder(studio.folders.temporary.absolute() / "gradio" / "miniaturas")
        self._watch = gr.State(Watch())
        self._made = gr.Textbox(
            "0", visible="hidden", elem_id="sd-made"
        )  # a State's change is told to queued events only
        self._button = gr.Button("", visible="hidden", elem_id="sd-look-again")

    def connect(self) -> None:
        """Look whenever the page's script says that there is news, and look for files once some were made."""
        self._made.change(self._actions.refresh, self._parts.chosen, self._parts.every_list, **QUIET)
        results, downloads, buttons = self._parts.results, self._parts.downloads, self._parts.buttons
        outputs = [
            *(self._watch, self._made),
            *(results.progress, buttons.progress, results.problems, results.viewer, results.report),
            *(results.infotext, results.download),
            *(buttons.interrupt, buttons.pause, buttons.skip_queue),
            *(downloads.progress, downloads.report, downloads.cancel),
        ]
        inputs = [self._watch, self._selected]
        self._button.click(self._look, inputs, outputs, trigger_mode="always_last", **QUIET)

    def _look(self, watch: Watch, selected: Selected) -> Updates:
        seen, job_view = see_job(watch, self._studio.jobs, time.monotonic)
        seen, desk_view = see_desk(seen, self._desk.snapshot)
        updates: Updates = {} if seen == watch else {self._watch: seen}
        if job_view:
            updates |= self._job_updates(job_view, selected)
        if desk_view:
            updates |= self._desk_updates(desk_view)
        if (job_view and job_view.refresh) or (desk_view and desk_view.refresh):
            updates[self._made] = str(time.monotonic_ns())
        return updates or {self._made: gr.skip()}

    def _job_updates(self, view: JobView, selected: Selected) -> Updates:
        results, buttons = self._parts.results, self._parts.buttons
        updates: Updates = {
            results.progress: fragments.work(view.work, painted=view.painted) + view.progress,
            buttons.progress: view.progress if view.running else "",
            results.problems: view.problems,
            results.report: view.report,
            buttons.interrupt: gr.update(interactive=view.running),
            buttons.pause: gr.update(visible=view.pauses, value=GO_ON if view.paused else PAUSE_JOB),
            buttons.skip_queue: gr.update(visible=view.waiting > 0),
        }
        if view.pictures is not None or view.preview is not None:
            shown = shown_images(self._studio.jobs.jobs(), self._thumbnails.file)
            updates[results.viewer] = {"images": shown, "preview": view.now, "busy": view.running, **view.growing}
        if view.pictures is not None and not selected:
            last = view.pictures[-1] if view.pictures else None
            infotext, download = image_updates(last)
            updates |= {results.infotext: infotext, results.download: download}
        return updates

    def _desk_updates(self, view: DeskView) -> Updates:
        tab = self._parts.downloads
        return {tab.progress: view.progress, tab.report: view.report, tab.cancel: gr.update(interactive=view.running)}
