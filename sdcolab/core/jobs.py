"""The queue of generations: one worker thread, any number of pages watching.

Jobs belong to the queue and not to the page that asked for them, so a reload or a second tab finds them again.
"""

from __future__ import annotations

import datetime
import itertools
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from PIL import Image

from sdcolab.core.errors import Cancelled, JobLost, QueueFull, SdcolabError, Unexpected
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Ended,
    Event,
    ImageReady,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.journal import JobJournal, JournalEntry
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult, Generator

MAX_WAITING = 20
MAX_REMEMBERED = 50
"""Finished jobs kept for pages that come back; older ones are forgotten (their images stay on disk)."""

T = TypeVar("T")

Work = Callable[[Listener, CancelToken], GenerationResult | None]
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
        case ImageReady():
            return changed
        case Warned(warning):
            return replace(changed, warnings=(*snapshot.warnings, warning))
        case Ended(error):
            return replace(changed, ended=True, error=error, preview=None)
        case BytesReceived():
            return snapshot


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, for whoever ordered it. ``made`` are its finished images in order, also when an ``error`` ended
    it; ``result`` is None then.
    """

    made: tuple[ImageSaved | ImageReady, ...]
    result: GenerationResult | None
    error: SdcolabError | None


class Job:
    """Work in the queue. Threads may read ``snapshot`` and call ``cancel`` at any time.

    ``started`` is when the worker took it, None while it waits.
    """

    def __init__(self, number: int, request: GenerationRequest | None) -> None:
        self.cancel_token = CancelToken()
        self.started: datetime.datetime | None = None
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


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """A job as it waits: what it does, whether its images are saved, and who wants to know how it ends."""

    job: Job
    work: Work
    save: bool
    outcome: Future[Outcome] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class _Errand:
    """Other work that waits for its turn."""

    work: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)


class JobQueue:
    """Runs jobs one after another on ``generator`` in a thread of its own. ``close`` before throwing it away."""

    def __init__(
        self,
        generator: Generator,
        listener: Listener | None = None,
        clock: Callable[[], datetime.datetime] = datetime.datetime.now,
        journal: JobJournal | None = None,
    ) -> None:
        """``listener`` hears the events of every job, from the worker thread.

        With a ``journal``, the queue goes on where a process that was killed left it: the job that ran then has ended
        with ``JobLost`` (it may be what exhausted the memory), and those that waited wait again.
        """
        self._generator = generator
        self._listener = listener
        self._clock = clock
        self._journal = journal
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._waiting: deque[_Order | _Errand] = deque()
        self._running: _Order | _Errand | None = None
        self._closed = False
        self._wake = threading.Condition()
        self._restore()
        self._worker = threading.Thread(target=self._work, name="sdcolab-generacion", daemon=True)
        self._worker.start()

    def submit(self, request: GenerationRequest) -> Job:
        """Add a job at the end. Raises ``QueueFull``."""
        return self.order(request)[0]

    def order(self, request: GenerationRequest, *, save: bool = True) -> tuple[Job, Future[Outcome]]:
        """Add a job at the end; the future tells how it ended, and only whoever holds it keeps the pictures.

        With ``save`` False nothing is written to disk, and the queue forgets the job as soon as it has ended. Raises
        ``QueueFull``.
        """
        order = self._enqueue(request, self._generation(request, save=save), save=save)
        return order.job, order.outcome

    def submit_work(self, work: Work) -> Job:
        """Add a job that is no generation, such as enlarging pictures, with its progress for pages to see.

        Raises ``QueueFull``.
        """
        return self._enqueue(None, work, save=True).job

    def errand(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` done in the worker's thread when its turn comes: for others who need the models or the card.

        Raises ``QueueFull``.
        """
        with self._wake:
            errand = _Errand(work)
            self._add(errand)
        return errand.done

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
            orders = (order for order in (self._running, *self._waiting) if isinstance(order, _Order))
            first = next(orders, None)
            return first.job if first else next(reversed(self._jobs.values()), None)

    def position(self, job: Job) -> int:
        """How many jobs run or wait before ``job``; 0 when it runs or has ended."""
        with self._wake:
            waiting = [order.job if isinstance(order, _Order) else None for order in self._waiting]
            return waiting.index(job) + (self._running is not None) if job in waiting else 0

    def drop_waiting(self) -> int:
        """Cancel every job that has not begun, at once, and forget it; how many there were. Errands stay."""
        with self._wake:
            dropped = [order for order in self._waiting if isinstance(order, _Order)]
            self._waiting = deque(order for order in self._waiting if not isinstance(order, _Order))
            for order in dropped:
                del self._jobs[order.job.id]
            self._write_down()
        for order in dropped:
            order.job.cancel()
            self._end(order, Outcome((), None, Cancelled()))
        return len(dropped)

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait up to ``seconds`` for the worker to stop."""
        with self._wake:
            self._closed = True
            for order in (self._running, *self._waiting):
                if isinstance(order, _Order):
                    order.job.cancel()
                elif order is not None:
                    order.done.cancel()
            self._wake.notify_all()
        self._worker.join(seconds)
        if self._journal:
            self._journal.write(())

    def _generation(self, request: GenerationRequest, *, save: bool) -> Work:
        return lambda listener, cancel: self._generator.generate(request, listener, cancel, save=save)

    def _enqueue(self, request: GenerationRequest | None, work: Work, *, save: bool) -> _Order:
        with self._wake:
            order = _Order(Job(next(self._numbers), request), work, save)
            self._add(order)
            self._jobs[order.job.id] = order.job
            self._forget_old()
        return order

    def _add(self, order: _Order | _Errand) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise QueueFull(limit=MAX_WAITING)
        self._waiting.append(order)
        self._write_down()
        self._wake.notify_all()

    def _restore(self) -> None:
        for entry in self._journal.read() if self._journal else ():
            job = Job(entry.number, entry.request)
            self._jobs[job.id] = job
            if entry.begun:
                job.notify(Ended(JobLost()))
            else:
                self._waiting.append(_Order(job, self._generation(entry.request, save=True), save=True))
        self._numbers = itertools.count(max(self._jobs, default=0) + 1)
        self._write_down()

    def _write_down(self) -> None:
        """Keep the journal up to date (with the lock held). Who wants pictures that are not saved ends with us, and
        work that is no generation cannot be written down."""
        if self._journal:
            orders = (self._running, *(() if self._closed else self._waiting))
            self._journal.write(
                JournalEntry(order.job.id, request, begun=order is self._running)
                for order in orders
                if isinstance(order, _Order) and order.save and (request := order.job.snapshot.request)
            )

    def _forget_old(self) -> None:
        ended = [number for number, job in self._jobs.items() if job.snapshot.ended]
        for number in ended[: max(0, len(self._jobs) - MAX_REMEMBERED)]:
            del self._jobs[number]

    def _work(self) -> None:
        while self._work_on_next():
            pass

    def _work_on_next(self) -> bool:
        """Do what is next, if the queue is still open. Nothing of it stays with the thread, pictures least of all."""
        order = self._next()
        if order is None:
            return False
        if isinstance(order, _Order):
            self._work_on(order)
        elif order.done.set_running_or_notify_cancel():
            _do(order)
        with self._wake:
            self._running = None
            self._write_down()
        return True

    def _work_on(self, order: _Order) -> None:
        order.job.started = self._clock()
        self._end(order, self._run(order))

    def _end(self, order: _Order, outcome: Outcome) -> None:
        order.job.notify(self._tell(Ended(outcome.error)))
        if not order.save:
            with self._wake:
                self._jobs.pop(order.job.id, None)
        if order.outcome.set_running_or_notify_cancel():
            order.outcome.set_result(outcome)

    def _next(self) -> _Order | _Errand | None:
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._waiting)
            if not self._waiting:
                return None
            self._running = self._waiting.popleft()
            self._write_down()
            return self._running

    def _run(self, order: _Order) -> Outcome:
        job, made = order.job, list[ImageSaved | ImageReady]()

        def hear(event: Event) -> None:
            if isinstance(event, ImageSaved | ImageReady):
                made.append(event)
            job.notify(self._tell(event))

        try:
            job.cancel_token.raise_if_cancelled()
            result = order.work(hear, job.cancel_token)
        except SdcolabError as error:
            return Outcome(tuple(made), None, error)
        except Exception as error:  # noqa: BLE001 - an edge: a bug must not end the worker; its traceback is logged
            _log.exception("trabajo %s", job.id)
            return Outcome(tuple(made), None, Unexpected(kind=type(error).__name__, detail=str(error)))
        return Outcome(tuple(made), result, None)

    def _tell(self, event: Event) -> Event:
        if self._listener:
            self._listener(event)
        return event


def _do(errand: _Errand) -> None:
    """Run ``errand``; what it raises reaches whoever holds its future."""
    try:
        errand.done.set_result(errand.work())
    except Exception as error:  # noqa: BLE001 - an edge: the worker goes on, and the future tells
        errand.done.set_exception(error)
