"""One job of the queue: what a page shows of it at one moment, and how it ended."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from sdcolab.core.curve import Curve
from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    CellMade,
    Ended,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    MapMade,
    Note,
    PauseChanged,
    Phase,
    PhaseStarted,
    Portion,
    SheetDrawn,
    StepDone,
    StepLearnt,
    Warned,
    ignore_events,
)
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Generate, Origin, Task
from sdcolab.core.timing import PartTimes


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """Everything a page shows of a job at one moment. ``version`` grows with each change.

    ``transfers`` holds the latest news of each file that moves, in order of appearance; ``notes`` are the lines of its
    report; ``curve`` is what a training has learnt. ``cells`` are the finished ones of a plan by their numbers, and
    ``sheets`` say where they lie on each sheet. ``paused``: it waits because somebody wants it to, which work that
    ``pauses`` can.
    """

    id: int
    task: Task
    by: Origin = Origin.PAGE
    version: int = 0
    phase: Phase = Phase.WAITING
    detail: str = ""
    step: int = 0
    total: int = 0
    preview: Image.Image | None = None
    images: tuple[ImageSaved, ...] = ()
    cells: Mapping[int, CellMade] = field(default_factory=dict)
    sheets: Mapping[Path, tuple[tuple[int, Portion], ...]] = field(default_factory=dict)
    maps: tuple[MapMade, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    transfers: tuple[BytesReceived, ...] = ()
    warnings: tuple[SdcolabError, ...] = ()
    curve: Curve = field(default_factory=Curve)
    pauses: bool = False
    paused: bool = False
    ended: bool = False
    error: SdcolabError | None = None

    @property
    def request(self) -> GenerationRequest | None:
        """What a generation was asked for; None for other work."""
        return self.task.request if isinstance(self.task, Generate) else None

    @property
    def is_in_vain(self) -> bool:
        """Whether a script ended without a picture, since none of its cells could be made."""
        return self.ended and isinstance(self.task, Grid) and bool(self.warnings) and not self.images

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1."""
        if self.ended:
            return 1.0
        return self.step / self.total if self.total else 0.0


def after(snapshot: JobSnapshot, event: Event) -> JobSnapshot:
    """The snapshot that follows ``snapshot`` once ``event`` has happened."""
    changed = replace(snapshot, version=snapshot.version + 1)
    match event:
        case PhaseStarted(phase, detail):
            return replace(changed, phase=phase, detail=detail)
        case StepDone(step, total, _, _, preview):
            return replace(changed, step=step, total=total, preview=preview or snapshot.preview)
        case StepLearnt(step, total, loss, rate):
            return replace(changed, curve=snapshot.curve.then(step, total, loss, rate))
        case PauseChanged(paused):
            return replace(changed, paused=paused)
        case ImageSaved():
            return replace(changed, images=(*snapshot.images, event))
        case ImageReady():
            return changed
        case CellMade(cell):
            return replace(changed, cells={**snapshot.cells, cell: event})
        case SheetDrawn(path, cells):
            return replace(changed, sheets={**snapshot.sheets, path: cells})
        case MapMade():
            return replace(changed, maps=(*snapshot.maps, event))
        case FileMade(path):
            return replace(changed, files=(*snapshot.files, path))
        case Note(text):
            return replace(changed, notes=(*snapshot.notes, text))
        case Warned(warning):
            still = (told for told in snapshot.warnings if not warning.supersedes(told))
            return replace(changed, warnings=(*still, warning))
        case Ended(error):
            return replace(changed, ended=True, paused=False, error=error, preview=None, transfers=())
        case BytesReceived(name):
            if any(known.name == name for known in snapshot.transfers):
                moved = tuple(event if known.name == name else known for known in snapshot.transfers)
                return replace(changed, transfers=moved)
            return replace(changed, transfers=(*snapshot.transfers, event))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, for whoever ordered it. ``made`` are its finished images in order, also when an ``error`` ended
    it; ``result`` is that of a generation that went well.
    """

    made: tuple[ImageSaved | ImageReady, ...]
    result: GenerationResult | None
    error: SdcolabError | None


class Job:
    """Work in the queue. Threads may read ``snapshot`` and call ``cancel`` at any time.

    ``started`` is when a worker took it, None while it waits. ``pauses``: it can wait in the midst of its work.
    ``seconds`` says what each phase took, once it ended.
    """

    def __init__(self, number: int, task: Task, by: Origin = Origin.PAGE, *, pauses: bool = False) -> None:
        self.cancel_token = CancelToken()
        self.started: datetime.datetime | None = None
        self.seconds: Mapping[Phase, float] = {}
        self._times = PartTimes(ignore_events)
        self._snapshot = JobSnapshot(id=number, task=task, by=by, pauses=pauses)
        self._changed = threading.Condition()

    @property
    def id(self) -> int:
        """Number of the job, from 1, unique in its queue."""
        return self._snapshot.id

    @property
    def task(self) -> Task:
        """What it does."""
        return self._snapshot.task

    @property
    def snapshot(self) -> JobSnapshot:
        """The job at this moment."""
        return self._snapshot

    def cancel(self) -> None:
        """Stop it: within one denoising step if it runs, before it starts if it waits."""
        self.cancel_token.cancel()

    def pause(self, on: bool) -> None:
        """Let it wait, or go on; work that does not pause takes no notice."""
        self.cancel_token.hold(on)

    def wait(self, version: int, seconds: float) -> JobSnapshot:
        """The snapshot as soon as it is newer than ``version``, or the same one after ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.version > version, seconds)
            return self._snapshot

    def notify(self, event: Event) -> None:
        """Take in an event of the worker."""
        with self._changed:
            self._times(event)
            if isinstance(event, Ended):
                self.seconds = self._times.ended()
            self._snapshot = after(self._snapshot, event)
            self._changed.notify_all()
