"""The tabs of tools: the form of a task, drawn from the layout, and what its button does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.studio.form import Lists, Reader
from sdcolab.studio.layout import Tab, Tool
from sdcolab.studio.studio import Studio
from sdcolab.web.drawing import Drawing
from sdcolab.web.edge import attempt


@dataclass(frozen=True, slots=True)
class ToolForm:
    """A drawn form: its controls by path."""

    tool: Tool
    controls: Mapping[str, Any]


def build_tool(tab: Tab, lists: Lists) -> ToolForm:
    """Draw the form of ``tab`` inside the current page."""
    tool = tab.tool
    if tool is None:
        raise ValueError(tab.id)
    drawing = Drawing(tool.task, tool.opening(lists), lists, name=tab.id, prefix=tool.prefix or tool.task.code)
    with gr.Column(elem_classes="sd-tool-form"):
        gr.HTML(f"<p>{tab.hint}</p>", elem_classes="sd-hint")
        drawing.sections(tool.shown())
    return ToolForm(tool, drawing.controls)


def start_tool(studio: Studio, form: ToolForm, reader: Reader, data: Mapping[Any, Any], *, trying: bool) -> str:
    """Queue what the controls (``data``: what each holds) ask for, or only try it. Returns the problem's box, or
    nothing."""

    def submit() -> None:
        values = {path: data[control] for path, control in form.controls.items()}
        task = reader.build(form.tool.task, values)
        studio.submit(form.tool.finished(task, trying=trying))

    return attempt(submit, None)[1]
