"""The table between the fields of a request and the controls of the page, one row a field.

Fields have the dotted paths of ``core.codec.field_paths`` ("hires.steps"). A control shows a field's value and its raw
value is read back as the field's. Limits are not checked here: the request checks them on construction, so that a wrong
number gets the same Spanish sentence everywhere. A part that may be absent (``SWITCHES``) is read only when its switch
is on.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FieldNotNumber, InitImageMissing, MaskMissing, UnknownName
from sdcolab.core.names import LATENT_UPSCALERS
from sdcolab.core.pictures import picture_from
from sdcolab.core.registry import closest
from sdcolab.core.request import (
    AUTOMATIC,
    SAME,
    SIZE_STEP,
    GenerationRequest,
    MaskedContent,
    NoiseOrigin,
    RefinerPasses,
    ResizeMode,
)
from sdcolab.core.tuning import Emphasis, NoiseSchedule, UniPCSkipType, UniPCVariant, VaeMethod
from sdcolab.core.upscaling import PLAIN_UPSCALERS
from sdcolab.core.words import FIELD_LABELS
from sdcolab.web.canvas import canvas_box
from sdcolab.web.uploads import chosen_picture, picture_input

AUTOMATIC_LABEL = "Automático"
SAME_LABEL = "El mismo"
NO_UPSCALER_LABEL = "Ninguno (Lanczos)"

Choices = list[tuple[str, str]]
"""What a dropdown offers: (text to read, value)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the dropdowns offer now."""

    checkpoints: tuple[str, ...]
    vaes: tuple[str, ...]
    samplers: tuple[str, ...]
    schedules: tuple[str, ...]
    upscalers: tuple[str, ...] = PLAIN_UPSCALERS


@dataclass(frozen=True, slots=True)
class FieldControl:
    """One row: how to draw a field (``make``), how to read what the control holds (``read``, raises ``RequestError``),
    and how it shows a value (``show``)."""

    field: str
    make: Callable[[Options], Any]
    read: Callable[[Any, Options], Any]
    show: Callable[[Any], Any] = lambda value: value


def element_id(path: str) -> str:
    """The HTML id of a field's control."""
    return "sd-" + path.replace(".", "-")


# --- Between requests and what the controls hold ------------------------------------------------------------------


def request_from(values: Mapping[str, Any], options: Options) -> GenerationRequest:
    """The request that the form's raw ``values`` (by path, switches too) ask for; missing ones keep their default.

    Raises ``RequestError``.
    """
    request: GenerationRequest = _part_from(GenerationRequest, "", values, options)
    return request


def _part_from(kind: Any, prefix: str, values: Mapping[str, Any], options: Options) -> Any:
    built: dict[str, Any] = {}
    for name, part in _fields_of(kind).items():
        path = prefix + name
        if part is None:
            if path in values:
                built[name] = CONTROLS[path].read(values[path], options)
        elif path not in SWITCHES or values.get(path):
            built[name] = _part_from(part, f"{path}.", values, options)
    return kind(**built)


def shown_values(request: GenerationRequest, native_size: int) -> dict[str, Any]:
    """What each control and each switch shows for ``request``: open sizes show the checkpoint's ``native_size``, absent
    parts their defaults, and pictures nothing (they are not kept)."""
    shown = _shown_part(GenerationRequest, request, "")
    shown["width"] = request.width or native_size
    shown["height"] = request.height or native_size
    return shown


def _shown_part(kind: Any, part: Any, prefix: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for name, inner in _fields_of(kind).items():
        path = prefix + name
        value = defaults[name] if part is None else getattr(part, name)
        if inner is None:
            if path in CONTROLS:  # else only other programs and scripts set it
                shown[path] = CONTROLS[path].show(None if value is dataclasses.MISSING else value)
            continue
        if path in SWITCHES:
            shown[path] = part is not None and value is not None
        shown |= _shown_part(inner, value if dataclasses.is_dataclass(value) else None, f"{path}.")
    return shown


def _fields_of(kind: Any) -> dict[str, Any]:
    """The fields of a part of a request, each with the class of the part that it holds, or None."""
    hints = typing.get_type_hints(kind)
    return {field.name: _part_in(hints[field.name]) for field in dataclasses.fields(kind)}


def _part_in(hint: Any) -> Any:
    return next((option for option in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(option)), None)


def default_of(path: str) -> Any:
    """Default value of a field by its path; None when it has none."""
    return _DEFAULTS[path]


def dropdown_choices(names: Iterable[str]) -> Choices:
    """Names as a dropdown offers them."""
    return [(_NAMES_TO_READ.get(name, name), name) for name in names]


_NAMES_TO_READ = {AUTOMATIC: AUTOMATIC_LABEL, SAME: SAME_LABEL, "None": NO_UPSCALER_LABEL}


def with_automatic(names: Sequence[str]) -> tuple[str, ...]:
    """``names`` with ``AUTOMATIC`` among them, first when it was missing."""
    return tuple(names) if AUTOMATIC in names else (AUTOMATIC, *names)


def _all_defaults(kind: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, part in zip(dataclasses.fields(kind), _fields_of(kind).values(), strict=True):
        if part is not None:
            found |= _all_defaults(part, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = None if field.default is dataclasses.MISSING else field.default
    return found


_DEFAULTS: Mapping[str, Any] = _all_defaults(GenerationRequest)


# --- Kinds of controls --------------------------------------------------------------------------------------------

_PLAIN_TYPING = gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off")


def _text(field: str, placeholder: str, lines: int) -> FieldControl:
    def make(_options: Options) -> gr.Textbox:
        return gr.Textbox(
            label=FIELD_LABELS[field],
            placeholder=placeholder,
            lines=lines,
            max_lines=12,
            elem_id=element_id(field),
            html_attributes=_PLAIN_TYPING,
        )

    return FieldControl(field, make, lambda value, _options: str(value or ""))


def _slider(field: str, low: float, high: float, step: float, info: str | None = None) -> FieldControl:
    default = default_of(field)

    def make(_options: Options) -> gr.Slider:
        slider = gr.Slider(
            low,
            high,
            512 if default is None else default,
            step=step,
            label=FIELD_LABELS[field],
            info=info,
            elem_id=element_id(field),
            min_width=230,
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


def _number_box(field: str, step: float, info: str | None = None) -> FieldControl:
    """A small box for numbers that few people touch."""
    whole = not isinstance(default_of(field), float)

    def make(_options: Options) -> gr.Number:
        box = gr.Number(
            default_of(field),
            label=FIELD_LABELS[field],
            info=info,
            step=step,
            elem_id=element_id(field),
            min_width=130,
        )
        box.preprocess = _as_typed  # type: ignore[method-assign]
        return box

    return FieldControl(field, make, lambda value, _options: _number(field, value, whole=whole))


def _number_text(field: str, info: str, width: int = 130) -> FieldControl:
    """A text box for a whole number: number boxes round those above 2**53."""

    def make(_options: Options) -> gr.Textbox:
        return gr.Textbox(
            label=FIELD_LABELS[field],
            info=info,
            max_lines=1,
            elem_id=element_id(field),
            min_width=width,
            html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )

    return FieldControl(field, make, lambda value, _options: _number(field, value, whole=True), str)


def _number_or_same(field: str) -> FieldControl:
    """A number, or nothing for the first pass's."""

    def make(_options: Options) -> gr.Textbox:
        return gr.Textbox(
            label=FIELD_LABELS[field], placeholder=SAME_LABEL, max_lines=1, elem_id=element_id(field), min_width=130
        )

    def read(value: Any, _options: Options) -> float | None:
        return None if value is None or not str(value).strip() else _number(field, value, whole=False)

    return FieldControl(field, make, read, lambda value: "" if value is None else f"{value:g}")


def _check(field: str, info: str | None = None) -> FieldControl:
    def make(_options: Options) -> gr.Checkbox:
        return gr.Checkbox(
            bool(default_of(field)),
            label=FIELD_LABELS[field],
            info=info,
            elem_id=element_id(field),
            elem_classes="sd-check",
            min_width=200,
        )

    return FieldControl(field, make, lambda value, _options: value is True)


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
            elem_id=element_id(field),
            min_width=180,
        )

    def read(value: Any, options: Options) -> str:
        name = str(value or "")
        known = names(options)
        if name in known or (not name and not known):
            return name
        raise UnknownName(kind=kind, name=name, suggestions=closest(name, known))

    return FieldControl(field, make, read)


def _choice(field: str, labels: Mapping[StrEnum, str], *, radio: bool = False) -> FieldControl:
    """One of a few words of ``core``, each with what people read."""
    choices = [(label, word.value) for word, label in labels.items()]
    words = {word.value: word for word in labels}

    def make(_options: Options) -> Any:
        label, default = FIELD_LABELS[field], str(default_of(field))
        if radio:
            return gr.Radio(choices, value=default, label=label, elem_id=element_id(field))
        return gr.Dropdown(choices, value=default, label=label, elem_id=element_id(field), min_width=180)

    def read(value: Any, _options: Options) -> StrEnum:
        if isinstance(value, str) and value in words:
            return words[value]
        raise UnknownName(kind="option", name=str(value or ""))

    return FieldControl(field, make, read, lambda word: str(default_of(field) if word is None else word.value))


def _color(field: str) -> FieldControl:
    def make(_options: Options) -> gr.ColorPicker:
        return gr.ColorPicker(default_of(field), label=FIELD_LABELS[field], elem_id=element_id(field), min_width=130)

    def read(value: Any, _options: Options) -> str:
        text = str(value or "")
        if len(text) == 7 and text[0] == "#" and all(digit in "0123456789abcdef" for digit in text[1:].lower()):
            return text
        raise UnknownName(kind="option", name=text)

    return FieldControl(field, make, read)


def _init_images() -> FieldControl:
    def read(value: Any, _options: Options) -> tuple[Image.Image, ...]:
        if not value:
            raise InitImageMissing()
        return (chosen_picture(value),)

    def make(_options: Options) -> gr.Image:
        return picture_input(FIELD_LABELS["init.images"], element_id("init.images"))

    return FieldControl("init.images", make, read, lambda _images: None)


_DATA_URL = "data:image/png;base64,"


def _mask() -> FieldControl:
    """The surface to paint on, whose value reaches us as a PNG in a data URL."""

    def make(_options: Options) -> gr.HTML:
        return canvas_box(element_id("init.inpaint.mask"), "mask")

    def read(value: Any, _options: Options) -> Image.Image:
        if not isinstance(value, str) or not value.startswith(_DATA_URL):
            raise MaskMissing()
        try:
            mask = picture_from(base64.b64decode(value.removeprefix(_DATA_URL)), Path("máscara")).convert("L")
        except binascii.Error as error:
            raise MaskMissing() from error
        if not mask.getbbox():
            raise MaskMissing()
        return mask

    return FieldControl("init.inpaint.mask", make, read, lambda _mask: None)


def _switch(path: str, label: str) -> FieldControl:
    """The box that turns a part of the request on."""

    def make(_options: Options) -> gr.Checkbox:
        return gr.Checkbox(False, label=label, elem_id=element_id(path), elem_classes="sd-switch")

    return FieldControl(path, make, lambda value, _options: value is True)


def _tab_switch(path: str) -> FieldControl:
    """A part that is on while its tab is open: the page's script says so when it asks for a picture."""
    return FieldControl(path, lambda _options: gr.JSON(visible=False), lambda value, _options: value is True)


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


# --- The tables ---------------------------------------------------------------------------------------------------


def _same_or(names: Callable[[Options], tuple[str, ...]]) -> Callable[[Options], tuple[str, ...]]:
    return lambda options: (SAME, *names(options))


def _checkpoints(options: Options) -> tuple[str, ...]:
    return options.checkpoints


def hires_upscalers(options: Options) -> tuple[str, ...]:
    """What can enlarge the first pass's picture."""
    return (*LATENT_UPSCALERS, *options.upscalers)


_TAESD_OR_NOT: Mapping[StrEnum, str] = {
    VaeMethod.FULL: "El VAE completo",
    VaeMethod.TAESD: "TAESD (rápido y aproximado)",
}

_TUNING: Mapping[str, tuple[FieldControl, ...]] = {
    "Prompt": (
        _choice(
            "tuning.emphasis",
            {
                Emphasis.ORIGINAL: "Original",
                Emphasis.NO_NORM: "Sin normalizar (No norm)",
                Emphasis.IGNORE: "Ignorar los pesos (Ignore)",
                Emphasis.NONE: "Leer los paréntesis como texto (None)",
            },
        ),
        _number_box("tuning.comma_backtrack", 1, "De 0 a 74"),
        _check("tuning.old_prompt_editing"),
        _check("tuning.pad_conditions"),
        _check("tuning.pad_conditions_v0"),
    ),
    "Sampler": (
        _number_box("tuning.eta", 0.01, "Samplers ancestrales"),
        _number_box("tuning.eta_ddim", 0.01, "Solo DDIM"),
        _number_text("tuning.ensd", "Se suma a la semilla"),
        _number_box("tuning.sigma_churn", 0.01),
        _number_box("tuning.sigma_tmin", 0.01),
        _number_box("tuning.sigma_tmax", 0.01, "0 = sin límite"),
        _number_box("tuning.sigma_noise", 0.01),
        _choice("tuning.unipc_variant", {word: word.value for word in UniPCVariant}),
        _choice(
            "tuning.unipc_skip_type",
            {
                UniPCSkipType.TIME_UNIFORM: "Uniforme (time_uniform)",
                UniPCSkipType.TIME_QUADRATIC: "Cuadrático (time_quadratic)",
                UniPCSkipType.LOG_SNR: "logSNR",
            },
        ),
        _number_box("tuning.unipc_order", 1),
        _check("tuning.unipc_lower_order_final"),
    ),
    "Schedule": (
        _number_box("tuning.schedule_min_sigma", 0.01, "0 = la del modelo"),
        _number_box("tuning.schedule_max_sigma", 0.01, "0 = la del modelo"),
        _number_box("tuning.schedule_rho", 0.1, "0 = la del schedule"),
        _number_box("tuning.beta_alpha", 0.01),
        _number_box("tuning.beta_beta", 0.01),
        _check("tuning.old_karras_sigmas"),
        _check("tuning.discard_penultimate"),
        _check("tuning.sgm_noise_multiplier"),
        _check("tuning.quantize"),
    ),
    "Prompt negativo y ruido": (
        _number_box("tuning.ngms", 0.1, "0 = no se omite nunca"),
        _number_box("tuning.skip_early_cfg", 0.01, "Parte de los pasos, de 0 a 1"),
        _number_box("tuning.extra_noise", 0.01, "En img2img y en hires"),
        _check("tuning.classic_inpainting"),
        _check("tuning.ngms_all"),
    ),
    "Modelo y VAE": (
        _choice(
            "tuning.noise_schedule",
            {NoiseSchedule.DEFAULT: "El del modelo", NoiseSchedule.ZERO_TERMINAL_SNR: "Zero Terminal SNR"},
        ),
        _choice("tuning.vae_encoder", _TAESD_OR_NOT),
        _choice("tuning.vae_decoder", _TAESD_OR_NOT),
        _check("tuning.downcast_alphas"),
    ),
    "SDXL": (
        _number_box("tuning.sdxl_crop_top", 1),
        _number_box("tuning.sdxl_crop_left", 1),
        _number_box("tuning.refiner_low_score", 0.1),
        _number_box("tuning.refiner_high_score", 0.1),
        _check("tuning.sdxl_clip_l_skip"),
    ),
}

TUNING_GROUPS: Mapping[str, tuple[str, ...]] = {
    title: tuple(control.field for control in controls) for title, controls in _TUNING.items()
}
"""The fine adjustments as the page groups them."""

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
        _number_text("seed", "-1 = al azar", 140),
        _slider("clip_skip", 1, 12, 1),
        _choice(
            "noise_origin",
            {NoiseOrigin.NV: "NV: igual en todos los equipos", NoiseOrigin.CPU: "CPU", NoiseOrigin.GPU: "GPU"},
            radio=True,
        ),
        _dropdown("checkpoint", ModelKind.CHECKPOINT, _checkpoints),
        _dropdown("vae", ModelKind.VAE, lambda options: options.vaes),
        _check("tiling", "Para patrones que se repiten, como baldosas"),
        _number_text("variation.seed", "-1 = al azar"),
        _slider("variation.strength", 0, 1, 0.01, "0 = la imagen de siempre; 1 = la de la otra semilla"),
        _number_box("variation.resize_width", SIZE_STEP, "0 = no se usa"),
        _number_box("variation.resize_height", SIZE_STEP, "0 = no se usa"),
        _dropdown("hires.upscaler", ModelKind.UPSCALER, hires_upscalers),
        _slider("hires.steps", 0, 150, 1, "0 = los mismos de la primera pasada"),
        _slider("hires.strength", 0, 1, 0.01, "Entre 0.2 y 0.6 añade detalle sin cambiar la imagen"),
        _slider("hires.scale", 1, 4, 0.05),
        _number_box("hires.width", SIZE_STEP, "0 = según «Ampliar por»"),
        _number_box("hires.height", SIZE_STEP, "0 = según «Ampliar por»"),
        _dropdown("hires.checkpoint", ModelKind.CHECKPOINT, _same_or(_checkpoints)),
        _dropdown("hires.sampler", "sampler", _same_or(lambda options: options.samplers)),
        _dropdown("hires.schedule", "schedule", _same_or(lambda options: options.schedules)),
        _text("hires.prompt", SAME_LABEL, 2),
        _text("hires.negative_prompt", SAME_LABEL, 2),
        _number_or_same("hires.cfg_scale"),
        _init_images(),
        _slider("init.strength", 0, 1, 0.01, "Cerca de 0 apenas cambia; cerca de 1 la imagen cambia por completo"),
        _choice(
            "init.resize_mode",
            {
                ResizeMode.STRETCH: "Estirar",
                ResizeMode.CROP: "Recortar y ajustar",
                ResizeMode.FILL: "Ajustar y rellenar",
                ResizeMode.LATENT: "Estirar los latents",
            },
            radio=True,
        ),
        _dropdown("init.upscaler", ModelKind.UPSCALER, lambda options: options.upscalers),
        _slider("init.noise_multiplier", 0, 1.5, 0.01),
        _check("init.exact_steps"),
        _check("init.color_correction"),
        _color("init.background"),
        _mask(),
        _slider("init.inpaint.blur_x", 0, 64, 1),
        _slider("init.inpaint.blur_y", 0, 64, 1),
        _check("init.inpaint.inverted"),
        _choice(
            "init.inpaint.content",
            {
                MaskedContent.ORIGINAL: "Original",
                MaskedContent.FILL: "Relleno con los colores de alrededor",
                MaskedContent.LATENT_NOISE: "Ruido",
                MaskedContent.LATENT_NOTHING: "Nada",
            },
            radio=True,
        ),
        _check("init.inpaint.only_masked", "Más detalle: la zona pintada se hace a tamaño completo"),
        _slider("init.inpaint.padding", 0, 256, 4),
        _check("init.inpaint.rounded"),
        _slider("init.inpaint.condition_weight", 0, 1, 0.01),
        _check("init.inpaint.overlay"),
        _dropdown("refiner.checkpoint", ModelKind.CHECKPOINT, _checkpoints),
        _slider("refiner.switch_at", 0.01, 1, 0.01, "Parte de los pasos que hace el modelo principal"),
        _check("refiner.by_steps"),
        _choice(
            "refiner.passes",
            {
                RefinerPasses.SECOND: "Solo la de hires",
                RefinerPasses.FIRST: "Solo la primera",
                RefinerPasses.BOTH: "Las dos",
            },
            radio=True,
        ),
        *(control for controls in _TUNING.values() for control in controls),
    )
}

SWITCHES: Mapping[str, FieldControl] = {
    control.field: control
    for control in (
        _switch("hires", "Hires. fix"),
        _tab_switch("init"),
        _switch("init.inpaint", "Inpaint: pintar solo una parte"),
        _switch("refiner", "Refiner"),
    )
}
"""The parts that a request may lack, each with the control that turns it on."""

FORM: Mapping[str, FieldControl] = {**CONTROLS, **SWITCHES}
"""Everything that a request is read from."""

NOT_KEPT = frozenset({"init", "init.images", "init.inpaint.mask"})
"""What a form does not remember: pictures, and which tab is open."""
