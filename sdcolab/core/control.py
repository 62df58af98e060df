"""ControlNet as asked for: units, and the pure rules of when and how strongly each acts (hechos/extensiones.md 3).

Zhang et al. 2023 (arXiv:2302.05543); behaviour of sd-webui-controlnet 1.1.455.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from PIL import Image

from sdcolab.core.checks import check_range
from sdcolab.core.detect import ModelFamily
from sdcolab.core.fields import check, fact

MAX_UNITS = 10
"""As many as AUTOMATIC1111's extension offers at most."""

MAX_PICTURES = 100
"""Of one unit."""

NO_PREPROCESSOR = "none"
UNSET = -1
"""Of a number that the preprocessor chooses."""


class ControlMode(StrEnum):
    """Who wins where prompt and control disagree; in the extension's order, 0 to 2, and its words."""

    BALANCED = "Balanced"
    PROMPT = "My prompt is more important"
    CONTROL = "ControlNet is more important"


class ControlResize(StrEnum):
    """How the control picture takes the wanted size; in the extension's order, 0 to 2, and its words."""

    JUST = "Just Resize"
    CROP = "Crop and Resize"
    FILL = "Resize and Fill"


class ControlPasses(StrEnum):
    """In which passes of a hires generation a unit acts (the extension's words)."""

    BOTH = "Both"
    LOW = "Low res only"
    HIGH = "High res only"


class ControlPictures(StrEnum):
    """What several pictures of one unit mean: all act at once, each with its share of the weight, or the images of the
    job take them in turns."""

    TOGETHER = "together"
    IN_TURN = "in turn"


class ControlType(StrEnum):
    """What a unit follows; the extension's words, which name the groups of preprocessors and models."""

    ALL = "All"
    CANNY = "Canny"
    DEPTH = "Depth"
    NORMAL = "NormalMap"
    OPENPOSE = "OpenPose"
    MLSD = "MLSD"
    LINEART = "Lineart"
    SOFT_EDGE = "SoftEdge"
    SCRIBBLE = "Scribble/Sketch"
    SEGMENTATION = "Segmentation"
    SHUFFLE = "Shuffle"
    TILE = "Tile/Blur"
    INPAINT = "Inpaint"
    INSTRUCT = "InstructP2P"
    REFERENCE = "Reference"
    RECOLOR = "Recolor"
    ADAPTER = "T2I-Adapter"
    IP_ADAPTER = "IP-Adapter"


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """One picture (or several) that guides what is drawn.

    ``images``: any mode and size; none means the initial picture of img2img. ``drawing``: black strokes on white,
    which take the picture's place; without preprocessor they are turned into white on black. ``module`` is a
    preprocessor's name, ``model`` a file of the library ("" for none; some preprocessors need none). ``resolution``
    in pixels of the short side, ``threshold_a`` and ``threshold_b``: ``UNSET`` means the preprocessor's own.
    ``start`` and ``end`` are shares (0..1) of the steps. ``mask``: what an inpaint preprocessor leaves to be
    painted (white). ``region``: where the unit acts (white; None: everywhere). ``crop_to_mask``: with "only
    masked", cut the unit's own picture like the initial one. ``loopback``: each picture that is made is the next
    one's control. ``kind`` tells a union model what a ready-made map is of; the faces offer by it. ``title`` is the
    user's name for the unit.

    Raises ``FieldOutOfRange``.
    """

    enabled: bool = fact(True, api=("enabled",))
    images: tuple[Image.Image, ...] = fact((), api=("input_image", "image"))
    drawing: Image.Image | None = fact(None, control="draw")
    kind: ControlType = fact(ControlType.ALL, api=("union_control_type",))
    module: str = fact(NO_PREPROCESSOR, label="Module", codec="always", api=("module",), choices="preprocessors")
    model: str = fact("", label="Model", codec="title_or_none", api=("model",), choices="controlnets")
    weight: float = fact(1.0, low=0, high=2, step=0.05, label="Weight", codec="always", api=("weight",))
    resize: ControlResize = fact(
        ControlResize.CROP, label="Resize Mode", codec="always", api=("resize_mode",), control="radio"
    )
    resolution: int = fact(UNSET, low=UNSET, high=2048, step=8, label="Processor Res", api=("processor_res",))
    threshold_a: float = fact(float(UNSET), low=UNSET, high=255, label="Threshold A", api=("threshold_a",))
    threshold_b: float = fact(float(UNSET), low=UNSET, high=255, label="Threshold B", api=("threshold_b",))
    start: float = fact(
        0.0, low=0, high=1, label="Guidance Start", codec="always", api=("guidance_start",), control="slider"
    )
    end: float = fact(1.0, low=0, high=1, label="Guidance End", codec="always", api=("guidance_end", "guidance"))
    pixel_perfect: bool = fact(False, label="Pixel Perfect", codec="always", api=("pixel_perfect",))
    mode: ControlMode = fact(
        ControlMode.BALANCED, label="Control Mode", codec="always", api=("control_mode",), control="radio"
    )
    passes: ControlPasses = fact(ControlPasses.BOTH, label="Hr Option", api=("hr_option",), control="radio")
    mask: Image.Image | None = fact(None, api=("mask_image", "mask"), control="picture")
    region: Image.Image | None = fact(None, api=("effective_region_mask",), control="picture")
    pictures: ControlPictures = fact(ControlPictures.TOGETHER, control="radio")
    crop_to_mask: bool = fact(True, api=("inpaint_crop_input_image",))
    loopback: bool = False
    save_map: bool = fact(True, api=("save_detected_map",))
    title: str = ""

    def __post_init__(self) -> None:
        check(self, "control")
        check_range("control.images", len(self.images), 0, MAX_PICTURES)

    def acts_in(self, *, hires: bool) -> bool:
        """Whether the unit acts in the hires pass, or in the other one."""
        return self.passes is not (ControlPasses.LOW if hires else ControlPasses.HIGH)

    def active(self, step: int, steps: int) -> bool:
        """Whether the unit acts at ``step`` (from 0) of ``steps``: start <= step / steps <= end."""
        return self.start <= step / max(1, steps) <= self.end


_WORK_ANYWAY = ("inpaint_only", "tile_colorfix", "tile_colorfix+sharp")
"""Preprocessors whose units do something to the picture that their weight and their steps do not touch."""


def changes_nothing(module: str, weight: float, start: float, end: float) -> bool:
    """Whether a unit like this has no effect: it weighs 0, or ends before it begins."""
    return (weight == 0 or start > end) and module not in _WORK_ANYWAY


def in_their_places(units: tuple[ControlUnit, ...]) -> tuple[ControlUnit, ...]:
    """``units`` up to the last that is on. Those that are off say nothing, but keep their places: a unit is told by the
    number that the user sees, and A1111's infotexts number it so."""
    last = max((place for place, unit in enumerate(units, 1) if unit.enabled), default=0)
    return tuple(unit if unit.enabled else ControlUnit(enabled=False) for unit in units[:last])


# --- Strength -----------------------------------------------------------------------------------------------------

SOFT_BASE = 0.825
_SKIPS = 12
"""SD 1's skips; SDXL takes the first numbers of the same list."""
_KNOWN_COUNTS = (13, 10)
ADAPTER_SOFT = (0.25, 0.62, 0.825, 1.0)


def soft_scales(count: int) -> tuple[float, ...]:
    """What "my prompt is more important" makes of ``count`` residuals, the shallowest skip first, the middle last:
    0.825^(12-i). SDXL's 10 are the first 10 of SD 1's 13; other models (the demo one) end at 1.
    """
    last = _SKIPS if count in _KNOWN_COUNTS else count - 1
    return tuple(SOFT_BASE ** (last - index) for index in range(count))


def is_soft(unit: ControlUnit, *, hires: bool) -> bool:
    """Whether the residuals are weakened towards the shallow ones: in both modes that are not balanced, and in the
    hires pass for line maps whose hard edges would show."""
    return unit.mode is not ControlMode.BALANCED or (hires and unit.module in ("canny", "mlsd"))


# --- Preparing the picture ----------------------------------------------------------------------------------------


def pixel_perfect_resolution(
    height: int, width: int, target_height: int, target_width: int, resize: ControlResize
) -> int:
    """The short side in pixels at which a preprocessor loses nothing: that of the picture once it has the target's
    scale, which covers the target, or fits in it when the picture is to be filled up."""
    scales = (target_height / height, target_width / width)
    factor = min(scales) if resize is ControlResize.FILL else max(scales)
    return round(factor * min(height, width))


def detect_size(height: int, width: int, resolution: int) -> tuple[int, int]:
    """(height, width) at which a preprocessor looks at a picture: its short side is ``resolution``."""
    factor = resolution / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


# --- Finding a model ----------------------------------------------------------------------------------------------


_WORDS_IN_NAMES: dict[ControlType, tuple[str, ...]] = {
    ControlType.CANNY: ("canny", "lineas"),
    ControlType.DEPTH: ("depth",),
    ControlType.NORMAL: ("normal",),
    ControlType.OPENPOSE: ("openpose", "dwpose", "pose"),
    ControlType.MLSD: ("mlsd",),
    ControlType.LINEART: ("lineart", "lineas"),
    ControlType.SOFT_EDGE: ("softedge", "hed", "pidi", "teed", "anyline"),
    ControlType.SCRIBBLE: ("scribble", "sketch", "lineas"),
    ControlType.SEGMENTATION: ("seg",),
    ControlType.SHUFFLE: ("shuffle",),
    ControlType.TILE: ("tile", "blur"),
    ControlType.INPAINT: ("inpaint",),
    ControlType.INSTRUCT: ("ip2p",),
    ControlType.REFERENCE: (),
    ControlType.RECOLOR: ("recolor", "colorizer"),
    ControlType.ADAPTER: ("t2iadapter", "t2i-adapter", "t2i_adapter"),
    ControlType.IP_ADAPTER: ("ip-adapter", "ip_adapter", "ipadapter"),
}
_UNION_WORDS = ("union",)
_NOT_UNION = frozenset({ControlType.REFERENCE, ControlType.ADAPTER, ControlType.IP_ADAPTER, ControlType.INSTRUCT})

_NAME_FAMILIES = (
    (re.compile(r"xl|noob|illustrious|pony"), ModelFamily.SDXL),
    (re.compile(r"sd_?-?(?:21|2\.1|20|2\.0)|_2\.1|-2\.1|\bv2"), ModelFamily.SD2),
    (re.compile(r"sd_?-?(?:14|15|16|1\.4|1\.5)"), ModelFamily.SD1),
)


def family_in_name(name: str) -> ModelFamily:
    """Which family a model file's name speaks of; UNKNOWN when it does not say."""
    low = name.casefold()
    return next((family for pattern, family in _NAME_FAMILIES if pattern.search(low)), ModelFamily.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ControlOnOffer:
    """A control model that can be downloaded: the name that its file gets, the family of checkpoints that it guides,
    its link, and its bytes (0 when nobody says)."""

    name: str
    family: ModelFamily
    link: str
    size: int


T = TypeVar("T")


def models_for(kind: ControlType, names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` (of model files) that serve ``kind``: all that have one of its words, and unions."""
    if kind is ControlType.ALL:
        return tuple(names)
    words = _WORDS_IN_NAMES[kind] + (() if kind in _NOT_UNION else _UNION_WORDS)
    return tuple(name for name in names if any(word in name.casefold() for word in words))


def type_in_name(name: str) -> ControlType | None:
    """The first type of control that a model file's name speaks of."""
    low = name.casefold()
    return next((kind for kind, words in _WORDS_IN_NAMES.items() if any(word in low for word in words)), None)


def type_called(word: str) -> ControlType | None:
    """The type of control that somebody calls ``word``, whatever the case: by the extension's words, one of a pair of
    them ("tile"), or a word that names of its models have."""
    wanted = word.strip().casefold()
    names = {
        kind: {kind.value.casefold(), *kind.value.casefold().split("/"), *words}
        for kind, words in _WORDS_IN_NAMES.items()
    }
    return next((kind for kind, known in names.items() if wanted in known), None)


def best_model(kind: ControlType, names: Iterable[str], family: ModelFamily = ModelFamily.UNKNOWN) -> str | None:
    """The file to propose for ``kind``: of the checkpoint's family if names tell, version 1.1 before others, and a
    union ("promax" before the plain one) only when nothing made for the kind is there."""
    words = _WORDS_IN_NAMES.get(kind, ())

    def rank(name: str) -> tuple[bool, bool, bool, bool]:
        low, told = name.casefold(), family_in_name(name)
        other_family = ModelFamily.UNKNOWN not in (family, told) and told is not family
        return other_family, not any(word in low for word in words), "promax" not in low, "11" not in low

    found = models_for(kind, names)
    if kind is ControlType.ALL or not found:
        return None
    best = min(found, key=rank)
    return None if rank(best)[0] else best
