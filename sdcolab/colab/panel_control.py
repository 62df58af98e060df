"""What the units of ControlNet do in the panel: a type of control filters what they offer, a preprocessor brings its
model and its numbers, and the weights that it lacks are one click away."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

from sdcolab.colab.panel_form import FormBox
from sdcolab.colab.panel_notes import Guarded
from sdcolab.core.errors import SdcolabError
from sdcolab.core.words import explain
from sdcolab.core.words.control import DOWNLOAD_WEIGHTS, MAP_ASKED, SHOW_MAP
from sdcolab.studio.control_desk import DRAWN, ControlDesk, as_number
from sdcolab.studio.generating import IMAGE_MODE


class UnitWidgets:
    """Follows the units of a form, in the tab of generation that ``mode`` tells. Until a unit is opened for the first
    time it has no widgets."""

    def __init__(self, widgets: Any, desk: ControlDesk, guarded: Guarded, mode: Callable[[], str]) -> None:
        self._new = widgets
        self._desk = desk
        self._guarded = guarded
        self._mode = mode
        self._weights: dict[str, tuple[Any, Any]] = {}
        self._form: FormBox | None = None

    def connect(self, form: FormBox) -> None:
        """Follow the units of ``form``."""
        self._form = form
        form.watch("checkpoint", self._follow_checkpoint)
        for unit in self._desk.units:
            form.watch(f"{unit}.kind", partial(self._choose_kind, unit))
            form.watch(f"{unit}.module", partial(self._choose_module, unit))
            form.watch(f"{unit}.drawing", partial(self._draw, unit))
            form.watch(f"{unit}.model", partial(self._tell, unit))
            for path in ("module", "model"):
                form.when_drawn(f"{unit}.{path}", partial(self._narrow, unit))
            for path in ("threshold_a", "threshold_b"):
                form.when_drawn(f"{unit}.{path}", partial(self._show_numbers, unit))

    def _follow_checkpoint(self) -> None:
        """Other models go with another one, and other files are lacked."""
        for unit in self._desk.units:
            self._narrow(unit)
            self._tell(unit)

    def narrow(self) -> None:
        """Offer what serves each unit's type of control, after all was looked for again, and tell what is missing."""
        for unit in self._desk.units:
            self._narrow(unit)
            chosen = self._values(unit)
            if self._form and (new := self._desk.renewed(*chosen).model) != chosen[2]:
                self._form.fill({f"{unit}.model": new})
            self._tell(unit)

    def _narrow(self, unit: str) -> None:
        form = self._form
        if form is None or f"{unit}.module" not in form.fields:  # its lists are not there to be looked at
            return
        kind, module, model, checkpoint = self._values(unit)
        offer = self._desk.offered(kind, module, model, checkpoint)
        for path, offered, chosen in (
            ("module", offer.module_choices, module),
            ("model", offer.model_choices, model),
        ):
            if (drawn := form.fields.get(f"{unit}.{path}")) and drawn.value == chosen:
                with form.by_itself():
                    drawn.narrow(offered, chosen)

    def weights_row(self, unit: str) -> Any:
        """The button that shows the map, where the unit tells what its preprocessor lacks, and the button that gets
        it."""
        told = self._new.HTML()
        show = self._new.Button(description=f"💥 {SHOW_MAP}", layout=self._new.Layout(width="auto"))
        show.on_click(self._guarded(lambda: self._show_map(unit)))
        button = self._new.Button(description=DOWNLOAD_WEIGHTS, layout=self._new.Layout(width="auto", display="none"))
        button.on_click(self._guarded(lambda: self._download(unit)))
        self._weights[unit] = (told, button)
        return self._new.HBox([show, told, button], layout=self._new.Layout(flex_flow="row wrap"))

    def _values(self, unit: str) -> tuple[str, str, str, str]:
        values = self._form.values if self._form else {}
        kind, module, model = (str(values.get(f"{unit}.{name}") or "") for name in ("kind", "module", "model"))
        return kind, module, model, str(values.get("checkpoint") or "")

    def _choose_kind(self, unit: str) -> None:
        form = self._form
        if form is None:
            return
        chosen = self._values(unit)
        offer = self._desk.offer(*chosen)
        with form.by_itself():
            form.fields[f"{unit}.module"].narrow(offer.module_choices, offer.module)
            form.fields[f"{unit}.model"].narrow(offer.model_choices, offer.model)
        self._show_numbers(unit, own=offer.module != chosen[1])
        self._tell(unit)

    def _draw(self, unit: str) -> None:
        """Something was drawn for it."""
        form = self._form
        if form and not form.filling and form.values.get(f"{unit}.drawing") and self._desk.drawn(*self._values(unit)):
            form.fill({f"{unit}.kind": DRAWN.value})  # which chooses the rest

    def _choose_module(self, unit: str) -> None:
        """The model that goes with it, its numbers, and what it lacks."""
        form = self._form
        if form is None:
            return
        kind, module, model, checkpoint = self._values(unit)
        if (new := self._desk.model(kind, module, model, checkpoint)) != model:
            form.fill({f"{unit}.model": new})
        self._show_numbers(unit, own=not form.filling)
        self._tell(unit)

    def _show_numbers(self, unit: str, *, own: bool = False) -> None:
        """The preprocessor's own names and ranges, hidden where it has no such number; and its ``own`` numbers, else
        those that are there where they make sense to it."""
        form = self._form
        if form is None:
            return
        given = () if own else (as_number(form.values.get(f"{unit}.threshold_{one}")) for one in ("a", "b"))
        for one, number in zip(("a", "b"), self._desk.numbers(self._values(unit)[1], *given), strict=True):
            path = f"{unit}.threshold_{one}"
            if drawn := form.fields.get(path):
                drawn.reshape(number.label, number.low, number.high, number.step, number.value)
            elif number.label:
                form.fill({path: number.value})

    def _tell(self, unit: str) -> None:
        """What it lacks; nothing until it is drawn."""
        if unit not in self._weights:
            return
        lacks = self._desk.lacks(*self._values(unit))
        told, button = self._weights[unit]
        sign = "" if lacks.coming else "⚠️ "
        told.value = f"{sign}{html.escape(lacks.told)}" if lacks.told else ""
        button.layout.display = "flex" if lacks.links else "none"

    def _show_map(self, unit: str) -> None:
        """Its map, or what is wrong where the unit tells what it lacks."""
        values = self._form.values if self._form else {}
        self._tell(unit)
        try:
            self._desk.show_maps(unit, values, from_picture=self._mode() == IMAGE_MODE)
        except SdcolabError as error:
            self._weights[unit][0].value = f"⚠️ {html.escape(str(explain(error)))}"
        else:
            self._weights[unit][0].value = MAP_ASKED

    def _download(self, unit: str) -> None:
        self._desk.download(self._desk.lacks(*self._values(unit)))
        self._tell(unit)
