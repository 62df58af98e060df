"""Prompts from templates: one at random, or all that there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from sdcolab.core.errors import SdcolabError
from sdcolab.grids.dynamic.grammar import parse
from sdcolab.grids.dynamic.nodes import MAX_LENGTH, Node, State, Wildcards

NO_WILDCARDS = Wildcards()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A prompt, and what its author should know of it."""

    text: str
    warnings: tuple[SdcolabError, ...] = ()


def draw(
    template: str,
    seed: int,
    wildcards: Wildcards = NO_WILDCARDS,
    *,
    index: int = 0,
    ignore_whitespace: bool = False,
) -> Drawn:
    """The prompt that ``seed`` means; the same seed and lists always mean the same one. ``index`` is its number among
    those made together, from 0, by which cyclic parts (``@``) go round. Never raises.
    """
    state = State(random.Random(seed), wildcards, index)
    variables: dict[str, Node] = {}
    text = parse(template).draw(state, variables)[:MAX_LENGTH]
    return Drawn(" ".join(text.split()) if ignore_whitespace else text, tuple(state.warnings.values()))


def every(
    template: str, wildcards: Wildcards = NO_WILDCARDS, *, seed: int = 0, ignore_whitespace: bool = False
) -> Iterator[Drawn]:
    """Every prompt that ``template`` can be, lazily and in order; what changes is the last part first. Random parts
    (``~``) are drawn with ``seed``. Never raises.
    """
    state = State(random.Random(seed), wildcards)
    for text, _ in parse(template).every(state, {}):
        state.steps = 0
        cut = text[:MAX_LENGTH]
        yield Drawn(" ".join(cut.split()) if ignore_whitespace else cut, tuple(state.warnings.values()))
        state.index += 1
