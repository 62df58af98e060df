"""Which field of a request has which label in infotexts, in what order, and which fields infotexts do not hold
(hechos/a1111.md 7.2, 15 and Appendix A): the labels that stand beside the fields.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from sdcolab.core.fields import Field, Part, parts_of, table_of
from sdcolab.core.infotext.codecs import CODECS
from sdcolab.core.request import FIELDS

PROMPTS = frozenset({"prompt", "negative_prompt"})
"""Fields that have lines of their own."""

LABELS: Mapping[str, str] = {path: field.label for path, field in FIELDS.items() if field.label}
"""By dotted path. Fields with one label share its value: sizes are ``WxH``, and one blur is both."""

NOT_RECORDED = frozenset(FIELDS) - LABELS.keys() - PROMPTS
"""Dotted paths of what no infotext says; whoever reads one leaves them at their defaults."""

MODEL_HASH = "Model hash"
VAE_HASH = "VAE hash"
CONDITION_WEIGHT = LABELS["init.inpaint.condition_weight"]

_PLAIN_ORDER = (
    *("Steps", "Sampler", "Schedule type", "CFG scale", "Image CFG scale", "Seed", "Size", MODEL_HASH, "Model"),
    *("FP8 weight", "8-bit format", "Cache FP16 weight for LoRA", VAE_HASH, "VAE"),
    *("Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength", CONDITION_WEIGHT),
    *("Clip skip", "ENSD", "RNG", "Tiling"),
)
_PART_ORDER = (
    *("Hires CFG Scale", "Hires upscale", "Hires resize", "Hires steps", "Hires upscaler", "Hires checkpoint"),
    *("Hires sampler", "Hires schedule type", "Hires prompt", "Hires negative prompt"),
    *("Mask mode", "Mask blur", "Inpaint area", "Masked area padding", "Masked content", "Noise multiplier"),
)
"""A1111's order (hechos/a1111.md 7.2): readers do not depend on it, but people compare texts."""


_PLACE = "{}"


def is_numbered(part: Part) -> bool:
    """Whether a part that repeats is written as one value under its own numbered label ("ControlNet 0"), rather than
    each field under its label with an ordinal behind it ("ADetailer model 2nd")."""
    return _PLACE in part.label


def keeps_places(part: Part) -> bool:
    """Whether the units of a numbered part can be off, so that those that are keep the places of those behind them."""
    return is_numbered(part) and any(field.name == "enabled" for field in dataclasses.fields(part.kind))


def ordinal(place: int) -> str:
    """What follows the labels of the unit number ``place`` (from 0): "", " 2nd", " 3rd"..."""
    number = place + 1
    teens = number % 100 in (11, 12, 13)
    return f" {number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}" if place else ""


@functools.cache
def label_order(kind: type) -> tuple[tuple[str, ...], ...]:
    """The labels of a ``kind`` of request in the order of infotexts, in three groups: between the first two stand parts
    that repeat, and before the last what the engine adds.

    A label that A1111's order does not have comes after the plain ones when its field is plain, and last otherwise.
    """
    table, many = table_of(kind), [path for path, part in parts_of(kind).items() if part.many]
    labels = {path: field.label for path, field in table.items() if field.label and field.parent not in many}
    known = {*_PLAIN_ORDER, *_PART_ORDER}
    plain = [label for path, label in labels.items() if "." not in path and label not in known]
    others = [label for path, label in labels.items() if "." in path and label not in known]
    tuning = [label for path, label in labels.items() if path.startswith("tuning.") and label in others]
    return (*_PLAIN_ORDER, *plain), _PART_ORDER, tuple(dict.fromkeys([*tuning, *others]))


@functools.cache
def labelled(kind: type, part: str = "") -> tuple[tuple[Field, ...], ...]:
    """The recorded fields of one part of a ``kind`` of request (by path, "" for the request itself), in order; those
    that share a label come together.

    Raises ``ValueError`` when two share one without a codec for both, which would lose one of them.
    """
    groups: dict[str, list[Field]] = {}
    for field in table_of(kind).values():
        if field.parent == part and field.label:
            groups.setdefault(field.label, []).append(field)
    for label, fields in groups.items():
        if len(fields) > 1 and not all(CODECS[field.codec].several for field in fields):
            raise ValueError(f"{[field.path for field in fields]} share the label {label!r} but no codec")
    return tuple(map(tuple, groups.values()))
