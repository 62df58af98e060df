"""A training's curves for TensorBoard, under the names that sd-scripts gives them (``loss/current`` ...)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sdcolab.core.errors import LibraryMissing
from sdcolab.training.events import Hear, StepTrained, Told, TrainingBegan, TrainingEvent
from sdcolab.training.plan import TrainingPlan


class Writer(Protocol):
    """What ``torch.utils.tensorboard.SummaryWriter`` can do."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None: ...

    def add_text(self, tag: str, text_string: str, global_step: int) -> None: ...

    def close(self) -> None: ...


class Board:
    """Hears a training for TensorBoard and passes everything on to ``hear``."""

    def __init__(self, writer: Writer, name: str, hear: Hear) -> None:
        self._writer = writer
        self._name = name
        self._hear = hear

    def __call__(self, event: TrainingEvent) -> None:
        """Write down what ``event`` has to tell."""
        if isinstance(event, StepTrained):
            self._writer.add_scalar("loss/current", event.loss, event.step)
            self._writer.add_scalar("loss/average", event.average, event.step)
            self._writer.add_scalar("lr/unet", event.rate, event.step)
        elif isinstance(event, TrainingBegan):
            self._writer.add_text("lora", f"{self._name}: {event.pictures} × {event.steps}", event.first)
        self._hear(event)

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()


@contextmanager
def logged(plan: TrainingPlan, hear: Hear) -> Iterator[Hear]:
    """What hears a training by ``plan`` for ``hear`` and, where the plan names a folder for it, for TensorBoard. A
    TensorBoard that is not installed is told, and the training goes on without."""
    if not plan.logging_dir:
        yield hear
        return
    name = plan.output_name or "last"
    try:
        board = Board(open_writer(Path(plan.logging_dir), name), name, hear)
    except LibraryMissing as error:
        hear(Told(error))
        yield hear
        return
    try:
        yield board
    finally:
        board.close()


def open_writer(folder: Path, name: str) -> Writer:
    """TensorBoard's own writer, in a folder of ``folder`` for each run of ``name``. Raises ``LibraryMissing``."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise LibraryMissing(library="tensorboard", packages="tensorboard") from None
    runs = {path.name for path in folder.glob("*")} if folder.is_dir() else set()
    plain = re.sub(r"[^\w-]", "_", name)
    number = next(number for number in range(1, len(runs) + 2) if f"{plain}-{number:03}" not in runs)
    make: Callable[[str], Writer] = SummaryWriter
    return make(str(folder / f"{plain}-{number:03}"))
