"""The downloads tab: links in, progress bars and a report out."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sdcolab.web import fragments
from sdcolab.web.desk import DownloadDesk


@dataclass(frozen=True, slots=True)
class Downloads:
    """The tab's controls."""

    links: gr.Textbox
    start: gr.Button
    cancel: gr.Button
    message: gr.HTML
    progress: gr.HTML
    report: gr.HTML


def build_downloads() -> Downloads:
    """Draw the tab inside the current page."""
    with gr.Column(elem_id="sd-downloads"):
        links = gr.Textbox(
            label="Enlaces",
            info="Modelos, VAE, LoRA o embeddings de civitai, huggingface o enlaces directos. "
            "Sepáralos con comas o en líneas distintas.",
            placeholder="https://civitai.com/api/download/models/…",
            lines=4,
            max_lines=12,
            elem_id="sd-links",
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off"),
        )
        with gr.Row(elem_classes="sd-buttons"):
            start = gr.Button("Descargar", variant="primary", elem_id="sd-download-start", scale=2, min_width=120)
            cancel = gr.Button(
                "Cancelar", variant="stop", elem_id="sd-download-cancel", scale=1, min_width=120, interactive=False
            )
        message = gr.HTML(elem_id="sd-download-message")
        progress = gr.HTML(elem_id="sd-download-progress")
        report = gr.HTML(elem_id="sd-download-report")
    return Downloads(links, start, cancel, message, progress, report)


class DownloadActions:
    """What the tab's buttons do."""

    def __init__(self, desk: DownloadDesk) -> None:
        self._desk = desk

    def start(self, links: str | None) -> str:
        """Begin with ``links``. Returns a message when there are none."""
        if not (links or "").strip():
            return fragments.message("No hay ningún enlace.", fragments.Tone.ERROR, "Pega uno o más en la casilla.")
        self._desk.start(links or "")
        return ""

    def cancel(self) -> None:
        """Stop everything that is being downloaded."""
        self._desk.cancel()
