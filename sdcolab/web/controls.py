"""The table between the fields of a request and the controls of the page, one row a field.

A control shows a field's value and its raw value is read back as the field's. Limits are not checked here: the request
checks them on construction, so that a wrong number gets the same Spanish sentence everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FieldNotNumber, UnknownName
from sdcolab.core.messages import FIELD_LABELS
from sdcolab.core.registry import closest
from sdcolab.core.request import AUTOMATIC, SIZE_STEP, GenerationRequest, NoiseOrigin

AUTOMATIC_LABEL = "Automático"

Choices = list[tuple[str, str]]
"""What a dropdown offers: (text to read, value)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the dropdowns offer now."""

    checkpoints: tuple[str, ...]
    vaes: tuple[str, ...]
    samplers: tuple[str, ...]
    schedules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldControl:
    """One row: how to draw a field (``make``), and how to read what the control holds (``read``, raises
    ``RequestError``)."""

    field: str
    make: Callable[[Options], Any]
    read: Callable[[Any, Options], Any]


def request_from(values: Mapping[str, Any], options: Options) -> GenerationRequest:
    """The request that the form's raw ``values`` (by field) ask for. Raises ``RequestError``."""
    read = {name: CONTROLS[name].read(value, options) for name, value in values.items()}
    return GenerationRequest(**read)


def shown_values(request: GenerationRequest, native_size: int) -> dict[str, Any]:
    """What each control shows for ``request``; open sizes show the checkpoint's ``native_size``."""
    shown = {name: getattr(request, name) for name in CONTROLS}
    shown["width"] = request.width or native_size
    shown["height"] = request.height or native_size
    shown["seed"] = str(request.seed)
    shown["noise_origin"] = request.noise_origin.value
    return shown


def dropdown_choices(names: Iterable[str]) -> Choices:
    """Names as a dropdown offers them."""
    return [(AUTOMATIC_LABEL if name == AUTOMATIC else name, name) for name in names]


def with_automatic(names: Sequence[str]) -> tuple[str, ...]:
    """``names`` with ``AUTOMATIC`` among them, first when it was missing."""
    return tuple(names) if AUTOMATIC in names else (AUTOMATIC, *names)


def _text(field: str, placeholder: str, lines: int) -> FieldControl:
    def make(_options: Options) -> gr.Textbox:
        return gr.Textbox(
            label=FIELD_LABELS[field],
            placeholder=placeholder,
            lines=lines,
            max_lines=12,
            elem_id=f"sd-{field}",
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off"),
        )

    return FieldControl(field, make, lambda value, _options: str(value or ""))


def _slider(field: str, low: float, high: float, step: float) -> FieldControl:
    default = getattr(GenerationRequest(), field)

    def make(_options: Options) -> gr.Slider:
        slider = gr.Slider(
            low, high, default or 512, step=step, label=FIELD_LABELS[field], elem_id=f"sd-{field}", min_width=230
        )
        # gradio refuses numbers beyond the ends in English; ours explain themselves. Send plain values to this control:
        # gradio builds it anew, without this, when it gets ``gr.update``.
        slider.preprocess = _as_typed  # type: ignore[method-assign]
        return slider

    whole = not isinstance(default, float)
    return FieldControl(field, make, lambda value, _options: _number(field, value, whole=whole))


def _as_typed(payload: Any) -> Any:
    """What the browser sent, unchecked."""
    return payload


def _dropdown(
    field: str, kind: str, names: Callable[[Options], tuple[str, ...]], info: str | None = None
) -> FieldControl:
    """A dropdown that leaves checking to us: gradio's refusals are in English and know only their own page's list."""

    def make(options: Options) -> gr.Dropdown:
        return gr.Dropdown(
            dropdown_choices(names(options)),
            value=None,
            label=FIELD_LABELS[field],
            info=info,
            allow_custom_value=True,
            elem_id=f"sd-{field}",
            min_width=180,
        )

    def read(value: Any, options: Options) -> str:
        name = str(value or "")
        known = names(options)
        if name in known or (not name and not known):
            return name
        raise UnknownName(kind=kind, name=name, suggestions=closest(name, known))

    return FieldControl(field, make, read)


def _seed() -> FieldControl:
    def make(_options: Options) -> gr.Textbox:  # a number field would round seeds above 2**53
        return gr.Textbox(
            label=FIELD_LABELS["seed"],
            info="-1 = al azar",
            max_lines=1,
            elem_id="sd-seed",
            min_width=140,
            html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )

    return FieldControl("seed", make, lambda value, _options: _number("seed", value, whole=True))


def _noise_origin() -> FieldControl:
    def make(_options: Options) -> gr.Radio:
        return gr.Radio(
            [("NV: igual en todos los equipos", "NV"), ("CPU", "CPU"), ("GPU", "GPU")],
            label=FIELD_LABELS["noise_origin"],
            elem_id="sd-noise_origin",
        )

    return FieldControl("noise_origin", make, lambda value, _options: NoiseOrigin(str(value)))


def _number(field: str, value: Any, *, whole: bool) -> float:
    """``value`` as an int when ``whole``, else as a float; a decimal comma is understood.

    Raises ``FieldNotNumber``.
    """
    text = str("" if value is None else value).strip().replace(",", ".")
    try:
        if not whole:
            return float(text)
        return int(text) if text.lstrip("+-").isdigit() else _as_whole(float(text))
    except (ValueError, OverflowError) as error:
        raise FieldNotNumber(field=field, value=text[:40]) from error


def _as_whole(value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        raise ValueError(value)
    return int(value)


CONTROLS: Mapping[str, FieldControl] = {
    control.field: control
    for control in (
        _text("prompt", "Lo que quieres ver, mejor en inglés", 3),
        _text("negative_prompt", "Lo que no quieres que aparezca", 2),
        _dropdown("sampler", "sampler", lambda options: options.samplers),
        _dropdown("schedule", "schedule", lambda options: options.schedules),
        _slider("steps", 1, 150, 1),
        _slider("width", 64, 2048, SIZE_STEP),
        _slider("height", 64, 2048, SIZE_STEP),
        _slider("cfg_scale", 1, 30, 0.5),
        _slider("batch_count", 1, 100, 1),
        _slider("batch_size", 1, 8, 1),
        _seed(),
        _slider("clip_skip", 1, 12, 1),
        _noise_origin(),
        _dropdown("checkpoint", ModelKind.CHECKPOINT, lambda options: options.checkpoints),
        _dropdown("vae", ModelKind.VAE, lambda options: options.vaes),
    )
}
