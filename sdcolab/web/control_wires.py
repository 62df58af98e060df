"""What the units of ControlNet do on the page: a type of control filters what they offer, a preprocessor brings its
model and its numbers, and the weights that it lacks are one click away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.control import MAX_UNITS
from sdcolab.core.request import FIELDS
from sdcolab.core.words import fields as labels
from sdcolab.core.words.control import DOWNLOAD_WEIGHTS, UNIT_LOST
from sdcolab.studio.control_desk import ControlDesk, UnitLacks, UnitNumber, UnitOffer, as_names, as_number
from sdcolab.studio.form import name_to_read
from sdcolab.web import fragments
from sdcolab.web.edge import attempt


@dataclass(frozen=True, slots=True)
class WeightsBox:
    """Where a unit tells what its preprocessor lacks, and the button that gets it."""

    told: gr.HTML
    download: gr.Button


def weights_box(unit: str) -> WeightsBox:
    """Draw it, hidden, inside the current page."""
    name = unit.replace(".", "-")
    told = gr.HTML(visible=False, elem_id=f"sd-weights-{name}")
    return WeightsBox(told, gr.Button(DOWNLOAD_WEIGHTS, size="sm", visible=False, elem_id=f"sd-get-weights-{name}"))


class UnitActions:
    """The handlers."""

    def __init__(self, desk: ControlDesk) -> None:
        self._desk = desk

    def choose_kind(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """The preprocessors and the models that serve a type of control."""
        return _offers(self._desk.offer(*as_names(kind, module, model, checkpoint)))

    def choose_module(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> str:
        """A control model that goes with the preprocessor just chosen."""
        return self._desk.model(*as_names(kind, module, model, checkpoint))

    def look(self, module: Any, a: Any, b: Any, before: Any = "") -> tuple[Any, ...]:
        """The numbers of a preprocessor, whether it has a resolution of its own, and its name: the one ``before`` of
        the next time."""
        name, old = as_names(module, before)
        first, second = self._desk.numbers(name, as_number(a), as_number(b), old)
        return (
            _slider(first, labels.words_of("control.threshold_a").label),
            _slider(second, labels.words_of("control.threshold_b").label),
            gr.update(visible=self._desk.has_resolution(name)),
            name,
        )

    def tell(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """What a unit lacks."""
        return lacking(self._desk, *as_names(kind, module, model, checkpoint))

    def tell_all(self, checkpoint: Any, *units: Any) -> tuple[Any, ...]:
        """What each unit lacks, by their types of control, preprocessors and models."""
        chosen = [as_names(*units[first : first + 3], checkpoint) for first in range(0, len(units), 3)]
        return tuple(
            part for kind, module, model, one in chosen for part in lacking(self._desk, kind, module, model, one)
        )

    def download(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """Get what a unit lacks."""
        names = as_names(kind, module, model, checkpoint)
        _, problem = attempt(lambda: self._desk.download(self._desk.lacks(*names)), None)
        return (gr.update(value=problem, visible=True), gr.skip()) if problem else lacking(self._desk, *names)


def draw_with(control: Any, update: Mapping[str, Any]) -> None:
    """Let ``control``, which no page has shown yet, be drawn as ``update`` says."""
    for name, value in update.items():
        if name != "__type__":
            setattr(control, name, value)


def connect_units(page: Any, panel: Any, desk: ControlDesk, quiet: dict[str, Any]) -> None:
    """Connect every unit of the form, which is drawn as its preprocessors want it; what it lacks is told when ``page``
    opens."""
    actions = UnitActions(desk)
    names = (f"{unit}.{name}" for unit in desk.units for name in ("kind", "module", "model"))
    boxes = [panel.gadgets.weights[unit] for unit in desk.units]
    every = [part for box in boxes for part in (box.told, box.download)]
    page.load(actions.tell_all, panel.some("checkpoint", *names), every, **quiet)
    for unit in desk.units:
        kind, module, model = panel.some(f"{unit}.kind", f"{unit}.module", f"{unit}.model")
        a, b, resolution = panel.some(f"{unit}.threshold_a", f"{unit}.threshold_b", f"{unit}.resolution")
        weights: WeightsBox = panel.gadgets.weights[unit]
        chosen = [kind, module, model, panel.fields["checkpoint"]]
        kind.input(actions.choose_kind, chosen, [module, model], **quiet)
        module.input(actions.choose_module, chosen, model, **quiet)
        told, numbers, before = [weights.told, weights.download], [a, b, resolution], gr.State(module.value)
        for control, update in zip(numbers, actions.look(module.value, a.value, b.value), strict=False):
            draw_with(control, update)
        module.change(actions.look, [module, a, b, before], [*numbers, before], **quiet)
        gr.on([kind.change, module.change, model.change], actions.tell, chosen, told, **quiet)
        weights.download.click(actions.download, chosen, told, **quiet)


def renewed(desk: ControlDesk, *chosen: Any) -> tuple[Any, Any, Any, Any]:
    """What a unit offers and lacks once files may have come, by its ``chosen`` type of control, preprocessor, model and
    checkpoint: its two lists, and the parts of its ``WeightsBox``."""
    kind, module, model, checkpoint = as_names(*chosen)
    offer = desk.renewed(kind, module, model, checkpoint)
    return *_offers(offer), *lacking(desk, kind, module, offer.model, checkpoint)


def units_lost(numbers: Any) -> str:
    """What is said of the units that were turned off because their pictures are gone, by their numbers from 1."""
    units = range(1, MAX_UNITS + 1)
    lost = [number for number in numbers if number in units] if isinstance(numbers, list) else []
    return "".join(fragments.message(UNIT_LOST.format(number=number), fragments.Tone.CALM) for number in lost)


def lacking(desk: ControlDesk, kind: str, module: str, model: str, checkpoint: str) -> tuple[Any, Any]:
    """What the parts of a unit's ``WeightsBox`` show."""
    lacks, problem = attempt(lambda: desk.lacks(kind, module, model, checkpoint), UnitLacks())
    tone = fragments.Tone.CALM if lacks.coming else fragments.Tone.WARNING
    said = fragments.message(lacks.told, tone) if lacks.told else problem
    return gr.update(value=said, visible=bool(said)), gr.update(visible=bool(lacks.links))


def _offers(offer: UnitOffer) -> tuple[Any, Any]:
    modules = _choose("control.module", offer.modules, offer.module)
    return modules, _choose("control.model", ("", *offer.models), offer.model)


def _choose(path: str, names: tuple[str, ...], chosen: str) -> Any:
    known = names if chosen in names else (*names, chosen)
    return gr.update(choices=[(name_to_read(FIELDS[path], name), name) for name in known], value=chosen)


def _slider(number: UnitNumber, label: str) -> Any:
    return gr.update(
        label=number.label or label,
        info="",  # how to leave it to the preprocessor, whose own number is shown
        minimum=number.low,
        maximum=number.high,
        step=number.step,
        value=number.value,
        visible=bool(number.label),
    )
