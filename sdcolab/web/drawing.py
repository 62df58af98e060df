"""Draws sections of the layout with gradio and gathers their controls.

What belongs to one way of making a picture has the class ``sd-mode`` and ``sd-in-NAME`` for each that shows it; the
style sheet hides it in the others. What belongs to an optional part is hidden while its switch is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr

from sdcolab.core.fields import parts_of, table_of
from sdcolab.core.words.faces import FOLD_UNIT
from sdcolab.core.words.fields import part_label, unit_title
from sdcolab.studio.form import Lists
from sdcolab.studio.layout import Section
from sdcolab.web.fields import bare, draw_field, element_id

FOLD = f'<button type="button" class="sd-unit-fold" aria-expanded="true" aria-label="{FOLD_UNIT}">▼</button>'
"""Hides what is inside a unit that stays on; the page's script turns it."""

Gadgets = Mapping[str, Callable[..., None]]
"""What draws each gadget, by its name; in a part that repeats, it gets the path of the unit."""


class Drawing:
    """Draws the sections of one form. ``controls`` fills with a control a field and a switch, by path, ``folds`` with
    what is opened to see the units of a part that repeats, by the part.

    ``name`` stands before the paths in the controls' ids, so that two forms on a page do not share any.
    """

    def __init__(
        self,
        kind: type[Any],
        values: Mapping[str, Any],
        lists: Lists,
        gadgets: Gadgets | None = None,
        name: str = "",
        prefix: str = "",
    ) -> None:
        self.controls: dict[str, Any] = {}
        self.folds: dict[str, gr.Accordion] = {}
        self._table = table_of(kind)
        self._parts = parts_of(kind)
        self._values = values
        self._lists = lists
        self._gadgets = gadgets or {}
        self._name = name
        self._prefix = prefix

    def control(self, path: str, place: str = "") -> Any:
        """The control of the field at ``path``; ``place``: its path with the number of its unit."""
        where = place or path
        drawn = draw_field(
            self._table[path], where, self._values.get(where), self._lists, name=self._name, prefix=self._prefix
        )
        self.controls[where] = drawn
        return drawn

    def sections(self, sections: tuple[Section, ...]) -> None:
        """Draw them in order."""
        for section in sections:
            self.section(section)

    def section(self, section: Section) -> None:
        """Draw one."""
        part = self._parts.get(section.part)
        if part and part.many:
            self._repeated(section)
            return
        with self._frame(section):
            if section.part and part and part.optional:
                with self._part(section.part, self._label(section.part)):
                    self._inside(section)
            else:
                self._inside(section)

    def _label(self, path: str) -> str:
        return part_label(path, self._prefix)

    def _inside(self, section: Section, unit: str = "") -> None:
        for item in section.items:
            if isinstance(item, str):
                self._item(item, section, unit)
            else:
                with gr.Row(elem_classes="sd-line"):
                    for one in item:
                        self._item(one, section, unit)
        if not unit:
            self.sections(section.sections)
            return
        for inner in section.sections:
            with gr.Accordion(inner.title, open=False, elem_classes="sd-section sd-fold"):
                self._inside(replace(inner, part=section.part), unit)

    def _item(self, item: str, section: Section, unit: str) -> None:
        if item.startswith("@"):
            self._gadgets[item](*([unit] if unit else []))
        else:
            self.control(item, f"{unit}{item.removeprefix(section.part)}" if unit else "")

    def _repeated(self, section: Section) -> None:
        """A part that repeats: a folded section with a switch for each of its units."""
        with (
            self._frame(section),
            gr.Accordion(section.title or self._label(section.part), open=False, elem_classes="sd-fold") as fold,
        ):
            self.folds[section.part] = fold
            for number in range(section.most):
                unit = f"{section.part}.{number}"
                own = str(self._values.get(f"{unit}.title") or "")
                with self._part(unit, unit_title(section.title or self._label(section.part), number + 1, own), FOLD):
                    self._inside(section, unit)

    @contextmanager
    def _frame(self, section: Section) -> Iterator[None]:
        classes = ["sd-section", *(["sd-mode"] if section.modes else []), *(f"sd-in-{mode}" for mode in section.modes)]
        ident = element_id(f"section-{section.id}", self._name)
        part = self._parts.get(section.part)
        if section.folded:
            with gr.Accordion(section.title, open=False, elem_id=ident, elem_classes=[*classes, "sd-fold"]):
                yield
            return
        with gr.Column(elem_id=ident, elem_classes=classes):
            if section.title and not (part and part.many):
                gr.HTML(f"<h2>{section.title}</h2>", elem_classes="sd-heading")
            yield

    @contextmanager
    def _part(self, path: str, label: str, between: str = "") -> Iterator[None]:
        """A part of the request with its switch: the style sheet hides what is inside while that is off, and what is
        ``between`` them (HTML)."""
        with gr.Column(elem_classes="sd-part"):
            self.controls[path] = bare(
                gr.Checkbox(
                    self._values.get(path) is True,
                    label=label,
                    elem_id=element_id(path, self._name),
                    elem_classes="sd-switch",
                )
            )
            if between:
                gr.HTML(between, elem_classes="sd-part-fold")
            with gr.Column(elem_classes="sd-part-body"):
                yield
