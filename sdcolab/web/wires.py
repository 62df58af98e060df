"""Which event of the page calls what. All are quick and unqueued: long work lives in the job queue and the desk."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.studio.desk import DownloadDesk
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import KEPT, TUNING_PATHS, PanelActions, Selected, image_updates, neutral_tuning, random_seed
from sdcolab.web.bridge import DeskView, JobView, Watch, see_desk, see_job
from sdcolab.web.canvas import show_in
from sdcolab.web.controls import FORM, element_id
from sdcolab.web.header import LISTED, Header, refresh_models
from sdcolab.web.help import DOWNLOAD_REPORT, Help, make_report
from sdcolab.web.panel import Panel
from sdcolab.web.sending import FILLED, Sender
from sdcolab.web.tabs.downloads import DownloadActions, Downloads
from sdcolab.web.tabs.extras import ExtrasActions
from sdcolab.web.tabs.pnginfo import PngInfo

BUSY_PULSE = 0.6
"""Seconds between looks at a running job: at most two previews a second."""

IDLE_PULSE = 2.0
"""Seconds between looks when nothing runs, so that another tab's job shows up here soon."""

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How nearly every event is sent: answered at once, with no spinner, and not offered to other programs."""

_STORE = "sdcolab-formulario"
_FILLED_FLAG = "sdcolabFilled"
_KEEP_FORM = f"""(...values) => {{
  try {{ if (window.{_FILLED_FLAG}) sessionStorage.setItem('{_STORE}', JSON.stringify(values)) }} catch {{}}
}}"""
_RECALL_FORM = f"""() => {{
  try {{ return [JSON.parse(sessionStorage.getItem('{_STORE}') || 'null')] }} catch {{ return [null] }}
}}"""
"""The form outlives a reload of its tab: phones reload pages whenever they wake up."""

_WITH_MODE = f"""(...values) => {{
  values[{list(FORM).index("init")}] = document.documentElement.dataset.sdMode === "img2img";
  return values;
}}"""
"""What the browser knows and no control holds: which tab is open."""


def _fill_untouched(initial: Sequence[Any]) -> str:
    """Script that gives each control its opening value, unless its user was quicker: it then differs from ``initial``,
    which it had when the page was drawn.

    A control that needs no new value is not written at all: gradio reads every control before it runs the script and
    writes after it, and what somebody types in between would be lost.
    """
    return f"""(opening, ...now) => {{
      const initial = {json.dumps(list(initial))};
      const leave = {{ __type__: "update" }};
      const same = (one, other) => JSON.stringify(one ?? "") === JSON.stringify(other ?? "");
      const fill = (value, index) => opening && same(value, initial[index]) && !same(value, opening[index]);
      window.{_FILLED_FLAG} = true;
      return now.map((value, index) => (fill(value, index) ? opening[index] : leave));
    }}"""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was drawn. ``modes`` are the tabs with their names."""

    header: Header
    tabs: gr.Tabs
    modes: tuple[tuple[str, gr.Tab], ...]
    panel: Panel
    pnginfo: PngInfo
    downloads: Downloads
    help: Help


class Wires:
    """Connects the parts of a page to their handlers."""

    def __init__(self, page: gr.Blocks, studio: Studio, desk: DownloadDesk, parts: Parts) -> None:
        self._page = page
        self._studio = studio
        self._desk = desk
        self._parts = parts
        self._panel = parts.panel
        self._actions = PanelActions(studio)
        self._sender = Sender(studio)
        self._watch = gr.State(Watch())
        self._selected = gr.State(None)
        self._native = gr.State(0)
        self._timer = gr.Timer(IDLE_PULSE)

    def connect(self) -> None:
        """Connect every event of the page."""
        self._connect_tabs()
        self._connect_form()
        self._connect_prompts()
        self._connect_header()
        self._connect_jobs()
        self._connect_source()
        self._connect_sending()
        self._connect_pnginfo()
        self._connect_extras()
        self._connect_downloads()
        self._connect_help()

    def _fields(self, *paths: str) -> list[Any]:
        return [self._panel.fields[path] for path in paths]

    def _lists(self) -> list[Any]:
        return [*self._fields(*LISTED), self._panel.lora]

    def _connect_tabs(self) -> None:
        for name, tab in self._parts.modes:
            tab.select(None, None, None, js=f"() => {{ document.documentElement.dataset.sdMode = '{name}' }}", **_QUIET)

    def _connect_form(self) -> None:
        panel, actions = self._panel, self._actions
        kept, opened = gr.JSON(visible=False), gr.JSON(visible=False)
        fields = self._fields(*KEPT)
        self._page.load(
            actions.open_form,
            kept,
            [opened, panel.styles.chosen, self._native, panel.message, *self._lists()],
            js=_RECALL_FORM,
            **_QUIET,
        ).then(None, [opened, *fields], fields, js=_fill_untouched([field.value for field in fields]), **_QUIET)
        remembered = [*fields, panel.styles.chosen]
        gr.on(
            [control.change for control in remembered], None, remembered, None, js=_KEEP_FORM, api_visibility="private"
        )
        size, buttons = self._fields("width", "height"), panel.buttons
        buttons.swap.click(None, size, size, js="(width, height) => [height, width]", **_QUIET)
        buttons.random_seed.click(random_seed, None, panel.fields["seed"], **_QUIET)
        buttons.reuse_seed.click(actions.reuse_seed, self._selected, panel.fields["seed"], **_QUIET)
        buttons.reset_tuning.click(neutral_tuning, None, self._fields(*TUNING_PATHS), **_QUIET)
        buttons.put_defaults.click(actions.put_defaults, None, [*fields, panel.message], **_QUIET)
        buttons.save_defaults.click(actions.save_defaults, [self._native, *panel.form], panel.message, **_QUIET)

    def _connect_prompts(self) -> None:
        panel, actions = self._panel, self._actions
        prompts, styles = self._fields("prompt", "negative_prompt"), panel.styles
        gr.on(
            [control.change for control in (*prompts, styles.chosen)],
            actions.count_tokens,
            [*prompts, styles.chosen],
            [*panel.tokens],
            trigger_mode="always_last",
            **_QUIET,
        )
        styles.save.click(
            actions.save_style, [styles.name, *prompts, styles.chosen], [styles.chosen, panel.message], **_QUIET
        )
        styles.delete.click(actions.delete_styles, styles.chosen, [styles.chosen, panel.message], **_QUIET)
        styles.apply.click(
            actions.apply_styles, [*prompts, styles.chosen], [*prompts, styles.chosen, panel.message], **_QUIET
        )
        panel.lora.input(actions.add_lora, [panel.lora, prompts[0]], [prompts[0], panel.lora, panel.message], **_QUIET)

    def _connect_header(self) -> None:
        header, panel = self._parts.header, self._panel
        for button in (header.refresh_checkpoints, header.refresh_vaes):
            button.click(
                partial(refresh_models, self._studio), [header.checkpoint, header.vae], self._lists(), **_QUIET
            )
        size = self._fields("width", "height")
        header.checkpoint.input(  # only what the user chooses: an answer on opening the page would undo quick typing
            self._actions.choose_checkpoint,
            [header.checkpoint, *size, self._native],
            [*size, self._native, panel.message],
            **_QUIET,
        )

    def _connect_jobs(self) -> None:
        panel, actions, results = self._panel, self._actions, self._panel.results
        panel.buttons.generate.click(
            actions.generate,
            panel.form,
            panel.message,
            js=_WITH_MODE,
            queue=False,
            show_progress="hidden",
            api_name="generar",
        ).then(**self._pulse())
        panel.buttons.interrupt.click(actions.interrupt, None, None, **_QUIET)
        panel.buttons.empty_queue.click(actions.empty_queue, None, panel.message, **_QUIET).then(**self._pulse())
        results.gallery.select(
            actions.select_image, self._watch, [self._selected, results.infotext, results.download], **_QUIET
        )
        self._page.load(**self._pulse())
        self._timer.tick(**self._pulse())

    def _connect_source(self) -> None:
        """The picture to start from: the mask is painted over it."""
        panel = self._panel
        image = panel.fields["init.images"]
        image.change(None, image, None, js=show_in(element_id("init.inpaint.mask")), **_QUIET)
        size = self._fields("width", "height")
        panel.buttons.init_size.click(self._sender.size_of, [image, *size], [*size, panel.message], **_QUIET)

    def _connect_sending(self) -> None:
        panel, results, sender = self._panel, self._panel.results, self._sender
        filled = [*self._fields(*FILLED), panel.message]
        panel.buttons.paste.click(sender.paste, panel.fields["prompt"], filled, **_QUIET)
        results.use.click(sender.use, self._selected, filled, **_QUIET)
        sent = [*self._sent(), panel.message]
        for button, inpaint in ((results.to_img2img, False), (results.to_inpaint, True)):
            button.click(partial(sender.send, inpaint=inpaint), self._selected, sent, **_QUIET)
        if panel.extras:
            results.to_extras.click(
                sender.send_to_extras,
                self._selected,
                [panel.extras.pictures, self._parts.tabs, panel.message],
                **_QUIET,
            )

    def _sent(self) -> list[Any]:
        """What sending an image to img2img changes."""
        return [*self._fields("init.images", "init.inpaint", "width", "height"), self._parts.tabs]

    def _connect_pnginfo(self) -> None:
        tab, sender = self._parts.pnginfo, self._sender
        tab.picture.change(sender.look, tab.picture, [tab.text, tab.message], **_QUIET)
        filled = [*self._fields(*FILLED), self._panel.message, self._parts.tabs, tab.message]
        tab.to_txt2img.click(sender.use_file, tab.picture, filled, **_QUIET)
        for button, inpaint in ((tab.to_img2img, False), (tab.to_inpaint, True)):
            button.click(
                partial(sender.send_file, inpaint=inpaint), tab.picture, [*self._sent(), tab.message], **_QUIET
            )

    def _connect_extras(self) -> None:
        extras = self._panel.extras
        if extras:
            start = ExtrasActions(self._studio, tuple(extras.fields)).start
            extras.start.click(start, extras.form, self._panel.message, **_QUIET).then(**self._pulse())

    def _connect_downloads(self) -> None:
        tab, actions = self._parts.downloads, DownloadActions(self._desk)
        tab.start.click(actions.start, [tab.links, tab.chosen], tab.message, **_QUIET).then(**self._pulse())
        tab.cancel.click(actions.cancel, None, None, **_QUIET)

    def _connect_help(self) -> None:
        foot = self._parts.help
        foot.report.click(partial(make_report, self._studio), None, foot.said, **_QUIET).then(
            None, None, None, js=DOWNLOAD_REPORT, **_QUIET
        )

    # --- The pulse: what has changed since the page last looked ---

    def _pulse(self) -> dict[str, Any]:
        """The event that brings the page up to date."""
        results, downloads, header = self._panel.results, self._parts.downloads, self._parts.header
        outputs = [
            *(self._watch, self._timer),
            *(results.progress, results.progress_bottom, results.problems, results.preview),
            *(results.gallery, results.infotext, results.download),
            *(self._panel.buttons.interrupt, self._panel.buttons.empty_queue),
            *(downloads.progress, downloads.report, downloads.cancel),
            *self._lists(),
        ]
        inputs = [self._watch, self._selected, header.checkpoint, header.vae]
        return {"fn": self._look, "inputs": inputs, "outputs": outputs, **_QUIET}

    def _look(self, watch: Watch, selected: Selected, checkpoint: str | None, vae: str | None) -> tuple[Any, ...]:
        seen, job_view = see_job(watch, self._studio.jobs, time.monotonic)
        seen, desk_view = see_desk(seen, self._desk.snapshot)
        lists: Sequence[Any] = (gr.skip(),) * len(self._lists())
        if desk_view and desk_view.refresh:
            lists = refresh_models(self._studio, checkpoint, vae)
        pulse = gr.skip()
        if job_view or desk_view:
            job = self._studio.jobs.current()
            busy = self._desk.snapshot.running or (job is not None and not job.snapshot.ended)
            pulse = gr.Timer(BUSY_PULSE if busy else IDLE_PULSE)
        return (
            gr.skip() if seen == watch else seen,
            pulse,
            *_job_updates(seen, job_view, selected),
            *_desk_updates(desk_view),
            *lists,
        )


def _job_updates(watch: Watch, view: JobView | None, selected: Selected) -> tuple[Any, ...]:
    """Updates for the results' seven parts and the two buttons."""
    if view is None:
        return (gr.skip(),) * 9
    gallery = infotext = download = gr.skip()
    if view.images is not None:
        chosen = selected if selected and selected[0] == watch.job else None
        gallery = gr.update(value=[str(image.path) for image in view.images])
        if not chosen:
            last = len(view.images) - 1
            gallery["selected_index"] = last if view.images else None
            infotext, download = image_updates(view.images[last] if view.images else None)
    return (
        view.progress,
        view.progress if view.running else "",
        view.problems,
        gr.skip() if view.preview is None else view.preview,
        gallery,
        infotext,
        download,
        gr.update(interactive=view.running),
        gr.update(visible=watch.waiting > 0),
    )


def _desk_updates(view: DeskView | None) -> tuple[Any, Any, Any]:
    """Updates for the downloads' progress, report and cancel button."""
    if view is None:
        return gr.skip(), gr.skip(), gr.skip()
    return view.progress, view.report, gr.update(interactive=view.running)
