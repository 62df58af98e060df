"""Draws sections of the layout with ipywidgets: what the page's ``web/drawing.py`` does with gradio.

What is folded is only made when it is opened first: a notebook keeps every widget of every cell in the browser. Until
then its values wait here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from sdcolab.colab.panel_fields import CanvasWidget, FieldWidget, PictureWidget, draw_field
from sdcolab.colab.panel_folds import Switched, folded
from sdcolab.core.fields import parts_of, table_of
from sdcolab.core.words.fields import fold_title, part_label, unit_title, words_of
from sdcolab.studio.form import Lists, apart
from sdcolab.studio.layout import Section, units_on

Gadgets = Mapping[str, Callable[..., Any]]
"""What makes the widget of each gadget, by its name; in a part that repeats, it gets the path of the unit."""


class FormBox:
    """The form of a dataclass. ``box`` is what is shown; ``fields`` has a widget a field and a switch that was
    drawn."""

    def __init__(
        self,
        widgets: Any,
        kind: type[Any],
        sections: tuple[Section, ...],
        values: Mapping[str, Any],
        lists: Lists,
        *,
        gadgets: Gadgets | None = None,
        prefix: str = "",
    ) -> None:
        self._new = widgets
        self._table = table_of(kind)
        self._parts = parts_of(kind)
        self._values = dict(values)
        self._lists = lists
        self._gadgets = gadgets or {}
        self._prefix = prefix
        self._modes: list[tuple[Any, tuple[str, ...]]] = []
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._arrivals: dict[str, list[Callable[[], None]]] = {}
        self._counts: list[Callable[[], None]] = []
        self.fields: dict[str, FieldWidget] = {}
        self._switches: dict[str, Any] = {}
        self.filling = False
        """Whether what changes now is not what the user chooses there."""
        self.box = widgets.VBox([self._section(section) for section in sections])

    # --- Values -------------------------------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """What every field and switch holds, by path; those of sections that nobody opened as they were given."""
        drawn = {path: field.value for path, field in self.fields.items()}
        switches = {path: switch.value for path, switch in self._switches.items()}
        return self._values | drawn | switches

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """While it lasts, the form is ``filling``."""
        before, self.filling = self.filling, True
        try:
            yield
        finally:
            self.filling = before

    def fill(self, values: Mapping[str, Any]) -> None:
        """Show ``values``; what they do not name stays."""
        self._values |= values
        with self.by_itself():
            for path, value in values.items():
                if path in self.fields:
                    self.fields[path].put(value)
                elif path in self._switches and self._switches[path].value != bool(value):
                    self._switches[path].value = bool(value)
        self._count()

    def offer(self, lists: Lists) -> None:
        """Look for what can be chosen again."""
        self._lists = lists
        with self.by_itself():
            for field in self.fields.values():
                field.offer(lists)

    def show_mode(self, mode: str) -> None:
        """Show what belongs to the tab of generation ``mode`` and hide what belongs to others."""
        for box, modes in self._modes:
            box.layout.display = "flex" if mode in modes else "none"

    def watch(self, path: str, told: Callable[[], None]) -> None:
        """Call ``told`` whenever the field or the switch at ``path`` changes, from when it is drawn."""
        self._watchers.setdefault(path, []).append(told)
        if path in self.fields:
            self.fields[path].watch(told)
        elif path in self._switches:
            self._switches[path].observe(lambda _change: told(), names="value")

    def when_drawn(self, path: str, told: Callable[[], None]) -> None:
        """Call ``told`` once the field at ``path`` is drawn."""
        self._arrivals.setdefault(path, []).append(told)
        if path in self.fields:
            told()

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def _section(self, section: Section) -> Any:
        part = self._parts.get(section.part)
        if part and part.many:
            box = self._many(section)
        elif section.folded:
            box = folded(self._new, section.title, lambda: self._inside(section))
        elif part and part.optional:
            box = self._part(section.part, self._label(section.part), lambda: self._inside(section))
        else:
            title = [self._new.HTML(f"<h4>{section.title}</h4>")] if section.title else []
            box = self._new.VBox([*title, *self._inside(section)])
        box.add_class("sd-section")
        if section.modes:
            self._modes.append((box, section.modes))
        return box

    def _label(self, path: str) -> str:
        return part_label(path, self._prefix)

    def _inside(self, section: Section, unit: str = "") -> list[Any]:
        made: list[Any] = []
        for item in section.items:
            if isinstance(item, str):
                made.append(self._item(item, section, unit))
                continue
            row = self._new.HBox([self._item(one, section, unit) for one in item])
            row.add_class("sd-line")
            made.append(row)
        _connect_canvases(self.fields)
        if unit:  # what is inside belongs to the unit
            inner = (replace(one, part=section.part) for one in section.sections)
            return [*made, *(folded(self._new, one.title, partial(self._inside, one, unit)) for one in inner)]
        return [*made, *(self._section(one) for one in section.sections)]

    def _many(self, section: Section) -> Any:
        """A part that repeats, behind a title that says how many of its units are on."""
        title = section.title or self._label(section.part)
        box = folded(self._new, title, lambda: self._units(section, title))
        head = box.children[0]

        def count() -> None:
            sign = head.description[0]
            head.description = f"{sign} {fold_title(title, units_on(section.part, self.values))}"

        self._counts.append(count)
        count()
        return box

    def _units(self, section: Section, title: str) -> list[Any]:
        units = [f"{section.part}.{place}" for place in range(section.most)]
        return [self._unit(unit, number, title, section) for number, unit in enumerate(units, 1)]

    def _unit(self, unit: str, number: int, title: str, section: Section) -> Any:
        """One of them, called as its user wants; what is inside can be hidden while it is on."""
        made = self._part(unit, "", partial(self._inside, section, unit), folds=True)

        def name() -> None:
            self._switches[unit].description = unit_title(title, number, str(self.values.get(f"{unit}.title") or ""))

        name()
        self._counts.append(name)
        self.watch(f"{unit}.title", name)
        return made

    def _item(self, item: str, section: Section, unit: str) -> Any:
        if item.startswith("@"):
            return self._gadgets[item](*([unit] if unit else []))
        path = f"{unit}{item.removeprefix(section.part)}" if unit else item
        drawn = draw_field(
            self._new, self._table[item], words_of(item, self._prefix), self._values.get(path), self._lists
        )
        self.fields[path] = drawn
        if path.rpartition(".")[2] == "sampler":
            drawn.watch(partial(self._tell_apart, path))
        for told in self._watchers.get(path, ()):
            drawn.watch(told)
        for told in self._arrivals.get(path, ()):
            told()
        return drawn.box

    def _tell_apart(self, path: str) -> None:
        """A sampler chosen with its schedule ("DPM++ 2M Karras") shows both, each in its own widget."""
        self.fill(apart({path: self.fields[path].value}, path, self._lists))

    def _part(self, path: str, label: str, inside: Callable[[], list[Any]], *, folds: bool = False) -> Any:
        """A part that may be absent, behind its switch."""
        made = Switched(self._new, label, inside, self._count, folds=folds)
        self._switches[path] = made.switch
        made.switch.value = self._values.get(path) is True
        for told in self._watchers.get(path, ()):
            made.switch.observe(lambda _change, told=told: told(), names="value")
        return made.box

    def _count(self) -> None:
        for count in self._counts:
            count()


def _connect_canvases(fields: Mapping[str, FieldWidget]) -> None:
    """Every surface shows the picture of its part, or of the part around it."""
    pictures = {path: field for path, field in fields.items() if isinstance(field, PictureWidget)}
    for path, field in fields.items():
        near = [one for one in pictures if path.startswith(one.rpartition(".")[0])]
        if isinstance(field, CanvasWidget) and near and not getattr(field, "connected", False):
            source = pictures[max(near, key=len)]
            field.connected = True  # type: ignore[attr-defined]
            follow = partial(_follow, field, source)
            source.watch(follow)
            follow()


def _follow(field: CanvasWidget, source: PictureWidget) -> None:
    field.show(_first(source.value))


def _first(value: Any) -> bytes | None:
    found: bytes | None = next(iter(value), None) if isinstance(value, list) else value
    return found
