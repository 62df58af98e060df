"""The tabs of tools: the form of a task, drawn from the layout, and what its button does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.fields import Field, plain_path, table_of
from sdcolab.studio.form import Lists, Reader, choices, is_live, once
from sdcolab.studio.layout import Tab, Tool
from sdcolab.studio.studio import Studio
from sdcolab.web.drawing import Drawing
from sdcolab.web.edge import attempt


@dataclass(frozen=True, slots=True)
class ToolForm:
    """A drawn form: its controls by path."""

    tool: Tool
    controls: Mapping[str, Any]

    def live(self) -> dict[str, Field]:
        """The fields of its controls that offer a live list, by path."""
        table = table_of(self.tool.task)
        found = {path: table.get(plain_path(path)) for path in self.controls}
        return {path: field for path, field in found.items() if field and is_live(field)}


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


def fresh_choices(studio: Studio, form: ToolForm, *now: Any) -> dict[Any, Any]:
    """What each of its live lists offers now, for when the tab opens: what was made in another tab is there, and a
    list with nothing chosen (``now``) begins as in a form that is drawn now."""
    lists = once(studio.lists)
    begun = dict(form.tool.begin(lists)) if form.tool.begin else {}
    updates = {}
    for (path, field), chosen in zip(form.live().items(), now, strict=True):
        first = {"value": begun[path]} if not chosen and begun.get(path) else {}
        updates[form.controls[path]] = gr.update(choices=[*choices(field, lists)], **first)
    return updates


def start_tool(studio: Studio, form: ToolForm, reader: Reader, data: Mapping[Any, Any], *, trying: bool) -> str:
    """Queue what the controls (``data``: what each holds) ask for, or only try it. Returns the problem's box, or
    nothing."""

    def submit() -> None:
        values = {path: data[control] for path, control in form.controls.items()}
        task = reader.build(form.tool.task, values)
        studio.submit(form.tool.finished(task, trying=trying))

    return attempt(submit, None)[1]
