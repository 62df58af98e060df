"""Which LoRAs a prompt's tags mean, and how strongly (hechos/a1111.md 1.8 and 10.2)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdcolab.core.errors import LoraArgumentIgnored, LoraMissing, SdcolabError, UnknownName
from sdcolab.core.library import Library, ModelFile, find_lora
from sdcolab.core.prompt import LORA_KINDS, LoraMultipliers, NetworkTag, lora_multipliers
from sdcolab.core.regions import Region, Regions

Warn = Callable[[SdcolabError], None]


@dataclass(frozen=True, slots=True)
class LoraUse:
    """One tag. ``mentioned`` is the name as written."""

    mentioned: str
    file: ModelFile
    strength: LoraMultipliers


def by_area(
    tags: Iterable[NetworkTag], regions: Regions | None
) -> tuple[tuple[NetworkTag, ...], dict[tuple[int, Region], list[NetworkTag]]]:
    """The tags that count everywhere, and those that stand in a part of the prompt that draws in an area of its own (by
    the part's number and its area)."""
    everywhere: list[NetworkTag] = []
    in_areas: dict[tuple[int, Region], list[NetworkTag]] = {}
    for tag in tags:
        area = None if regions is None else regions.area_of(tag.part)
        if area is None:
            everywhere.append(tag)
        else:
            in_areas.setdefault((tag.part, area), []).append(tag)
    return tuple(everywhere), in_areas


def loras_in(tags: Iterable[NetworkTag], library: Library, warn: Warn) -> tuple[LoraUse, ...]:
    """The LoRAs among a prompt's tags, in order; ``warn`` hears of those that are not here, which count for nothing.

    A name mentioned twice counts twice, with the last strengths (A1111's rule). Raises ``PromptSyntaxError``.
    """
    uses: list[LoraUse] = []
    mine = [tag for tag in tags if tag.kind in LORA_KINDS]
    strengths = {tag.name: _strength(tag, warn) for tag in mine}
    for tag in mine:
        try:
            uses.append(LoraUse(tag.name, find_lora(tag.name, library), strengths[tag.name]))
        except UnknownName as error:
            warn(LoraMissing(tag=tag.source, suggestions=error.suggestions))
    return tuple(uses)


def _strength(tag: NetworkTag, warn: Warn) -> LoraMultipliers:
    """The strengths that a tag says. Words where a number should be (``<lora:x:1:IN02>``, ``<lora:x:0.8:1,1,0>``) are
    those of extensions for block weights. Raises ``PromptSyntaxError`` when the first one is no number.
    """
    numbers = tuple(itertools.takewhile(_is_number, tag.args))
    if tag.args and not numbers:
        return lora_multipliers(tag)
    if len(numbers) < len(tag.args):
        warn(LoraArgumentIgnored(tag=tag.source))
    return lora_multipliers(replace(tag, args=numbers))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?(?:\d+(?:[.,]\d*)?|\.\d+)\s*", text) is not None
