"""The bar at the top: the fields always in sight (A1111's quicksettings), the look, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.request import GenerationRequest
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import LOG_OUT
from sdcolab.studio.form import Lists
from sdcolab.studio.layout import Layout
from sdcolab.web.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar's controls: its fields by path, the button that looks for new files, and the one for the report."""

    fields: Mapping[str, Any]
    refresh: gr.Button
    report: gr.Button
    report_said: gr.HTML


def build_bar(layout: Layout, values: Mapping[str, Any], lists: Lists, *, locked: bool) -> Bar:
    """Draw it inside the current page, which has been ``locked`` with a password or not."""
    drawing = Drawing(GenerationRequest, values, lists)
    with gr.Row(elem_id="sd-bar"):
        gr.HTML('<div class="sd-brand"><img src="favicon.ico" alt=""><h1>sdcolab</h1></div>', elem_id="sd-brand")
        with gr.Row(elem_id="sd-bar-fields"):
            for path in layout.bar:
                drawing.control(path)
        refresh = gr.Button(
            "", size="sm", min_width=36, scale=0, elem_id="sd-refresh", elem_classes="sd-tool-button sd-icon-refresh-cw"
        )
    with gr.Row(elem_id="sd-side"):
        gr.HTML(_LOOK, elem_id="sd-look")
        report = gr.Button(
            "",
            size="sm",
            min_width=36,
            scale=0,
            elem_id="sd-make-report",
            elem_classes="sd-tool-button sd-icon-stethoscope",
        )
        said = gr.HTML(elem_id="sd-report")
        if locked:
            gr.HTML(_WAY_OUT, elem_id="sd-out")
    return Bar(drawing.controls, refresh, report, said)


_LOOK = f'<button type="button" class="sd-look sd-icon-moon" aria-label="{words.LOOK}" title="{words.LOOK}"></button>'


_WAY_OUT = (
    f'<form method="post" action="logout"><button type="submit" class="sd-out sd-icon-log-out" '
    f'aria-label="{LOG_OUT}" title="{LOG_OUT}"></button></form>'
)
"""A plain form: it works however the page does."""

DOWNLOAD_REPORT = "() => document.querySelector('#sd-report a')?.click()"
"""Script that follows the link that has just been shown."""
