"""What the axes of an X/Y/Z plot change (hechos/a1111.md 9.1): A1111's, in its order and by its labels, and every other
field of a request that a text can say.

An axis names the field that takes the value, whose type says how texts become values; where that is not all, its
``change`` does it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Any

from sdcolab.core.errors import AxisOfOtherTab, AxisUnknown, AxisValueUnknown, TooManyOrders
from sdcolab.core.fields import Field, plain_path, with_value
from sdcolab.core.names import JOINED_NAMES
from sdcolab.core.prompt import apply_styles
from sdcolab.core.registry import closest
from sdcolab.core.request import AUTOMATIC, FIELDS, PARTS, GenerationRequest, Refiner
from sdcolab.core.scripts import NOTHING
from sdcolab.core.tuning import Fp8
from sdcolab.core.words import label_of, option_called
from sdcolab.core.words.axes import GROUP_MARK, axis_title, axis_word, group_title, repeated_title
from sdcolab.grids import rewrite, values
from sdcolab.grids.fields import changed, floored, has_part, knows
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


class Tab(StrEnum):
    """Where an axis can be chosen."""

    BOTH = "both"
    TXT2IMG = "txt2img"
    IMG2IMG = "img2img"


Change = Callable[[GenerationRequest, Any], GenerationRequest]


@dataclass(frozen=True, slots=True)
class Axis:
    """One row. ``path`` is the field that takes the value; ``change`` does what a field alone cannot; ``part``: where
    forms have it, when ``path`` does not say.

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
    part: str = ""

    @property
    def name(self) -> str:
        """The label, for registries."""
        return self.label

    @property
    def available(self) -> bool:
        """Whether this version has what the axis changes."""
        return not self.path or knows(self.path)

    @property
    def is_real(self) -> bool:
        """Whether its values may have decimals."""
        return self.kind in (Kind.FLOAT, Kind.WEIGHT)

    @property
    def group(self) -> str:
        """Title of those that it stands among in lists: its part of the form, "" for none."""
        return group_title(self.part or self.path.rpartition(".")[0])

    @property
    def title(self) -> str:
        """Its group, its label and what forms call it, for people."""
        title = axis_title(self.label, self.path)
        return f"{self.group}{GROUP_MARK}{title}" if self.group else title

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
                known = (*self.extra, *(JOINED_NAMES if self.listed == "samplers" else ()))
                words = (_word(value, self.extra) for value in found if value)
                return tuple(resolved(word, self.label, choices, known) for word in words)
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


def _size(request: GenerationRequest, value: tuple[int, int]) -> GenerationRequest:
    return replace(request, width=floored("width", value[0]), height=floored("height", value[1]))


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
    """LoRA and weight: ``my lora:0.2, 0.4`` are two of the same one; without a name ("") all LoRAs are meant. A tag of
    a prompt means the same; a name alone has the usual weights."""
    lora = ""
    for text in texts:
        tag = _TAG.fullmatch(text)
        name, colon, weights = (tag["said"] if tag else text).rpartition(":")
        if not colon and any(character.isalpha() for character in weights):
            name, weights = weights, USUAL_WEIGHTS
        if name:
            lora = resolved(name.strip(), axis, names.choices("loras"))
        for weight in values.numbers((weights.strip(),), axis):
            yield lora, weight


_TAG = re.compile(r"<(?:lora|lyco):(?P<said>[^<>]+)>", re.IGNORECASE)


def _word(value: str, extra: Sequence[str]) -> str:
    """The word of an enumeration among ``extra`` that the faces call ``value``, or else ``value``."""
    kinds = dict.fromkeys(type(one) for one in extra if isinstance(one, StrEnum))
    return next((word for kind in kinds if (word := option_called(kind, value)) is not None), value)


def _permutations(tokens: Sequence[str], axis: str) -> tuple[tuple[str, ...], ...]:
    if len(tokens) > MAX_ORDERED:
        raise TooManyOrders(axis=axis, limit=MAX_ORDERED)
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


# --- Fields ---------------------------------------------------------------------------------------------------------

_COSTS: Mapping[str, float] = {"checkpoints": 1.0, "vaes": 0.7, "loras": _LORA_COST, "controlnets": 0.3}
"""What changing a name of each list costs."""

_OF_8_BITS = ("tuning.eight_bits", "tuning.cache_fp16")
"""What counts only for weights in 8 bits."""

_RELOADED = {"speed": 0.9, "tuning.cpu_precision": 0.9, "tuning.fp8": 0.9, "tuning.eight_bits": 0.9}
"""What changing a choice costs that may bring the model in other numbers, for which it is loaded anew."""

_LEFT_ALONE = ("prompt", "negative_prompt", "batch_size", "batch_count")
"""Last words of fields that are no axes: prompts have axes of their own, and each cell shows one picture."""


def _of_field(label: str, path: str, **more: Any) -> Axis:
    """The axis of the field at ``path``, whose type says how texts become values of it."""
    field = FIELDS.get(plain_path(path))
    if field is None:  # not in this version
        return Axis(label, Kind.TEXT, path, **more)
    if field.is_choice:
        return Axis(label, Kind.NAME, path, extra=tuple(field.kind), cost=_RELOADED.get(path, 0.0), **more)
    if field.choices:
        return Axis(label, Kind.NAME, path, listed=field.choices, cost=_COSTS.get(field.choices, 0.0), **more)
    return Axis(label, _KINDS.get(field.kind, Kind.TEXT), path, **more)


_KINDS = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT}


def _is_plain(field: Field) -> bool:
    """Whether a text can say its value: a number, a switch, a word of several, a name of a list."""
    if field.many or field.name in _LEFT_ALONE or field.control in ("picture", "mask", "draw"):
        return False
    return field.is_number or field.kind is bool or field.is_choice or bool(field.choices)


def _further(rows: Sequence[Axis]) -> Iterator[Axis]:
    """An axis for each plain field that no row has: a field that is new is one without more ado. It is called as
    infotexts call the field or, where they do not or several share the name, as forms do."""
    taken = {row.path for row in rows} | {"hires.strength", "init.strength", "restore_faces"}  # rows without a path
    names = Counter([row.label for row in rows] + [field.label for field in FIELDS.values()])
    for path, field in FIELDS.items():
        repeats = field.parent in PARTS and PARTS[field.parent].many  # which of them would have to be said
        if path in taken or repeats or not _is_plain(field):
            continue
        part = path.partition(".")[0]
        yield _of_field(
            field.label if names[field.label] == 1 else label_of(path),
            path,
            change=_turning_on(path) if _means_something_alone(field.parent) else None,
            tab=Tab.IMG2IMG if part in ("init", "inversion") else Tab.TXT2IMG if part == "hires" else Tab.BOTH,
            own=True,
        )


def _means_something_alone(part: str) -> bool:
    """Whether the part at this path, where it is absent, is there once a single field of it is said."""
    fields = [field for field in FIELDS.values() if field.parent == part]
    optional = part in PARTS and PARTS[part].optional
    return optional and all(_is_plain(field) and not field.required for field in fields)


def _turning_on(path: str) -> Change:
    """Sets the field at ``path``, and turns on the part that it belongs to where that is off."""
    return lambda request, value: with_value(request, path, value)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A part that repeats, whose axes say of which unit they are: ``units`` of them have axes.

    ``title`` is what its extension calls itself before the name of an axis, ``labels`` what it calls axes by the unit's
    field ("" for none); others are called as in infotexts, without ``prefix``.
    """

    part: str
    title: str
    units: int
    labels: Mapping[str, str]
    prefix: str = ""

    def axes(self) -> Iterator[Axis]:
        """Those of every unit."""
        fields = [field for field in FIELDS.values() if field.parent == self.part]
        named = {one.name: one.label.removeprefix(self.prefix) for one in fields if _is_plain(one)} | {**self.labels}
        for unit in range(self.units):
            title = f"[{repeated_title(self.title, unit)}]"
            for name, label in named.items():
                if label:
                    yield _of_field(f"{title} {label[0].upper()}{label[1:]}", f"{self.part}.{unit}.{name}", own=True)


_REPEATED: tuple[_Repeated, ...] = (
    _Repeated(
        "control",
        "ControlNet",
        3,
        labels={
            "enabled": "Enabled",
            "model": "Model",
            "weight": "Weight",
            "start": "Guidance Start",
            "end": "Guidance End",
            "mode": "Control Mode",
            "resize": "Resize Mode",
            "module": "Preprocessor",
            "resolution": "Pre Resolution",
            "threshold_a": "Pre Threshold A",
            "threshold_b": "Pre Threshold B",
        },
    ),
    _Repeated(
        "details",
        "ADetailer",
        2,
        prefix="ADetailer ",
        labels={
            "enabled": "Enabled",
            "prompt": "Prompt",
            "negative_prompt": "Negative prompt",
            "classes": "Model classes",
            "only_masked": "Inpaint only masked",
        },
    ),
)
"""As many units as a person compares."""


# --- The table ------------------------------------------------------------------------------------------------------

_ROWS: tuple[Axis, ...] = (
    Axis(NOTHING, Kind.NOTHING),
    _of_field("Seed", "seed"),
    _of_field("Var. seed", "variation.seed"),
    _of_field("Var. strength", "variation.strength"),
    _of_field("Steps", "steps"),
    _of_field("Hires steps", "hires.steps", tab=Tab.TXT2IMG),
    _of_field("CFG Scale", "cfg_scale"),
    _of_field("Image CFG Scale", "init.image_cfg_scale", tab=Tab.IMG2IMG),
    Axis("Prompt S/R", Kind.SEARCH, bare=True),
    Axis("Prompt order", Kind.ORDER, bare=True),
    _of_field("Sampler", "sampler", bare=True),
    _of_field("Hires sampler", "hires.sampler", bare=True, tab=Tab.TXT2IMG),
    _of_field("Checkpoint name", "checkpoint", bare=True),
    _of_field("Negative Guidance minimum sigma", "tuning.ngms"),
    _of_field("Sigma Churn", "tuning.sigma_churn"),
    _of_field("Sigma min", "tuning.sigma_tmin"),
    _of_field("Sigma max", "tuning.sigma_tmax"),
    _of_field("Sigma noise", "tuning.sigma_noise"),
    _of_field("Schedule type", "schedule"),
    _of_field("Schedule min sigma", "tuning.schedule_min_sigma"),
    _of_field("Schedule max sigma", "tuning.schedule_max_sigma"),
    _of_field("Schedule rho", "tuning.schedule_rho"),
    _of_field("Beta schedule alpha", "tuning.beta_alpha"),
    _of_field("Beta schedule beta", "tuning.beta_beta"),
    _of_field("Eta", "tuning.eta"),
    _of_field("Clip skip", "clip_skip"),
    Axis("Denoising", Kind.FLOAT, change=_denoising),
    _of_field("Initial noise multiplier", "init.noise_multiplier"),
    _of_field("Extra noise", "tuning.extra_noise"),
    _of_field("Hires upscaler", "hires.upscaler", tab=Tab.TXT2IMG),
    _of_field("Cond. Image Mask Weight", "init.inpaint.condition_weight", tab=Tab.IMG2IMG),
    _of_field("VAE", "vae", extra=(AUTOMATIC, NONE)),
    Axis("Styles", Kind.STYLES, change=_with_styles),
    Axis("UniPC Order", Kind.INT, "tuning.unipc_order", change=_unipc_order, cost=0.5),
    Axis("Face restore", Kind.TEXT, change=_face_restore, bare=True),
    _of_field("Token merging ratio", "tuning.token_merging"),
    _of_field("Token merging ratio high-res", "tuning.token_merging_hires"),
    _of_field("Always discard next-to-last sigma", "tuning.discard_penultimate"),
    _of_field("SGM noise multiplier", "tuning.sgm_noise_multiplier"),
    Axis(
        "Refiner checkpoint",
        Kind.NAME,
        "refiner.checkpoint",
        change=_refiner,
        listed="checkpoints",
        extra=(NONE,),
        cost=1.0,
    ),
    _of_field("Refiner switch at", "refiner.switch_at"),
    _of_field("RNG source", "noise_origin"),
    _of_field("FP8 mode", "tuning.fp8"),
    Axis("Size", Kind.SIZE, change=_size),
)
"""A1111's axes, in its order and by its labels."""

AXES: tuple[Axis, ...] = (
    *_ROWS,
    Axis(
        "LoRA", Kind.NAME, change=_lora, listed="loras", extra=(NONE,), cost=_LORA_COST, rank=0, own=True, part="lora"
    ),
    Axis("LoRA weight", Kind.WEIGHT, change=_lora_weight, listed="loras", cost=0.4, rank=2, own=True, part="lora"),
    *(axis for repeated in _REPEATED for axis in repeated.axes()),
    *_further(_ROWS),
)
"""Every axis. A1111's numbers are places in its own list for a tab, which ``of_tab`` gives."""

_ALIASES: Mapping[str, str] = {
    "checkpoint": "Checkpoint name",
    "model": "Checkpoint name",
    "s/r prompt": "Prompt S/R",
    "s/r": "Prompt S/R",
    "peso lora": "LoRA weight",
    "controlnet": "[ControlNet] Model",
    "peso de controlnet": "[ControlNet] Weight",
    "fuerza": "Denoising",
    "": NOTHING,
}
"""Other names of axes, beyond their labels and what forms call them."""


def of_tab(*, img2img: bool) -> tuple[Axis, ...]:
    """The axes of a tab: A1111's in its order, and then ours."""
    other = Tab.TXT2IMG if img2img else Tab.IMG2IMG
    there = [axis for axis in AXES if axis.tab is not other]
    return tuple(sorted(there, key=lambda axis: axis.own))


def axis_called(name: str, *, img2img: bool) -> Axis:
    """The axis with this label, or what the guide or the form calls it. Raises ``AxisUnknown``, ``AxisOfOtherTab``."""
    known = of_tab(img2img=img2img)
    there = {axis.label.casefold(): axis for axis in known}
    words = [axis_word(axis.label, axis.path) for axis in known]
    in_forms = {word.casefold(): axis for word, axis in zip(reversed(words), reversed(known), strict=True)}
    folded = " ".join(name.split()).casefold()
    axis = there.get(folded) or there.get(_ALIASES.get(folded, "").casefold()) or in_forms.get(folded)
    if axis is None and (elsewhere := next((one for one in AXES if one.label.casefold() == folded), None)):
        raise AxisOfOtherTab(axis=elsewhere.label, tab=elsewhere.tab.value)
    if axis is None:
        raise AxisUnknown(name=name, suggestions=closest(name, [*filter(None, words), *(one.label for one in known)]))
    return axis


def idle(axes: Iterable[Axis], request: GenerationRequest) -> tuple[str, ...]:
    """Labels of axes that change a part which ``request`` does not have: a hires pass, a ControlNet unit, weights in 8
    bits. Those that bring their part along are none, alone or with another axis."""
    plain = [axis for axis in axes if axis.path and axis.change is None and knows(axis.path)]
    whole = request.tuning.fp8 is Fp8.DISABLE and all(axis.path != "tuning.fp8" for axis in plain)
    off = _OF_8_BITS if whole else ()
    return tuple(axis.label for axis in plain if axis.path in off or not has_part(request, axis.path))


def in_groups() -> tuple[Axis, ...]:
    """The axes as forms list them: what is in no group, LoRA, and the other groups; in each, A1111's first."""
    there = sorted((axis for axis in AXES if axis.available), key=lambda axis: axis.own)
    groups = list(dict.fromkeys(["", group_title("lora"), *(axis.group for axis in there)]))
    return tuple(sorted(there, key=lambda axis: groups.index(axis.group)))
