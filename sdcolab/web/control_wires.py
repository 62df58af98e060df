"""What the units of ControlNet do on the page: a type of control filters what they offer, a preprocessor brings its
model and its numbers, and the weights that it lacks are one click away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.request import FIELDS
from sdcolab.core.words import fields as labels
from sdcolab.core.words.control import DOWNLOAD_WEIGHTS, WEIGHTS_COMING
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

    def look(self, module: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """The numbers of a preprocessor, and whether it has a resolution of its own."""
        (name,) = as_names(module)
        first, second = self._desk.numbers(name, as_number(a), as_number(b))
        return (
            _slider(first, labels.words_of("control.threshold_a").label),
            _slider(second, labels.words_of("control.threshold_b").label),
            gr.update(visible=self._desk.has_resolution(name)),
        )

    def tell(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """What a unit lacks."""
        lacks, problem = attempt(lambda: self._desk.lacks(*as_names(kind, module, model, checkpoint)), UnitLacks())
        said = fragments.message(lacks.told, fragments.Tone.WARNING) if lacks.told else problem
        return gr.update(value=said, visible=bool(said)), gr.update(visible=bool(lacks.links))

    def download(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """Get what a unit lacks."""
        names = as_names(kind, module, model, checkpoint)
        _, problem = attempt(lambda: self._desk.download(self._desk.lacks(*names)), None)
        said = problem or fragments.message(WEIGHTS_COMING, fragments.Tone.GOOD)
        return gr.update(value=said, visible=True), gr.update(visible=bool(problem))


def draw_with(control: Any, update: Mapping[str, Any]) -> None:
    """Let ``control``, which no page has shown yet, be drawn as ``update`` says."""
    for name, value in update.items():
        if name != "__type__":
            setattr(control, name, value)


def connect_units(panel: Any, desk: ControlDesk, quiet: dict[str, Any]) -> None:
    """Connect every unit of the form, which is drawn as its preprocessors want it."""
    actions = UnitActions(desk)
    for unit in desk.units:
        kind, module, model = panel.some(f"{unit}.kind", f"{unit}.module", f"{unit}.model")
        a, b, resolution = panel.some(f"{unit}.threshold_a", f"{unit}.threshold_b", f"{unit}.resolution")
        weights: WeightsBox = panel.gadgets.weights[unit]
        chosen = [kind, module, model, panel.fields["checkpoint"]]
        kind.input(actions.choose_kind, chosen, [module, model], **quiet)
        module.input(actions.choose_module, chosen, model, **quiet)
        told, numbers = [weights.told, weights.download], [a, b, resolution]
        for control, update in zip(numbers, actions.look(module.value, a.value, b.value), strict=True):
            draw_with(control, update)
        module.change(actions.look, [module, a, b], numbers, **quiet)
        gr.on([kind.change, module.change, model.change], actions.tell, chosen, told, **quiet)
        weights.download.click(actions.download, chosen, told, **quiet)


def offers(desk: ControlDesk, kind: Any, module: Any, model: Any) -> tuple[Any, Any]:
    """What the lists of preprocessors and of models of a unit offer now; what is chosen stays."""
    return _offers(desk.offered(*as_names(kind, module, model)))


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
