"""Attention weights: ``(more)``, ``[less]``, ``(exactly:1.3)``, escapes and BREAK (hechos/a1111.md 1.2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from sdcolab.core.errors import PromptSyntaxError, TooManyBrackets

ROUND_FACTOR = 1.1
SQUARE_FACTOR = 1 / 1.1
_FRAGMENT_LENGTH = 40

_TOKEN = re.compile(
    r"""
      (?P<escape> \\ [()\[\]\\]? )
    | (?P<open_round> \( )
    | (?P<open_square> \[ )
    | (?P<weighted> : \s* (?P<weight> [+-]? [.\d]+ ) \s* \) )
    | (?P<close_round> \) )
    | (?P<close_square> \] )
    | (?P<text> [^\\()\[\]:]+ | : )
    """,
    re.VERBOSE,
)
_BREAK_WORD = re.compile(r"\bBREAK\b")

MAX_DEPTH = 256
"""Most brackets that are open at a time. Each multiplies all that follows, so that far fewer already make a weight with
which no model can paint."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text that shares one finite weight; 1.0 is neutral."""

    text: str
    weight: float


BREAK = Segment("BREAK", -1.0)
"""Stands for "end this chunk of 75 tokens here". Inside brackets the -1 is multiplied like any weight, the segment no
longer equals this one and the word itself is encoded, as A1111 does."""


@dataclass(slots=True)
class _Builder:
    """Text and weights so far, and for each kind of open bracket the (index of its first segment, position in text)."""

    source: str
    texts: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    round_open: list[tuple[int, int]] = field(default_factory=list)
    square_open: list[tuple[int, int]] = field(default_factory=list)

    def append(self, text: str, weight: float = 1.0) -> None:
        self.texts.append(text)
        self.weights.append(weight)

    def append_text(self, text: str) -> None:
        """Append literal text, turning each BREAK in it, with the blanks around it, into the marker."""
        parts = _BREAK_WORD.split(text)
        for index, part in enumerate(parts):
            if index:
                self.append(BREAK.text, BREAK.weight)
                part = part.lstrip()
            self.append(part.rstrip() if index < len(parts) - 1 else part)

    def open(self, brackets: list[tuple[int, int]], position: int) -> None:
        """A bracket opens at ``position`` of the text. Raises ``TooManyBrackets`` when too many are open."""
        if len(self.round_open) + len(self.square_open) >= MAX_DEPTH:
            first = min(bracket[0][1] for bracket in (self.round_open, self.square_open) if bracket)
            raise TooManyBrackets(
                fragment=self.source[first : first + _FRAGMENT_LENGTH], position=first, most=MAX_DEPTH
            )
        brackets.append((len(self.weights), position))

    def multiply(self, bracket: tuple[int, int], factor: float) -> None:
        """Multiply everything since ``bracket``. Raises ``PromptSyntaxError`` when a weight leaves float's range."""
        first, position = bracket
        for index in range(first, len(self.weights)):
            self.weights[index] *= factor
            if not math.isfinite(self.weights[index]):
                raise _syntax_error(self.source, position)

    def segments(self) -> Iterator[Segment]:
        """Neighbours with exactly equal weights joined into one segment."""
        for weight, group in groupby(zip(self.weights, self.texts, strict=True), key=lambda pair: pair[0]):
            yield Segment("".join(text for _, text in group), weight)


def parse_attention(text: str) -> tuple[Segment, ...]:
    """Split ``text`` into weighted segments; never empty (``""`` gives one empty segment).

    Round and square brackets are independent stacks; those left open apply to the end; stray closing ones are text.

    Raises ``PromptSyntaxError`` for a weight that is no number, ``(a:1.2.3)``, or leaves the range of a float, and
    ``TooManyBrackets`` for more than ``MAX_DEPTH`` open brackets.
    """
    builder = _Builder(text)
    for match in _TOKEN.finditer(text):
        _consume(builder, match)
    for bracket in builder.round_open:
        builder.multiply(bracket, ROUND_FACTOR)
    for bracket in builder.square_open:
        builder.multiply(bracket, SQUARE_FACTOR)
    return tuple(builder.segments()) or (Segment("", 1.0),)


def _consume(builder: _Builder, match: re.Match[str]) -> None:
    kind, token = match.lastgroup, match.group()
    if kind == "escape":
        builder.append(token[1:])
    elif kind == "open_round":
        builder.open(builder.round_open, match.start())
    elif kind == "open_square":
        builder.open(builder.square_open, match.start())
    elif kind == "weighted" and builder.round_open:
        bracket = builder.round_open.pop()
        builder.multiply(bracket, _weight(builder.source, bracket[1], match["weight"]))
    elif kind == "close_round" and builder.round_open:
        builder.multiply(builder.round_open.pop(), ROUND_FACTOR)
    elif kind == "close_square" and builder.square_open:
        builder.multiply(builder.square_open.pop(), SQUARE_FACTOR)
    else:
        builder.append_text(token)


def _weight(source: str, position: int, digits: str) -> float:
    try:
        weight = float(digits)
    except ValueError as error:
        raise _syntax_error(source, position) from error
    if not math.isfinite(weight):
        raise _syntax_error(source, position)
    return weight


def _syntax_error(source: str, position: int) -> PromptSyntaxError:
    """The error for the bracket that opens at ``position``; its fragment is what follows, up to the next ``)``."""
    end = source.find(")", position) + 1 or len(source)
    return PromptSyntaxError(fragment=source[position : min(end, position + _FRAGMENT_LENGTH)], position=position)
