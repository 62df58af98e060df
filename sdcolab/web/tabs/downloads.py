"""The downloads tab: links in, progress bars and a report out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from sdcolab.core.words.faces import CANCEL, CATALOG, LINKS, NO_LINKS, PASTE_LINKS
from sdcolab.core.words.page import DOWNLOAD
from sdcolab.studio.desk import DownloadDesk, asked_links
from sdcolab.web import fragments


@dataclass(frozen=True, slots=True)
class Downloads:
    """The tab's controls."""

    chosen: gr.Dropdown
    links: gr.Textbox
    start: gr.Button
    cancel: gr.Button
    message: gr.HTML
    progress: gr.HTML
    report: gr.HTML


def build_downloads(catalog: Sequence[tuple[str, str]]) -> Downloads:
    """Draw the tab inside the current page. ``catalog``: shown words and link of each file on offer."""
    with gr.Column(elem_id="sd-downloads"):
        chosen = gr.Dropdown(
            choices=[*catalog],
            value=[],
            multiselect=True,
            label=CATALOG.label,
            info=CATALOG.help,
            visible=bool(catalog),
            elem_id="sd-catalog",
        )
        links = gr.Textbox(
            label=LINKS.label,
            info=LINKS.help,
            placeholder="https://civitai.com/api/download/models/…",
            lines=4,
            max_lines=12,
            elem_id="sd-links",
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off"),
        )
        with gr.Row(elem_classes="sd-buttons"):
            start = gr.Button(DOWNLOAD, variant="primary", elem_id="sd-download-start", scale=2, min_width=120)
            cancel = gr.Button(
                CANCEL, variant="stop", elem_id="sd-download-cancel", scale=1, min_width=120, interactive=False
            )
        message = gr.HTML(elem_id="sd-download-message")
        progress = gr.HTML(elem_id="sd-download-progress")
        report = gr.HTML(elem_id="sd-download-report")
    return Downloads(chosen, links, start, cancel, message, progress, report)


class DownloadActions:
    """What the tab's buttons do."""

    def __init__(self, desk: DownloadDesk) -> None:
        self._desk = desk

    def start(self, links: str | None, chosen: Sequence[str] | None = None) -> str:
        """Begin with ``links`` and the links ``chosen`` in the catalogue. Returns a message when there are none."""
        wanted = asked_links(links, chosen)
        if not wanted:
            return fragments.message(NO_LINKS, fragments.Tone.ERROR, PASTE_LINKS)
        self._desk.start(wanted)
        return ""

    def cancel(self) -> None:
        """Stop everything that is being downloaded."""
        self._desk.cancel()
