"""The foot of the page: the report to send to whoever helps, with one click."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sdcolab.studio.studio import Studio
from sdcolab.web.edge import attempt

DOWNLOAD_REPORT = "() => document.querySelector('#sd-report a')?.click()"
"""Script that follows the link that has just been shown."""


@dataclass(frozen=True, slots=True)
class Help:
    """The foot's controls."""

    report: gr.Button
    said: gr.HTML


def build_help() -> Help:
    """Draw the foot inside the current page."""
    with gr.Row(elem_id="sd-help", equal_height=True):
        report = gr.Button("🩺 Guardar informe", elem_id="sd-make-report", size="sm", min_width=150, scale=0)
        said = gr.HTML(elem_id="sd-report")
    return Help(report, said)


def make_report(studio: Studio) -> str:
    """Write the report. Returns where it is and a link to it, or the problem's box."""
    said, problem = attempt(studio.report, "")
    return problem or f'<div class="sd-note" role="status">{said}</div>'
