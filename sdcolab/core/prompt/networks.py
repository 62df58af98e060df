"""Extra network tags: ``<lora:name:0.8>``, ``<hypernet:name:1>`` (hechos/a1111.md 1.8)."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace

from sdcolab.core.errors import PromptSyntaxError
from sdcolab.core.prompt.composition import ands_in

LORA_KINDS = frozenset({"lora", "lyco"})
"""Kinds of tags that mean a LoRA."""

_TAG = re.compile(r"<(?P<kind>\w++):(?P<args>[^>]+)>")
_DECIMAL_COMMA = re.compile(r"\s*([+-]?\d+),(\d+)\s*")
"""As numbers are written in Spanish; here it can mean nothing else."""
_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:[.,]\d*)?|\.\d+)\s*")


@dataclass(frozen=True, slots=True)
class NetworkTag:
    """A tag as written. ``args`` are the positional arguments after the name, ``named`` the ``key=value`` ones.

    ``source`` is the whole tag and ``position`` where it stood in the prompt, for error messages. ``part`` counts the
    words AND before it.
    """

    kind: str
    name: str
    args: tuple[str, ...]
    named: tuple[tuple[str, str], ...]
    source: str
    position: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class LoraMultipliers:
    """How strongly a LoRA changes each network; finite, 1.0 is full. ``dyn`` cuts its rank, None keeps it whole."""

    te: float
    unet: float
    dyn: int | None


def extract_networks(text: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """The text without its tags (blanks and commas around them stay) and the tags in order."""
    end = text.rfind(">") + 1  # behind it every "<" would look for its ">" in vain
    tags: list[NetworkTag] = []
    before = part = 0
    for match in _TAG.finditer(text, 0, end):
        part += ands_in(text[before : match.start()])
        before = match.end()
        tags.append(_tag(match, part))
    return _TAG.sub("", text[:end]) + text[end:], tuple(tags)


def lora_multipliers(tag: NetworkTag) -> LoraMultipliers:
    """Read ``<lora:NAME:te:unet:dyn>``; ``te=``, ``unet=`` and ``dyn=`` win over the positions.

    te is 1.0 when absent, unet is te, dyn is None. Raises ``PromptSyntaxError`` when one is no number.
    """
    given = dict(zip(("te", "unet", "dyn"), tag.args, strict=False)) | dict(tag.named)
    te = _number(given["te"], tag) if "te" in given else 1.0
    unet = _number(given["unet"], tag) if "unet" in given else te
    return LoraMultipliers(te=te, unet=unet, dyn=int(_number(given["dyn"], tag)) if "dyn" in given else None)


def hypernetwork_multiplier(tag: NetworkTag) -> float:
    """Read ``<hypernet:NAME:mult>``; 1.0 when absent. Raises ``PromptSyntaxError`` when it is no number."""
    return _number(tag.args[0], tag) if tag.args else 1.0


def without_block_weights(tag: NetworkTag) -> NetworkTag:
    """``tag`` without the words behind its strengths (``<lora:x:1:IN02>``, ``<lora:x:0.8:1,1,0>``), which are those of
    extensions for block weights. A word in the place of the first strength stays."""
    numbers = tuple(itertools.takewhile(_NUMBER.fullmatch, tag.args))
    return replace(tag, args=numbers or tag.args)


def _tag(match: re.Match[str], part: int) -> NetworkTag:
    arguments = match["args"].split(":")
    pairs = [argument.split("=") for argument in arguments]
    positional = [argument for argument, pair in zip(arguments, pairs, strict=True) if len(pair) != 2]
    return NetworkTag(
        kind=match["kind"],
        name=positional[0] if positional else "",
        args=tuple(positional[1:]),
        named=tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2),
        source=match.group(),
        position=match.start(),
        part=part,
    )


def _number(digits: str, tag: NetworkTag) -> float:
    try:
        number = float(_DECIMAL_COMMA.sub(r"\1.\2", digits))
    except ValueError as error:
        raise PromptSyntaxError(fragment=tag.source, position=tag.position) from error
    if not math.isfinite(number):
        raise PromptSyntaxError(fragment=tag.source, position=tag.position)
    return number
