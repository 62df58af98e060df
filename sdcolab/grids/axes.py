"""What the axes of an X/Y/Z plot change (hechos/a1111.md 9.1): one row each, in A1111's order and by its labels.

A row names the field of the request that takes the value; where that is not all, its ``change`` does it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from sdcolab.core.control import ControlMode, ControlResize
from sdcolab.core.errors import AxisUnknown, AxisValueUnknown, TooManyAxisValues
from sdcolab.core.fields import with_value
from sdcolab.core.prompt import apply_styles
from sdcolab.core.registry import closest
from sdcolab.core.request import AUTOMATIC, GenerationRequest, Refiner
from sdcolab.core.scripts import NOTHING
from sdcolab.grids import rewrite, values
from sdcolab.grids.fields import changed, has_part, knows
from sdcolab.grids.names import Names, resolved

NONE = "None"
USUAL_WEIGHTS = "0.2-1 [5]"
"""What is offered for the weight of a LoRA."""

MAX_ORDERED = 6
"""Tokens that may be put in every order: 6! = 720."""


class Kind(Enum):
    """How the text of an axis becomes values."""

    NOTHING = auto()
    INT = auto()
    FLOAT = auto()
    BOOL = auto()
    TEXT = auto()
    NAME = auto()
    SIZE = auto()
    SEARCH = auto()
    ORDER = auto()
    STYLES = auto()
    WEIGHT = auto()


class Tab(Enum):
    """Where an axis can be chosen."""

    BOTH = auto()
    TXT2IMG = auto()
    IMG2IMG = auto()


Change = Callable[[GenerationRequest, Any], GenerationRequest]


@dataclass(frozen=True, slots=True)
class Axis:
    """One row. ``path`` is the field that takes the value; ``change`` does what a field alone cannot.

    ``listed`` is the live list that names come from, ``extra`` further names; ``cost`` 0..1 is what changing it costs
    compared with loading a checkpoint; ``bare``: a legend is the value alone; ``rank``: axes with lower ones are
    applied first, and those with the same in the order X, Y, Z.
    """

    label: str
    kind: Kind
    path: str = ""
    change: Change | None = None
    listed: str = ""
    extra: tuple[str, ...] = ()
    cost: float = 0.0
    tab: Tab = Tab.BOTH
    bare: bool = False
    rank: int = 1
    own: bool = False
    """Ours, not A1111's: it does not count for A1111's numbers."""

    @property
    def name(self) -> str:
        """The label, for registries."""
        return self.label

    @property
    def available(self) -> bool:
        """Whether this version has what the axis changes."""
        return not self.path or knows(self.path)

    def read(self, text: str, names: Names) -> tuple[Any, ...]:
        """The values that ``text`` means; ``*`` means every one there is. Raises what ``values`` raises,
        ``AxisValueUnknown`` for a name."""
        return self.taken(self.choices(names) if text.strip() == "*" else values.split(text), names)

    def taken(self, found: Sequence[str], names: Names) -> tuple[Any, ...]:
        """The values that texts mean, one by one."""
        match self.kind:
            case Kind.NOTHING:
                return ("",)
            case Kind.INT:
                return values.whole_numbers(found, self.label)
            case Kind.FLOAT:
                return values.numbers(found, self.label)
            case Kind.BOOL:
                return values.truths(found, self.label)
            case Kind.SIZE:
                return values.sizes(found, self.label)
            case Kind.ORDER:
                return _permutations(found, self.label)
            case Kind.NAME:
                choices = names.choices(self.listed)
                return tuple(resolved(value, self.label, choices, self.extra) for value in found if value)
            case Kind.STYLES:
                return tuple(_styles(value, self.label, names) for value in found if value)
            case Kind.WEIGHT:
                return tuple(values.limited(_weights(found, self.label, names), self.label))
            case Kind.TEXT | Kind.SEARCH:
                return tuple(found)

    def choices(self, names: Names) -> tuple[str, ...]:
        """What the "fill" button writes: every value there is; empty where there are too many."""
        if self.kind is Kind.BOOL:
            return ("True", "False")
        if self.kind is Kind.STYLES:
            return tuple(names.styles())
        if self.kind is Kind.WEIGHT:
            return tuple(f"{name}:{USUAL_WEIGHTS}" for name in names.choices(self.listed))
        return (*self.extra, *names.choices(self.listed)) if self.kind is Kind.NAME else ()

    def apply(self, request: GenerationRequest, value: Any, all_values: Sequence[Any]) -> GenerationRequest:
        """``request`` with one value of this axis. Raises ``RequestError`` when the field does not take it."""
        if self.kind is Kind.NOTHING:
            return request
        if self.kind is Kind.SEARCH:
            return rewrite.searched_and_replaced(request, str(all_values[0]), value)
        if self.kind is Kind.ORDER:
            return replace(request, prompt=rewrite.reordered(request.prompt, value))
        if self.change is not None:
            return self.change(request, value)
        return changed(request, self.path, value)

    def legend(self, value: Any) -> str:
        """What stands beside the cells of ``value``."""
        shown = self.shown(value)
        return shown if self.bare or not shown else f"{self.label}: {shown}"

    def shown(self, value: Any) -> str:
        """``value`` as text."""
        if self.kind is Kind.ORDER:
            return ", ".join(value)
        if self.kind is Kind.SIZE:
            return f"{value[0]}x{value[1]}"
        if self.kind is Kind.STYLES:
            return ", ".join(style.name for style in value)
        if self.kind is Kind.WEIGHT:
            return f"{value[0]} {value[1]:g}".lstrip()
        if isinstance(value, float):
            return str(round(value, 8))
        return value.replace("\\", "/").rpartition("/")[2] if self.listed == "checkpoints" else str(value)

    def cost_of(self, found: Sequence[Any]) -> float:
        """``cost``, knowing that a LoRA in a prompt must be loaded."""
        if self.kind is Kind.SEARCH and any(rewrite.has_lora(str(value)) for value in found):
            return _LORA_COST
        return self.cost


_LORA_COST = 0.6


# --- What fields alone cannot do ------------------------------------------------------------------------------------


def _denoising(request: GenerationRequest, value: float) -> GenerationRequest:
    return changed(request, "init.strength" if request.init else "hires.strength", value)


def _noise_multiplier(request: GenerationRequest, value: float) -> GenerationRequest:
    return changed(request, "init.noise_multiplier", value)


def _size(request: GenerationRequest, value: tuple[int, int]) -> GenerationRequest:
    return replace(request, width=value[0], height=value[1])


def _with_styles(request: GenerationRequest, styles: Sequence[Any]) -> GenerationRequest:
    prompt, negative = apply_styles(request.prompt, request.negative_prompt, styles)
    return replace(request, prompt=prompt, negative_prompt=negative)


def _refiner(request: GenerationRequest, name: str) -> GenerationRequest:
    if name == NONE:
        return replace(request, refiner=None)
    old = request.refiner
    return replace(request, refiner=replace(old, checkpoint=name) if old else Refiner(name))


_RESTORING = frozenset({"codeformer", "gfpgan", "true", "yes", "y", "1"})


def _unipc_order(request: GenerationRequest, value: int) -> GenerationRequest:
    return changed(request, "tuning.unipc_order", max(1, min(value, request.steps - 1)))


def _face_restore(request: GenerationRequest, value: str) -> GenerationRequest:
    """Any word for a restorer, or for yes, turns it on: there is one (hechos/a1111.md 9.1)."""
    return replace(request, restore_faces=value.strip().casefold() in _RESTORING)


def _lora(request: GenerationRequest, name: str) -> GenerationRequest:
    return replace(request, prompt=rewrite.with_lora(request.prompt, name))


def _lora_weight(request: GenerationRequest, chosen: tuple[str, float]) -> GenerationRequest:
    return replace(request, prompt=rewrite.with_lora_weight(request.prompt, chosen[1], chosen[0]))


def _weights(texts: Sequence[str], axis: str, names: Names) -> Iterator[tuple[str, float]]:
    """LoRA and weight: ``my lora:0.2, 0.4`` are two of the same one; without a name ("") all LoRAs are meant."""
    lora = ""
    for text in texts:
        name, colon, weights = text.rpartition(":")
        if colon:
            lora = resolved(name.strip(), axis, names.choices("loras"))
        for weight in values.numbers((weights.strip(),), axis):
            yield lora, weight


def _permutations(tokens: Sequence[str], axis: str) -> tuple[tuple[str, ...], ...]:
    if len(tokens) > MAX_ORDERED:
        raise TooManyAxisValues(axis=axis, limit=math.factorial(MAX_ORDERED))
    return tuple(itertools.permutations(tokens)) if tokens else ()


def _styles(text: str, axis: str, names: Names) -> tuple[Any, ...]:
    """The styles that ``text`` names, with commas between them."""
    known = names.styles()
    by_fold = {name.casefold(): style for name, style in known.items()}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name.casefold() not in by_fold:
            raise AxisValueUnknown(axis=axis, value=name, suggestions=closest(name, known))
    return tuple(by_fold[name.casefold()] for name in wanted)


def _turning_on(path: str) -> Change:
    """Sets the field at ``path``, and turns on the part that it belongs to where that is off."""
    return lambda request, value: with_value(request, path, value)


CONTROL_UNITS = 3
"""ControlNet units with axes: as many as a form shows."""


def _control_axes(unit: int) -> Iterator[Axis]:
    """The axes of ControlNet's unit number ``unit`` (from 0), by the extension's labels."""
    kinds = {
        "Enabled": ("enabled", Kind.BOOL, "", ()),
        "Model": ("model", Kind.NAME, "controlnets", ()),
        "Weight": ("weight", Kind.FLOAT, "", ()),
        "Guidance Start": ("start", Kind.FLOAT, "", ()),
        "Guidance End": ("end", Kind.FLOAT, "", ()),
        "Control Mode": ("mode", Kind.NAME, "", tuple(mode.value for mode in ControlMode)),
        "Resize Mode": ("resize", Kind.NAME, "", tuple(mode.value for mode in ControlResize)),
        "Preprocessor": ("module", Kind.NAME, "preprocessors", ()),
        "Pre Resolution": ("resolution", Kind.INT, "", ()),
        "Pre Threshold A": ("threshold_a", Kind.FLOAT, "", ()),
        "Pre Threshold B": ("threshold_b", Kind.FLOAT, "", ()),
    }
    title = f"[ControlNet {unit + 1}]" if unit else "[ControlNet]"
    for label, (field, kind, listed, extra) in kinds.items():
        cost = 0.3 if field == "model" else 0.0
        yield Axis(f"{title} {label}", kind, f"control.{unit}.{field}", None, listed, extra, cost, own=True)


# --- The table ------------------------------------------------------------------------------------------------------

AXES: tuple[Axis, ...] = (
    Axis(NOTHING, Kind.NOTHING),
    Axis("Seed", Kind.INT, "seed"),
    Axis("Var. seed", Kind.INT, "variation.seed"),
    Axis("Var. strength", Kind.FLOAT, "variation.strength"),
    Axis("Steps", Kind.INT, "steps"),
    Axis("Hires steps", Kind.INT, "hires.steps", tab=Tab.TXT2IMG),
    Axis("CFG Scale", Kind.FLOAT, "cfg_scale"),
    Axis("Image CFG Scale", Kind.FLOAT, "image_cfg_scale", tab=Tab.IMG2IMG),
    Axis("Prompt S/R", Kind.SEARCH, bare=True),
    Axis("Prompt order", Kind.ORDER, bare=True),
    Axis("Sampler", Kind.NAME, "sampler", listed="samplers", bare=True),
    Axis("Hires sampler", Kind.NAME, "hires.sampler", listed="samplers", bare=True, tab=Tab.TXT2IMG),
    Axis("Checkpoint name", Kind.NAME, "checkpoint", listed="checkpoints", cost=1.0, bare=True),
    Axis("Negative Guidance minimum sigma", Kind.FLOAT, "tuning.ngms"),
    Axis("Sigma Churn", Kind.FLOAT, "tuning.sigma_churn"),
    Axis("Sigma min", Kind.FLOAT, "tuning.sigma_tmin"),
    Axis("Sigma max", Kind.FLOAT, "tuning.sigma_tmax"),
    Axis("Sigma noise", Kind.FLOAT, "tuning.sigma_noise"),
    Axis("Schedule type", Kind.NAME, "schedule", listed="schedules"),
    Axis("Schedule min sigma", Kind.FLOAT, "tuning.schedule_min_sigma"),
    Axis("Schedule max sigma", Kind.FLOAT, "tuning.schedule_max_sigma"),
    Axis("Schedule rho", Kind.FLOAT, "tuning.schedule_rho"),
    Axis("Beta schedule alpha", Kind.FLOAT, "tuning.beta_alpha"),
    Axis("Beta schedule beta", Kind.FLOAT, "tuning.beta_beta"),
    Axis("Eta", Kind.FLOAT, "tuning.eta"),
    Axis("Clip skip", Kind.INT, "clip_skip"),
    Axis("Denoising", Kind.FLOAT, change=_denoising),
    Axis("Initial noise multiplier", Kind.FLOAT, change=_noise_multiplier),
    Axis("Extra noise", Kind.FLOAT, "tuning.extra_noise"),
    Axis("Hires upscaler", Kind.NAME, "hires.upscaler", listed="hires_upscalers", tab=Tab.TXT2IMG),
    Axis("Cond. Image Mask Weight", Kind.FLOAT, "init.inpaint.condition_weight", tab=Tab.IMG2IMG),
    Axis("VAE", Kind.NAME, "vae", listed="vaes", extra=(AUTOMATIC, NONE), cost=0.7),
    Axis("Styles", Kind.STYLES, change=_with_styles),
    Axis("UniPC Order", Kind.INT, change=_unipc_order, cost=0.5),
    Axis("Face restore", Kind.TEXT, change=_face_restore, bare=True),
    Axis("Token merging ratio", Kind.FLOAT, "tuning.token_merging"),
    Axis("Token merging ratio high-res", Kind.FLOAT, "tuning.token_merging_hires"),
    Axis("Always discard next-to-last sigma", Kind.BOOL, "tuning.discard_penultimate"),
    Axis("SGM noise multiplier", Kind.BOOL, "tuning.sgm_noise_multiplier"),
    Axis("Refiner checkpoint", Kind.NAME, change=_refiner, listed="checkpoints", extra=(NONE,), cost=1.0),
    Axis("Refiner switch at", Kind.FLOAT, "refiner.switch_at"),
    Axis("RNG source", Kind.NAME, "noise_origin", extra=("GPU", "CPU", "NV")),
    Axis("FP8 mode", Kind.TEXT, "tuning.fp8", cost=0.9),
    Axis("Size", Kind.SIZE, change=_size),
    Axis("LoRA", Kind.NAME, change=_lora, listed="loras", extra=(NONE,), cost=_LORA_COST, rank=0, own=True),
    Axis("LoRA weight", Kind.WEIGHT, change=_lora_weight, listed="loras", cost=0.4, rank=2, own=True),
    *(axis for unit in range(CONTROL_UNITS) for axis in _control_axes(unit)),
    *(
        Axis(f"FreeU {name}", Kind.FLOAT, change=_turning_on(f"freeu.{name}"), own=True)
        for name in ("b1", "b2", "s1", "s2")
    ),
)
"""Every axis. A1111's numbers are places in its own list for a tab, which ``of_tab`` gives."""

_ALIASES: Mapping[str, str] = {
    "checkpoint": "Checkpoint name",
    "model": "Checkpoint name",
    "modelo": "Checkpoint name",
    "cfg": "CFG Scale",
    "pasos": "Steps",
    "semilla": "Seed",
    "tamaño": "Size",
    "estilos": "Styles",
    "schedule": "Schedule type",
    "s/r prompt": "Prompt S/R",
    "s/r": "Prompt S/R",
    "peso lora": "LoRA weight",
    "peso del lora": "LoRA weight",
    "controlnet": "[ControlNet] Model",
    "peso de controlnet": "[ControlNet] Weight",
    "fuerza": "Denoising",
    "fuerza del denoising": "Denoising",
    "nada": NOTHING,
    "": NOTHING,
}


def of_tab(*, img2img: bool) -> tuple[Axis, ...]:
    """The axes of a tab: A1111's in its order, and then ours."""
    other = Tab.TXT2IMG if img2img else Tab.IMG2IMG
    there = [axis for axis in AXES if axis.tab is not other]
    return tuple(sorted(there, key=lambda axis: axis.own))


def axis_called(name: str, *, img2img: bool) -> Axis:
    """The axis with this label (or the guide's word for it). Raises ``AxisUnknown``."""
    there = {axis.label.casefold(): axis for axis in of_tab(img2img=img2img)}
    folded = " ".join(name.split()).casefold()
    axis = there.get(folded) or there.get(_ALIASES.get(folded, "").casefold())
    if axis is None:
        raise AxisUnknown(name=name, suggestions=closest(name, [known.label for known in there.values()]))
    return axis


def axis_number(number: int, *, img2img: bool) -> Axis:
    """The axis with A1111's number in this tab's list. Raises ``AxisUnknown``."""
    numbered = of_tab(img2img=img2img)
    if not 0 <= number < len(numbered):
        raise AxisUnknown(name=str(number))
    return numbered[number]


def idle(axes: Iterable[Axis], request: GenerationRequest) -> tuple[str, ...]:
    """Labels of axes that change a part which ``request`` does not have: a hires pass, a ControlNet unit."""
    return tuple(axis.label for axis in axes if axis.path and knows(axis.path) and not has_part(request, axis.path))
