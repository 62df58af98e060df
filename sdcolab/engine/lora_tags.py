"""Which LoRAs a prompt's tags mean, and how strongly (hechos/a1111.md 1.8 and 10.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sdcolab.core.errors import (
    LoraArgumentIgnored,
    LoraMissing,
    NetworkStrengthUnread,
    PromptSyntaxError,
    SdcolabError,
    UnknownName,
)
from sdcolab.core.foreign_files import left_out
from sdcolab.core.library import Library, ModelFile, find_lora
from sdcolab.core.prompt import LORA_KINDS, LoraMultipliers, NetworkTag, lora_multipliers, without_block_weights
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
    """The LoRAs among a prompt's tags, in order; ``warn`` hears of those that are not here and of strengths that are no
    numbers, which count for nothing.

    A name mentioned twice counts twice, with the last strengths (A1111's rule).
    """
    uses: list[LoraUse] = []
    read = [(tag, _strength(tag, warn)) for tag in tags if tag.kind in LORA_KINDS]
    strengths = {tag.name: strength for tag, strength in read if strength is not None}
    for tag in (tag for tag, strength in read if strength is not None):
        try:
            uses.append(LoraUse(tag.name, find_lora(tag.name, library), strengths[tag.name]))
        except UnknownName as error:
            warn(left_out(tag.source, error, LoraMissing(tag=tag.source, suggestions=error.suggestions)))
    return tuple(uses)


def _strength(tag: NetworkTag, warn: Warn) -> LoraMultipliers | None:
    """The strengths that a tag says, which ``warn`` hears of when they cannot be read; then the others of its name, if
    any, decide."""
    plain = without_block_weights(tag)
    if plain != tag:
        warn(LoraArgumentIgnored(tag=tag.source))
    try:
        return lora_multipliers(plain)
    except PromptSyntaxError:
        warn(NetworkStrengthUnread(tag=tag.source))
        return None
