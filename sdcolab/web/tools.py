"""The tabs of tools: the form of a task, drawn from the layout, and what its button does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """A drawn form: its controls by path, and whether its tab was ``opened`` since the page was."""

    tool: Tool
    controls: Mapping[str, Any]
    opened: Any

    def live(self) -> dict[str, Field]:
        """The fields of its controls that offer a live list, by path."""
        table = table_of(self.tool.task)
        found = {path: table.get(plain_path(path)) for path in self.controls}
        return {path: field for path, field in found.items() if field and is_live(field)}


def build_tool(tab: Tab, lists: Lists, last: Callable[[Tool], Mapping[str, Any]]) -> ToolForm:
    """Draw the form of ``tab`` inside the current page; ``last`` tells what it was last used with."""
    tool = tab.tool
    if tool is None:
        raise ValueError(tab.id)
    opening = {**tool.opening(lists), **last(tool)}
    drawing = Drawing(tool.task, opening, lists, name=tab.id, prefix=tool.prefix or tool.task.code)
    with gr.Column(elem_classes="sd-tool-form"):
        gr.HTML(f"<p>{tab.hint}</p>", elem_classes="sd-hint")
        drawing.sections(tool.shown())
    return ToolForm(tool, drawing.controls, gr.State(False))


def fresh_choices(studio: Studio, form: ToolForm, opened: bool, *now: Any) -> dict[Any, Any]:
    """What each of its live lists offers now, for when the tab opens: what was made in another tab is there, and a
    list with nothing chosen (``now``) begins as in a form that is drawn now. A form that remembers shows what it was
    last used with, unless it was ``opened`` already since the page was."""
    lists = once(studio.lists)
    begun = dict(form.tool.begin(lists)) if form.tool.begin else {}
    updates = {}
    for (path, field), chosen in zip(form.live().items(), now, strict=True):
        first = {"value": begun[path]} if not chosen and begun.get(path) else {}
        updates[form.controls[path]] = gr.update(choices=[*choices(field, lists)], **first)
    if not opened:
        for path, value in studio.last_values(form.tool).items():
            control = form.controls[path]
            updates[control] = gr.update(**{**updates.get(control, {}), "value": value})
    return updates | {form.opened: True}


def start_tool(studio: Studio, form: ToolForm, reader: Reader, data: Mapping[Any, Any], *, trying: bool) -> str:
    """Queue what the controls (``data``: what each holds) ask for, or only try it. Returns the problem's box, or
    nothing."""

    def submit() -> None:
        values = {path: data[control] for path, control in form.controls.items()}
        studio.start(form.tool, reader.build(form.tool.task, values), trying=trying)

    return attempt(submit, None)[1]
