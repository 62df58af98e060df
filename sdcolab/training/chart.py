"""A training's curve from its first step, also where it goes on, and the picture of it beside the LoRA. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcolab.core.curve import Curve, write_chart
from sdcolab.core.errors import StorageError
from sdcolab.training.events import Hear, LearntBefore, LoraSaved, StepTrained, TrainingEvent
from sdcolab.training.plan import TrainingPlan

ENDING = "-perdida.png"
"""What the picture is called, after the LoRA's name."""


def learnt(curve: Curve, event: TrainingEvent) -> Curve:
    """``curve`` with what ``event`` tells of it."""
    match event:
        case StepTrained():
            return curve.then(event.step, event.total, event.loss, event.rate)
        case LearntBefore():
            curve = Curve()
            for step, (loss, rate) in enumerate(zip(event.losses, event.rates, strict=True), 1):
                curve = curve.then(step, event.total, loss, rate)
            return curve
        case _:
            return curve


@contextmanager
def charted(plan: TrainingPlan, hear: Hear, *, writes: bool = True) -> Iterator[Hear]:
    """What hears a training by ``plan`` for ``hear`` and draws its curve whenever a file is saved, and at the end."""
    path = Path(plan.output_dir or ".") / f"{plan.output_name or 'last'}{ENDING}"
    curve = Curve()

    def draw() -> None:
        if writes and curve.points:
            with contextlib.suppress(StorageError):  # the LoRA matters more
                write_chart(path, curve)

    def ears(event: TrainingEvent) -> None:
        nonlocal curve
        curve = learnt(curve, event)
        if isinstance(event, LoraSaved):
            draw()
        hear(event)

    try:
        yield ears
    finally:
        draw()
