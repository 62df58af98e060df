"""What the units of ControlNet do on the page: a type of control filters what they offer, a preprocessor brings its
model and its numbers, and the weights that it lacks are one click away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from sdcolab.core.control import MAX_UNITS
from sdcolab.core.words import fields as labels
from sdcolab.core.words.control import DOWNLOAD_WEIGHTS, MAP_ASKED, SHOW_MAP, UNIT_LOST
from sdcolab.studio.control_desk import DRAWN, ControlDesk, UnitLacks, UnitNumber, UnitOffer, as_names, as_number
from sdcolab.studio.generating import IMAGE_MODE
from sdcolab.web import fragments
from sdcolab.web.edge import attempt


@dataclass(frozen=True, slots=True)
class WeightsBox:
    """Where a unit tells what its preprocessor lacks, the button that gets it, and the one that shows the map."""

    told: gr.HTML
    download: gr.Button
    show: gr.Button


def weights_box(unit: str) -> WeightsBox:
    """Draw it inside the current page; what is told of lacks is hidden."""
    name = unit.replace(".", "-")
    show = gr.Button(SHOW_MAP, size="sm", elem_id=f"sd-map-{name}", elem_classes="sd-chip sd-icon-sparkles")
    told = gr.HTML(visible=False, elem_id=f"sd-weights-{name}")
    download = gr.Button(DOWNLOAD_WEIGHTS, size="sm", visible=False, elem_id=f"sd-get-weights-{name}")
    return WeightsBox(told, download, show)


class UnitActions:
    """The handlers."""

    def __init__(self, desk: ControlDesk) -> None:
        self.desk = desk

    def choose_kind(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, ...]:
        """The preprocessors and the models that serve a type of control, and the numbers of another preprocessor."""
        names = as_names(kind, module, model, checkpoint)
        offer = self.desk.offer(*names)
        return *_offers(offer), *((gr.skip(), gr.skip()) if offer.module == names[1] else self._own(offer.module))

    def draw(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, ...]:
        """The type of control, preprocessor, model and numbers of a unit for which something was drawn."""
        offer = self.desk.drawn(*as_names(kind, module, model, checkpoint))
        return (DRAWN.value, *_offers(offer), *self._own(offer.module)) if offer else (gr.skip(),) * 5

    def name(self, unit: str, title: Any) -> Any:
        """The switch of ``unit`` says what its user calls it."""
        return gr.update(label=self.desk.title(unit, *as_names(title)))

    def choose_module(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, ...]:
        """A control model that goes with the preprocessor just chosen, and its own numbers."""
        names = as_names(kind, module, model, checkpoint)
        return self.desk.model(*names), *self._own(names[1])

    def _own(self, module: str) -> tuple[Any, Any]:
        return _sliders(*self.desk.numbers(module))

    def look(self, module: Any, a: Any, b: Any) -> tuple[Any, ...]:
        """The names and ranges of a preprocessor's numbers, and whether it has a resolution of its own. Numbers that
        make sense to it stay: they may have come with it."""
        (name,) = as_names(module)
        given = as_number(a), as_number(b)
        numbers = self.desk.numbers(name, *given)
        updates = _sliders(*numbers)
        for number, update, now in zip(numbers, updates, given, strict=True):
            if number.value == now:
                del update["value"]  # so that what ``choose_module`` puts meanwhile is not undone
        return *updates, gr.update(visible=self.desk.has_resolution(name))

    def show_map(self, unit: str, *held: Any) -> tuple[Any, Any, None]:
        """Make the map of ``unit``, whose values, after the tab of generation, are ``held``; or say what is wrong."""
        values = dict(zip(self.desk.map_paths(unit), held[1:], strict=True))
        from_picture = held[0] == IMAGE_MODE
        _, problem = attempt(lambda: self.desk.show_maps(unit, values, from_picture=from_picture), None)
        told = problem or fragments.message(MAP_ASKED, fragments.Tone.CALM)
        return gr.update(value=told, visible=True), gr.skip(), None

    def tell(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """What a unit lacks. A preprocessor that its type of control does not offer is about to give way to another
        one: what the old one lacks, told after what the new one does, would stay."""
        names = as_names(kind, module, model, checkpoint)
        return lacking(self.desk, *names) if names[1] in self.desk.modules(names[0]) else (gr.skip(), gr.skip())

    def mark_all(self, checkpoint: Any, *units: Any) -> list[Any]:
        """The models that each unit which is on may choose, those last that do not go with ``checkpoint``, and what it
        lacks; ``units``: their switches, types of control, preprocessors and models."""
        updates: list[Any] = []
        for on, *chosen in (units[first : first + 4] for first in range(0, len(units), 4)):
            kind, module, model, one = as_names(*chosen, checkpoint)
            if on:
                offer = self.desk.offered(kind, module, model, one)
                updates += [gr.update(choices=[*offer.model_choices]), *lacking(self.desk, kind, module, model, one)]
            else:
                updates += [gr.skip()] * 3
        return updates

    def download(self, kind: Any, module: Any, model: Any, checkpoint: Any) -> tuple[Any, Any]:
        """Get what a unit lacks."""
        names = as_names(kind, module, model, checkpoint)
        _, problem = attempt(lambda: self.desk.download(self.desk.lacks(*names)), None)
        return (gr.update(value=problem, visible=True), gr.skip()) if problem else lacking(self.desk, *names)


def draw_with(control: Any, update: Mapping[str, Any]) -> None:
    """Let ``control``, which no page has shown yet, be drawn as ``update`` says."""
    for name, value in update.items():
        if name != "__type__":
            setattr(control, name, value)


def connect_units(page: Any, panel: Any, desk: ControlDesk, selected: Any, listed: Any, quiet: dict[str, Any]) -> None:
    """Connect every unit of the form, which is drawn as its preprocessors want it; what it lacks is told when ``page``
    opens. ``selected`` holds the picture on show; ``listed`` is the event that puts new names into every list."""
    actions = UnitActions(desk)
    _keep_marked(page, panel, actions, listed, quiet)
    for unit in desk.units:
        kind, module, model = panel.some(f"{unit}.kind", f"{unit}.module", f"{unit}.model")
        title, switch = panel.some(f"{unit}.title", unit)
        title.change(partial(actions.name, unit), [title], [switch], **quiet)
        a, b, resolution = panel.some(f"{unit}.threshold_a", f"{unit}.threshold_b", f"{unit}.resolution")
        weights: WeightsBox = panel.gadgets.weights[unit]
        chosen = [kind, module, model, panel.fields["checkpoint"]]
        kind.input(actions.choose_kind, chosen, [module, model, a, b], **quiet)
        module.input(actions.choose_module, chosen, [model, a, b], **quiet)
        panel.fields[f"{unit}.drawing"].input(actions.draw, chosen, [kind, module, model, a, b], **quiet)
        told, numbers = [weights.told, weights.download], [a, b, resolution]
        for control, update in zip(numbers, actions.look(module.value, a.value, b.value), strict=True):
            draw_with(control, update)
        module.change(actions.look, [module, a, b], numbers, **quiet)
        gr.on([kind.change, module.change, model.change], actions.tell, chosen, told, **quiet)
        weights.download.click(actions.download, chosen, told, **quiet)
        held = [panel.mode, *panel.some(*desk.map_paths(unit))]
        weights.show.click(partial(actions.show_map, unit), held, [*told, selected], **quiet)


def _keep_marked(page: Any, panel: Any, actions: UnitActions, listed: Any, quiet: dict[str, Any]) -> None:
    """Say of each unit which models do not go with the checkpoint, and what it lacks: when ``page`` opens, whenever
    there is another checkpoint, and when a unit is turned on. Until then nobody looks at it, and reading all those
    files takes time."""
    units, marked = actions.desk.units, []
    for unit in units:
        box: WeightsBox = panel.gadgets.weights[unit]
        marked += [*panel.some(f"{unit}.model"), box.told, box.download]
    names = (f"{unit}{name}" for unit in units for name in ("", ".kind", ".module", ".model"))
    asked = panel.some("checkpoint", *names)
    listed.then(actions.mark_all, asked, marked, **quiet)
    gr.on(
        [page.load, panel.fields["checkpoint"].change, *(panel.fields[unit].change for unit in units)],
        actions.mark_all,
        asked,
        marked,
        trigger_mode="always_last",
        **quiet,
    )


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
    modules = gr.update(choices=[*offer.module_choices], value=offer.module)
    return modules, gr.update(choices=[*offer.model_choices], value=offer.model)


def _sliders(a: UnitNumber, b: UnitNumber) -> tuple[Any, Any]:
    both = ((a, "control.threshold_a"), (b, "control.threshold_b"))
    first, second = (_slider(number, labels.words_of(path).label) for number, path in both)
    return first, second


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
