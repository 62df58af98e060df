"""The tab that enlarges finished pictures (A1111's Extras); they come out where generated ones do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FieldNotNumber, InitImageMissing, UnknownName
from sdcolab.core.registry import closest
from sdcolab.core.request import SIZE_STEP
from sdcolab.core.tasks import Enlarge
from sdcolab.core.upscaling import NO_UPSCALER, Enlargement, infotext_of
from sdcolab.core.words import FIELD_WORDS
from sdcolab.studio.studio import Studio
from sdcolab.web.controls import Options, dropdown_choices
from sdcolab.web.edge import attempt
from sdcolab.web.uploads import chosen_pictures, pictures_input


@dataclass(frozen=True, slots=True)
class Extras:
    """The tab's controls. ``fields`` has one for each field of ``Enlargement``."""

    pictures: gr.File
    fields: Mapping[str, Any]
    start: gr.Button

    @property
    def form(self) -> list[Any]:
        """What an enlargement is read from: the pictures, then the fields."""
        return [self.pictures, *self.fields.values()]


def build_extras(options: Options, start: gr.Button) -> Extras:
    """Draw the tab inside the current page; ``start`` is drawn already."""
    pictures = pictures_input("Imágenes que quieres ampliar", "sd-extras-pictures")
    fields: dict[str, Any] = {}

    def add(name: str, make: Callable[..., Any], *values: Any, **settings: Any) -> None:
        label = FIELD_WORDS[f"enlargement.{name}"].label
        fields[name] = make(*values, label=label, elem_id=f"sd-extras-{name}", **settings)

    def upscaler(name: str, value: str) -> None:
        add(name, gr.Dropdown, dropdown_choices(options.upscalers), value=value, allow_custom_value=True)

    upscaler("upscaler", best_upscaler(options.upscalers))
    add("scale", gr.Slider, 1, 8, 4, step=0.05)
    with gr.Accordion("Más opciones", open=False):
        add("max_side", gr.Number, 0, step=SIZE_STEP, info="0 = sin límite")
        with gr.Row():
            add("width", gr.Number, 0, step=SIZE_STEP, info="0 = según «Ampliar por»", min_width=130)
            add("height", gr.Number, 0, step=SIZE_STEP, info="0 = según «Ampliar por»", min_width=130)
        add("crop", gr.Checkbox, True, info="Si das ancho y alto, se recorta para que encaje justo")
        upscaler("second", NO_UPSCALER)
        add("second_visibility", gr.Slider, 0, 1, 0, step=0.01)
    for name in ("scale", "second_visibility", "max_side", "width", "height"):
        fields[name].preprocess = _as_typed  # as in ``controls``: our own sentences for wrong numbers
    return Extras(pictures, fields, start)


def best_upscaler(names: tuple[str, ...]) -> str:
    """The upscaler that is chosen at first: a model when there is one."""
    return names[3] if len(names) > 3 else "Lanczos"


def _as_typed(payload: Any) -> Any:
    return payload


class ExtrasActions:
    """What the tab's button does."""

    def __init__(self, studio: Studio, names: tuple[str, ...]) -> None:
        """``names`` are the fields of the form, in order."""
        self._studio = studio
        self._names = names

    def start(self, paths: list[str] | None, *values: Any) -> str:
        """Put the enlargement in the queue. Returns the problem's box, or nothing."""
        return attempt(lambda: self._submit(paths or [], dict(zip(self._names, values, strict=True))), None)[1]

    def _submit(self, paths: list[str], values: dict[str, Any]) -> None:
        if not paths:
            raise InitImageMissing()
        wanted = _enlargement(values, self._studio.lists("upscalers"))
        pictures = tuple(chosen_pictures(paths))
        self._studio.submit(Enlarge(pictures, wanted, tuple(map(infotext_of, pictures))))


def _enlargement(values: Mapping[str, Any], known: tuple[str, ...]) -> Enlargement:
    for name in ("upscaler", "second"):
        if values[name] not in known:
            typed = str(values[name] or "")
            raise UnknownName(kind=ModelKind.UPSCALER, name=typed, suggestions=closest(typed, known))
    return Enlargement(
        upscaler=values["upscaler"],
        scale=_number("scale", values),
        max_side=int(_number("max_side", values)),
        width=int(_number("width", values)),
        height=int(_number("height", values)),
        crop=values["crop"] is True,
        second=values["second"],
        second_visibility=_number("second_visibility", values),
    )


def _number(name: str, values: Mapping[str, Any]) -> float:
    value = values[name]
    try:
        number = float(0 if value is None else value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FieldNotNumber(field=f"enlargement.{name}", value=str(value)[:40])
    return number
