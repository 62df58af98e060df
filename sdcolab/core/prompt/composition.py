"""Composition: prompts joined by AND, each with a guidance weight (hechos/a1111.md 1.6)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sdcolab.core.errors import PromptSyntaxError

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)")


@dataclass(frozen=True, slots=True)
class SubPrompt:
    """One part of a composition. Its finite ``weight`` multiplies its share of the guidance; 1.0 is neutral."""

    text: str
    weight: float


def ands_in(text: str) -> int:
    """How often the word AND parts the text."""
    return sum(1 for _ in _AND.finditer(text))


def split_and(text: str) -> tuple[SubPrompt, ...]:
    """Split on the word AND, also inside brackets; at least one part.

    A part may end in ``: weight`` (``cat :1.2``), even when there is no AND. Blanks at the end of a part are cut, those
    at its beginning stay. Raises ``PromptSyntaxError`` for a weight beyond a float's range.
    """
    bounds = [0, *(edge for match in _AND.finditer(text) for edge in match.span()), len(text)]
    return tuple(_sub_prompt(text[start:end], start) for start, end in zip(bounds[::2], bounds[1::2], strict=True))


def _sub_prompt(part: str, start: int) -> SubPrompt:
    head, colon, tail = part.rstrip().rpartition(":")
    digits = tail.lstrip()
    if not colon or not _WEIGHT.fullmatch(digits):
        return SubPrompt(part.rstrip(), 1.0)
    weight = float(digits)
    if not math.isfinite(weight):
        raise PromptSyntaxError(fragment=colon + digits, position=start + len(head))
    return SubPrompt(head.rstrip(), weight)
