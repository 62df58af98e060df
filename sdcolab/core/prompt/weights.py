"""Numbers that A1111's grammar reads as text, and what was meant: ``(gato:1,2)``, ``(gato:1.x)``, ``gato:1.2``.

Half of our readers write a decimal comma, and nothing in a picture tells that a weight was not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sdcolab.core.errors import (
    DecimalComma,
    EditNeverBegins,
    PromptSyntaxError,
    RequestError,
    WeightMisplaced,
    WeightNotNumber,
)
from sdcolab.core.prompt.attention import parse_attention
from sdcolab.core.prompt.composition import ands_in, split_and
from sdcolab.core.prompt.networks import extract_networks
from sdcolab.core.prompt.schedule import edit_schedule

_BLANKS = r"[^\S\n]{0,8}"
_COMMA = r"([+-]?\d{1,4}),(\d{1,6})"
_WEIGHT = re.compile(rf":\s{{0,8}}{_COMMA}{_BLANKS}(?=[)\]])")
"""Of words in parentheses, or where words come in: ``[gato:perro:0,5]``."""

_PART_WEIGHT = re.compile(rf":{_BLANKS}{_COMMA}(?=\s{{0,8}}(?:AND\b|\n|\Z))")
"""Of a part of a composition: ``gato :1,2 AND perro :0,8``."""

_PARTS_END = re.compile(rf":{_BLANKS}[+-]?[.\d]{{1,8}}(?=\s{{0,8}}(?:AND\b|\n|\Z))")
_TAG = re.compile(r"<\w+:[^<>]*>")
_TAG_NUMBER = re.compile(r"([:=]\s{0,8}[+-]?\d{1,4}),(\d{1,6})(?=\s{0,8}[:>])")
_ODD = re.compile(
    rf"(?<![\d\\:]):{_BLANKS}(?P<odd>[+-]?\d[\d.,·'’ %xXo-]{{0,11}}|[+-]?[.,]\d[\d.,%x]{{0,11}}){_BLANKS}(?<!\\)\)"
)
"""Where a weight stands, something that begins as a number does; times of day (12:30) are none."""

_NUMBER = re.compile(r"[+-]?[.\d]+\s*")
_LOOSE = re.compile(
    rf"(?<![\w<:])(?P<word>[^\W\d_][\w -]{{0,40}}[^\W\d_]){_BLANKS}[:：]{_BLANKS}(?P<weight>[+-]?\d?[.,]\d{{1,3}})"
    rf"{_BLANKS}(?=[,\n}}）]|\Z)"
)
"""A word with a decimal number behind it where no parenthesis closes."""

_LATE = re.compile(rf"\[{_BLANKS}(?P<word>[^\[\]():|,]{{1,60}}):{_BLANKS}(?P<when>[1-9]\.\d{{1,3}}){_BLANKS}\]")


def with_points(text: str) -> str:
    """``text`` with a point in every weight, of words, parts, edits and networks, that has a comma."""
    pieces: list[str] = []
    end = 0
    for tag in _TAG.finditer(text):
        pieces += (text[end : tag.start()], _tag_with_points(tag[0]))
        end = tag.end()
    text = _WEIGHT.sub(r":\1.\2", "".join((*pieces, text[end:])))
    return _PART_WEIGHT.sub(r":\1.\2", text) if ands_in(text) else text


def _tag_with_points(tag: str) -> str:
    """The name of a network may have commas."""
    named = tag.find(":", tag.find(":") + 1)
    return tag if named < 0 else tag[:named] + _TAG_NUMBER.sub(r"\1.\2", tag[named:])


def unreadable(text: str) -> PromptSyntaxError | None:
    """What a generation will refuse in a prompt without comments, if anything: the first of it."""
    try:
        for part in split_and(extract_networks(text)[0]):
            for variant in {variant for _, variant in edit_schedule(part.text, _STEPS)}:
                parse_attention(variant)
    except PromptSyntaxError as error:
        return error
    return None


_STEPS = 20
"""Steps over which a prompt's edits are looked at, before anybody knows how many there will be."""


def weight_doubts(text: str, *, hires: bool = False) -> Iterator[RequestError]:
    """What ``text`` says that looks like a weight and is none, each thing once, to be told as warnings.

    ``hires``: there is a second pass, in which ``[gato:1.5]`` begins halfway.
    """
    told: set[str] = set()
    for doubt in _doubts(_TAG.sub(" ", text), hires=hires):
        if str(doubt) not in told:
            told.add(str(doubt))
            yield doubt


def _doubts(text: str, *, hires: bool) -> Iterator[RequestError]:
    parts = ands_in(text) > 0
    for match in (*_WEIGHT.finditer(text), *(_PART_WEIGHT.finditer(text) if parts else ())):
        yield DecimalComma(number=f"{match[1]},{match[2]}", better=f"{match[1]}.{match[2]}")
    for match in _ODD.finditer(text):
        if not _NUMBER.fullmatch(match["odd"]) and not _WEIGHT.match(text, match.start()):
            yield WeightNotNumber(weight=match["odd"].strip())
    for match in _LOOSE.finditer(_PARTS_END.sub(" ", _PART_WEIGHT.sub(" ", text)) if parts else text):
        better = f"({match['word'].strip()}:{match['weight'].replace(',', '.')})"
        yield WeightMisplaced(fragment=match[0].strip(), better=better)
    if not hires:
        for match in _LATE.finditer(text):
            word = match["word"].strip()
            yield EditNeverBegins(fragment=match[0], word=word, better=f"({word}:{match['when']})")
