"""What a training leaves in the program's logs, so that a report for help tells of it: its plan, what it told, what
broke. No torch."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sdcolab.core.errors import StorageError
from sdcolab.core.files import make_folder
from sdcolab.training.events import LearntBefore, StageBegan, StepTrained, TrainingEvent, to_line

LOG_NAME = "entrenamiento.log"
MAX_BYTES = 2_000_000
"""A diary that is longer begins anew."""
EVERY_STEPS = 50
"""Steps that one line stands for."""


class Diary:
    """Lines about one training. What cannot be written is left out: the training matters more."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    def hear(self, event: TrainingEvent) -> None:
        """Write ``event``, unless it is one of many of its kind."""
        many = isinstance(event, StepTrained) and event.step % EVERY_STEPS and event.step not in (1, event.total)
        aside = isinstance(event, LearntBefore) or (isinstance(event, StageBegan) and event.done)
        if not many and not aside:
            self.line(to_line(event))

    def line(self, text: str) -> None:
        """Write one line."""
        try:
            if self._file:
                self._file.write(f"{text}\n")
                self._file.flush()
        except OSError:
            self._file = None


@contextmanager
def diary(folder: Path | None, about: Path) -> Iterator[Diary]:
    """The diary in the logs' ``folder`` for the training of the plan at ``about``; one that writes nothing for None."""
    try:
        file = _opened(folder / LOG_NAME) if folder else None
    except (OSError, StorageError):
        file = None
    told = Diary(file)
    try:
        if file:
            told.line(f"=== {datetime.datetime.now().isoformat(timespec='seconds')} {about}")
            told.line(_text(about))
        yield told
    finally:
        if file:
            file.close()


def _opened(path: Path) -> IO[str]:
    make_folder(path.parent)
    long = path.is_file() and path.stat().st_size > MAX_BYTES
    return path.open("w" if long else "a", encoding="utf-8", errors="replace")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return str(error)
