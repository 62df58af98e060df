"""Everything that was drawn on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.fields import Field, plain_path, table_of
from sdcolab.core.request import FIELDS
from sdcolab.studio.form import Lists, choices, is_live
from sdcolab.studio.layout import Layout
from sdcolab.web.bar import Bar
from sdcolab.web.panel import Buttons, Panel
from sdcolab.web.results import Results
from sdcolab.web.tabs.downloads import Downloads
from sdcolab.web.tabs.pnginfo import PngInfo
from sdcolab.web.tabs.wildcards import Wildcards
from sdcolab.web.tools import ToolForm


@dataclass(frozen=True, slots=True)
class Parts:
    """The page's controls. ``tab_of`` has the tabs and ``tools`` the forms of those that are tools, by id."""

    layout: Layout
    tabs: gr.Tabs
    tab_of: Mapping[str, gr.Tab]
    bar: Bar
    panel: Panel
    buttons: Buttons
    results: Results
    tools: Mapping[str, ToolForm]
    pnginfo: PngInfo
    downloads: Downloads
    rooms: Mapping[str, gr.HTML]
    drop: gr.HTML
    wildcards: Wildcards

    def lists(self) -> tuple[tuple[Any, Field], ...]:
        """Every control that offers a live list, with its field."""
        found = [(control, FIELDS.get(plain_path(path))) for path, control in self.panel.fields.items()]
        for form in self.tools.values():
            found += [(form.controls[path], field) for path, field in form.live().items()]
        for script in self.layout.scripts:
            table = table_of(script.settings)
            drawn = self.panel.gadgets.script_forms[script.id]
            found += [(control, table.get(plain_path(path))) for path, control in drawn.items()]
        return tuple((control, field) for control, field in found if field and is_live(field))

    @property
    def every_list(self) -> list[Any]:
        """Every control whose choices are looked for again, and what tells that files are missing."""
        gadgets = self.panel.gadgets
        compared = [gadgets.compared_lora] if gadgets.compared_lora is not None else []
        lacking = [part for box in gadgets.weights.values() for part in (box.told, box.download)]
        return [gadgets.styles, gadgets.lora, *compared, *lacking, *(control for control, _ in self.lists())]

    @property
    def chosen(self) -> list[Any]:
        """What ``FormActions.refresh`` reads: checkpoint and VAE, and what each unit of ControlNet has chosen."""
        units = self.panel.gadgets.weights
        paths = (f"{unit}.{name}" for unit in units for name in ("kind", "module", "model"))
        return [*self.panel.some("checkpoint", "vae", *paths)]

    def fresh_lists(self, lists: Lists) -> dict[Any, Any]:
        """Updates that put what can be chosen now in every list; what was chosen stays."""
        return {control: gr.update(choices=[*choices(field, lists)]) for control, field in self.lists()}
