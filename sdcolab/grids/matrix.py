"""Prompt matrix: every combination of the optional parts of a prompt (hechos/a1111.md 9.2)."""

from __future__ import annotations

from dataclasses import replace

from sdcolab.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import Delimiter, PromptMatrix, Which
from sdcolab.grids.plan import Cell, Legend, Plan, SheetPlan, check_count, in_order
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = PromptMatrix.title


def plan(request: GenerationRequest, settings: PromptMatrix, draw_seed: RandomSeed = random_seed) -> Plan:
    """2^k cells for k optional parts: in combination c part n is there if bit n of c is set. The first half of the
    parts goes over the columns, the rest over the rows. As many are made at once as the request's batch has pictures.

    Raises ``TooManyCells``.
    """
    source = request.prompt if settings.which is Which.POSITIVE else request.negative_prompt
    constant, *optional = source.split("|")
    parts = [part.strip().strip(",") for part in optional]
    check_count(1 << len(parts) if len(parts) < 64 else 1 << 64)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    varied = request.variation
    if varied.seed == RANDOM_SEED:
        varied = replace(varied, seed=draw_seed())
    base = replace(request, seed=seed, variation=varied, batch_size=1, batch_count=1)
    across = (len(parts) + 1) // 2
    columns = 1 << across
    cells = tuple(
        Cell(
            _with_prompt(base, settings, _combined(constant, _chosen(parts, number), settings), number),
            (number % columns, number // columns, 0),
            ", ".join(_chosen(parts, number)) or constant.strip(),
        )
        for number in range(1 << len(parts))
    )
    sheet = SheetPlan(
        columns=columns,
        rows=1 << (len(parts) - across),
        column_legends=_legends(parts[:across]),
        row_legends=_legends(parts[across:]),
        margin=settings.margin,
    )
    return Plan(TITLE, cells, in_order(cells), sheet, at_once=request.batch_size)


def _chosen(parts: list[str], number: int) -> list[str]:
    return [part for bit, part in enumerate(parts) if number >> bit & 1]


def _combined(constant: str, chosen: list[str], settings: PromptMatrix) -> str:
    together = [*chosen, constant] if settings.at_start else [constant, *chosen]
    return (", " if settings.delimiter is Delimiter.COMMA else " ").join(together)


def _with_prompt(request: GenerationRequest, settings: PromptMatrix, prompt: str, number: int) -> GenerationRequest:
    seed = (request.seed + number) & MAX_SEED if settings.different_seeds else request.seed
    varied = replace(request.variation, seed=request.variation_seed_of(number))
    request = replace(request, seed=seed, variation=varied)
    if settings.which is Which.POSITIVE:
        return replace(request, prompt=prompt)
    return replace(request, negative_prompt=prompt)


def _legends(parts: list[str]) -> tuple[tuple[Legend, ...], ...]:
    """The lines of each column or row: all of its parts, those that are left out greyed."""
    if not parts:
        return ()
    return tuple(
        tuple(Legend(part, bool(number >> bit & 1)) for bit, part in enumerate(parts))
        for number in range(1 << len(parts))
    )
