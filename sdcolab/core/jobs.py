"""The queue of generations: one worker thread, any number of pages watching.

Jobs belong to the queue and not to the page that asked for them, so a reload or a second tab finds them again.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from sdcolab.core.errors import Cancelled, QueueFull, SdcolabError, Unexpected
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Ended,
    Event,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import Generator

MAX_WAITING = 20
MAX_REMEMBERED = 50
"""Finished jobs kept for pages that come back; older ones are forgotten (their images stay on disk)."""

Work = Callable[[Listener, CancelToken], object]
"""What a job does, in the worker's thread. It may raise ``SdcolabError``."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """Everything a page shows of a job at one moment. ``version`` grows with each change; ``request`` is None for work
    that is no generation."""

    id: int
    request: GenerationRequest | None
    version: int = 0
    phase: Phase = Phase.WAITING
    detail: str = ""
    step: int = 0
    total: int = 0
    preview: Image.Image | None = None
    images: tuple[ImageSaved, ...] = ()
    warnings: tuple[SdcolabError, ...] = ()
    ended: bool = False
    error: SdcolabError | None = None

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
        case ImageSaved():
            return replace(changed, images=(*snapshot.images, event))
        case Warned(warning):
            return replace(changed, warnings=(*snapshot.warnings, warning))
        case Ended(error):
            return replace(changed, ended=True, error=error, preview=None)
        case BytesReceived():
            return snapshot


class Job:
    """Work in the queue. Threads may read ``snapshot`` and call ``cancel`` at any time."""

    def __init__(self, number: int, request: GenerationRequest | None, work: Work) -> None:
        self.work = work
        self.cancel_token = CancelToken()
        self._snapshot = JobSnapshot(id=number, request=request)
        self._changed = threading.Condition()

    @property
    def id(self) -> int:
        """Number of the job, from 1, unique in its queue."""
        return self._snapshot.id

    @property
    def snapshot(self) -> JobSnapshot:
        """The job at this moment."""
        return self._snapshot

    def cancel(self) -> None:
        """Stop it: within one denoising step if it runs, before it starts if it waits."""
        self.cancel_token.cancel()

    def wait(self, version: int, seconds: float) -> JobSnapshot:
        """The snapshot as soon as it is newer than ``version``, or the same one after ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.version > version, seconds)
            return self._snapshot

    def notify(self, event: Event) -> None:
        """Take in an event of the worker."""
        with self._changed:
            self._snapshot = after(self._snapshot, event)
            self._changed.notify_all()


class JobQueue:
    """Runs jobs one after another on ``generator`` in a thread of its own. ``close`` before throwing it away."""

    def __init__(self, generator: Generator, listener: Listener | None = None) -> None:
        """``listener`` hears the events of every job, from the worker thread."""
        self._generator = generator
        self._listener = listener
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._closed = False
        self._wake = threading.Condition()
        self._worker = threading.Thread(target=self._work, name="sdcolab-generacion", daemon=True)
        self._worker.start()

    def submit(self, request: GenerationRequest) -> Job:
        """Add a generation at the end. Raises ``QueueFull``."""
        return self._add(request, lambda listener, cancel: self._generator.generate(request, listener, cancel))

    def submit_work(self, work: Work) -> Job:
        """Add something else that needs the machine for itself, such as enlarging pictures. Raises ``QueueFull``."""
        return self._add(None, work)

    def _add(self, request: GenerationRequest | None, work: Work) -> Job:
        with self._wake:
            if len(self._waiting) >= MAX_WAITING:
                raise QueueFull(limit=MAX_WAITING)
            job = Job(next(self._numbers), request, work)
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._forget_old()
            self._wake.notify_all()
        return job

    def drop_waiting(self) -> int:
        """Forget the jobs that wait, which end as cancelled; the one that runs goes on. Returns how many they were."""
        with self._wake:
            dropped = tuple(self._waiting)
            self._waiting.clear()
            for job in dropped:
                del self._jobs[job.id]
        for job in dropped:
            job.cancel()
            job.notify(Ended(Cancelled()))
        return len(dropped)

    def get(self, number: int) -> Job | None:
        """The job with this number, or None when it never existed or was forgotten."""
        with self._wake:
            return self._jobs.get(number)

    def jobs(self) -> tuple[Job, ...]:
        """Every job remembered, oldest first."""
        with self._wake:
            return tuple(self._jobs.values())

    def current(self) -> Job | None:
        """The job that runs now, else the next one waiting, else the last one finished."""
        with self._wake:
            if self._running or self._waiting:
                return self._running or self._waiting[0]
            return next(reversed(self._jobs.values()), None)

    def position(self, job: Job) -> int:
        """How many jobs run or wait before ``job``; 0 when it runs or has ended."""
        with self._wake:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait up to ``seconds`` for the worker to stop."""
        with self._wake:
            self._closed = True
            for job in (*self._waiting, *([self._running] if self._running else [])):
                job.cancel()
            self._wake.notify_all()
        self._worker.join(seconds)

    def _forget_old(self) -> None:
        ended = [number for number, job in self._jobs.items() if job.snapshot.ended]
        for number in ended[: max(0, len(self._jobs) - MAX_REMEMBERED)]:
            del self._jobs[number]

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.notify(self._tell(Ended(self._run(job))))
            with self._wake:
                self._running = None

    def _next(self) -> Job | None:
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._waiting)
            if not self._waiting:
                return None
            self._running = self._waiting.popleft()
            return self._running

    def _run(self, job: Job) -> SdcolabError | None:
        if job.cancel_token.cancelled:
            return Cancelled()
        try:
            job.work(lambda event: job.notify(self._tell(event)), job.cancel_token)
        except SdcolabError as error:
            return error
        except Exception as error:  # noqa: BLE001 - an edge: a bug must not end the worker; its traceback is logged
            _log.exception("trabajo %s", job.id)
            return Unexpected(kind=type(error).__name__, detail=str(error))
        return None

    def _tell(self, event: Event) -> Event:
        if self._listener:
            self._listener(event)
        return event
