"""How many steps a training has (hechos/extensiones.md 11, "Steps"). Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdcolab.core.errors import TooManySteps

MAX_STEPS = 10_000
"""More than this is nearly always a mistake (hechos/lanzadores.md 2a, validation 11)."""


@dataclass(frozen=True, slots=True)
class StepCount:
    """``batches`` of an epoch on each process, ``per_epoch`` optimiser steps of an epoch, and the whole."""

    batches: int
    per_epoch: int
    epochs: int
    total: int


def count_steps(
    batches: int,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    processes: int = 1,
    accumulation: int = 1,
) -> StepCount:
    """The steps of a training of ``epochs``, or of ``steps`` optimiser steps where no epochs are given.

    ``batches`` of an epoch are shared among ``processes``; every ``accumulation`` of them make one optimiser step.
    """
    own = math.ceil(batches / processes)
    per_epoch = max(1, math.ceil(batches / processes / accumulation))
    if epochs is not None:
        return StepCount(own, per_epoch, epochs, epochs * per_epoch)
    total = steps or 0
    return StepCount(own, per_epoch, math.ceil(total / max(1, math.ceil(own / accumulation))), total)


def check_steps(count: StepCount, limit: int = MAX_STEPS) -> None:
    """Raise ``TooManySteps`` above ``limit``."""
    if count.total > limit:
        raise TooManySteps(count=count.total, limit=limit)
