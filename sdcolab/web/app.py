"""The web page: building it and serving it.

``serve`` listens on this computer only, unless told otherwise, and never makes a public link itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import gradio as gr
from starlette.types import ASGIApp

from sdcolab.web.bridge import DeskView, JobView, Watch, see_desk, see_job
from sdcolab.web.controls import CONTROLS
from sdcolab.web.desk import DownloadDesk
from sdcolab.web.header import Header, build_header, list_models, options_now
from sdcolab.web.server import CACHE_SECONDS, Server, start_server
from sdcolab.web.studio import Studio
from sdcolab.web.tabs.downloads import DownloadActions, Downloads, build_downloads
from sdcolab.web.tabs.txt2img import (
    Selected,
    Txt2Img,
    Txt2ImgActions,
    build_txt2img,
    image_updates,
    random_seed,
)

__all__ = ["Server", "Studio", "build_page", "serve"]

BUSY_PULSE = 0.6
"""Seconds between looks at a running job: at most two previews a second."""

IDLE_PULSE = 2.0
"""Seconds between looks when nothing runs, so that another tab's job shows up here soon."""

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How nearly every event is sent: answered at once, with no spinner, and not offered to other programs."""

_KEPT = "sdcolab-formulario"
_FILLED = "sdcolabFilled"
_KEEP_FORM = f"""(...values) => {{
  try {{ if (window.{_FILLED}) sessionStorage.setItem('{_KEPT}', JSON.stringify(values)) }} catch {{}}
}}"""
_RECALL_FORM = f"""() => {{
  try {{ return [JSON.parse(sessionStorage.getItem('{_KEPT}') || 'null')] }} catch {{ return [null] }}
}}"""
"""The form outlives a reload of its tab: phones reload pages whenever they wake up."""


def _fill_untouched(initial: Sequence[Any]) -> str:
    """Script that gives each control its opening value, unless its user was quicker: it then differs from ``initial``,
    which it had when the page was drawn."""
    return f"""(opening, ...now) => {{
      const initial = {json.dumps(list(initial))};
      const untouched = (value, index) => (value ?? "") === (initial[index] ?? "");
      window.{_FILLED} = true;
      return now.map((value, index) => (opening && untouched(value, index) ? opening[index] : value));
    }}"""


def build_page(studio: Studio) -> gr.Blocks:
    """The whole page for ``studio``, ready to serve."""
    return _build(studio, DownloadDesk(studio.download))


def serve(
    studio: Studio,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    api: ASGIApp | None = None,
) -> Server:
    """Serve the page without blocking; ``auth`` is (user, password), and ``port`` 0 takes any free one. ``api`` is the
    HTTP API for other programs.

    Raises ``PortBusy``.
    """
    desk = DownloadDesk(studio.download)
    return start_server(
        lambda: _build(studio, desk),
        host=host,
        port=port,
        auth=auth,
        outputs=studio.folders.outputs,
        temporary=studio.folders.temporary,
        on_close=desk.close,
        api=api,
    )


def _build(studio: Studio, desk: DownloadDesk) -> gr.Blocks:
    options = options_now(studio)
    with gr.Blocks(title="sdcolab", analytics_enabled=False, delete_cache=(3600, CACHE_SECONDS)) as page:
        header = build_header(options)
        with gr.Tabs(elem_id="sd-tabs"):
            with gr.Tab("Texto a imagen (txt2img)", id="txt2img", elem_id="sd-tab-txt2img"):
                txt2img = build_txt2img(options, header)
            with gr.Tab("Descargas", id="descargas", elem_id="sd-tab-downloads"):
                downloads = build_downloads(studio.catalog)
        _draw_defaults(studio, txt2img)
        wires = _Wires(page, studio, desk, header, txt2img, downloads)
        wires.connect()
    return page


def _draw_defaults(studio: Studio, tab: Txt2Img) -> None:
    """Give every control the value that it will show, so that the page works from the moment it appears."""
    for name, value in Txt2ImgActions(studio).default_values().items():
        tab.fields[name].value = value


class _Wires:
    """Which event calls what. Everything is quick and unqueued: long work lives in the job queue and the desk."""

    def __init__(
        self,
        page: gr.Blocks,
        studio: Studio,
        desk: DownloadDesk,
        header: Header,
        txt2img: Txt2Img,
        downloads: Downloads,
    ) -> None:
        self._page = page
        self._studio = studio
        self._desk = desk
        self._header = header
        self._txt2img = txt2img
        self._downloads = downloads
        self._watch = gr.State(Watch())
        self._selected = gr.State(None)
        self._native = gr.State(0)
        self._timer = gr.Timer(IDLE_PULSE)

    def connect(self) -> None:
        """Connect every event of the page."""
        self._connect_form()
        self._connect_styles()
        self._connect_header()
        self._connect_jobs()
        self._connect_downloads()

    def _connect_form(self) -> None:
        tab, actions = self._txt2img, Txt2ImgActions(self._studio)
        kept, opened = gr.JSON(visible=False), gr.JSON(visible=False)
        lists = [tab.fields["checkpoint"], tab.fields["vae"], tab.styles.chosen]
        fields = [tab.fields[name] for name in CONTROLS]
        self._page.load(
            actions.open_form, kept, [opened, *lists, self._native, tab.message], js=_RECALL_FORM, **_QUIET
        ).then(None, [opened, *fields], fields, js=_fill_untouched([field.value for field in fields]), **_QUIET)
        gr.on([control.change for control in tab.form], None, tab.form, None, js=_KEEP_FORM, api_visibility="private")
        width, height, seed = tab.fields["width"], tab.fields["height"], tab.fields["seed"]
        tab.swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]", **_QUIET)
        tab.random_seed.click(random_seed, None, seed, **_QUIET)
        tab.reuse_seed.click(actions.reuse_seed, self._selected, seed, **_QUIET)
        tab.save_defaults.click(actions.save_defaults, [self._native, *tab.form], tab.message, **_QUIET)

    def _connect_styles(self) -> None:
        tab, actions = self._txt2img, Txt2ImgActions(self._studio)
        prompts, styles = [tab.fields["prompt"], tab.fields["negative_prompt"]], tab.styles
        gr.on(
            [control.change for control in (*prompts, styles.chosen)],
            actions.count_tokens,
            [*prompts, styles.chosen],
            [*tab.tokens],
            trigger_mode="always_last",
            **_QUIET,
        )
        styles.save.click(
            actions.save_style, [styles.name, *prompts, styles.chosen], [styles.chosen, tab.message], **_QUIET
        )
        styles.delete.click(actions.delete_styles, styles.chosen, [styles.chosen, tab.message], **_QUIET)
        styles.apply.click(
            actions.apply_styles, [*prompts, styles.chosen], [*prompts, styles.chosen, tab.message], **_QUIET
        )

    def _connect_header(self) -> None:
        header, tab, actions = self._header, self._txt2img, Txt2ImgActions(self._studio)
        lists = [header.checkpoint, header.vae]
        for button in (header.refresh_checkpoints, header.refresh_vaes):
            button.click(lambda *chosen: list_models(self._studio, *chosen), lists, lists, **_QUIET)
        size = [tab.fields["width"], tab.fields["height"]]
        header.checkpoint.input(  # only what the user chooses: an answer on opening the page would undo quick typing
            actions.choose_checkpoint,
            [header.checkpoint, *size, self._native],
            [*size, self._native, tab.message],
            **_QUIET,
        )

    def _connect_jobs(self) -> None:
        tab, actions = self._txt2img, Txt2ImgActions(self._studio)
        results = tab.results
        tab.generate.click(
            actions.generate, tab.form, tab.message, queue=False, show_progress="hidden", api_name="generar"
        ).then(**self._pulse())
        tab.interrupt.click(actions.interrupt, None, None, **_QUIET)
        results.gallery.select(
            actions.select_image, self._watch, [self._selected, results.infotext, results.download], **_QUIET
        )
        self._page.load(**self._pulse())
        self._timer.tick(**self._pulse())

    def _connect_downloads(self) -> None:
        tab, actions = self._downloads, DownloadActions(self._desk)
        tab.start.click(actions.start, [tab.links, tab.chosen], tab.message, **_QUIET).then(**self._pulse())
        tab.cancel.click(actions.cancel, None, None, **_QUIET)

    def _pulse(self) -> dict[str, Any]:
        """The event that brings the page up to date."""
        results, downloads = self._txt2img.results, self._downloads
        outputs = [
            *(self._watch, self._timer),
            *(results.progress, results.progress_bottom, results.problems, results.preview),
            *(results.gallery, results.infotext, results.download),
            self._txt2img.interrupt,
            *(downloads.progress, downloads.report, downloads.cancel),
            *(self._header.checkpoint, self._header.vae),
        ]
        inputs = [self._watch, self._selected, self._header.checkpoint, self._header.vae]
        return {"fn": self._look, "inputs": inputs, "outputs": outputs, **_QUIET}

    def _look(self, watch: Watch, selected: Selected, checkpoint: str | None, vae: str | None) -> tuple[Any, ...]:
        seen, job_view = see_job(watch, self._studio.jobs, time.monotonic)
        seen, desk_view = see_desk(seen, self._desk.snapshot)
        lists = (gr.skip(), gr.skip())
        if desk_view and desk_view.refresh:
            lists = list_models(self._studio, checkpoint, vae)
        pulse = gr.skip()
        if job_view or desk_view:
            job = self._studio.jobs.current()
            busy = self._desk.snapshot.running or (job is not None and not job.snapshot.ended)
            pulse = gr.Timer(BUSY_PULSE if busy else IDLE_PULSE)
        return (
            gr.skip() if seen == watch else seen,
            pulse,
            *self._job_updates(seen, job_view, selected),
            *_desk_updates(desk_view),
            *lists,
        )

    def _job_updates(self, watch: Watch, view: JobView | None, selected: Selected) -> tuple[Any, ...]:
        """Updates for the results' seven parts and the interrupt button."""
        if view is None:
            return (gr.skip(),) * 8
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
        )


def _desk_updates(view: DeskView | None) -> tuple[Any, Any, Any]:
    """Updates for the downloads' progress, report and cancel button."""
    if view is None:
        return gr.skip(), gr.skip(), gr.skip()
    return view.progress, view.report, gr.update(interactive=view.running)
