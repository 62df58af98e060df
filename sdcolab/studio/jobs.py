"""The jobs of the studio: what waits, what runs and what is done, for any number of faces watching.

Jobs belong to the queue and not to the face that asked for them, so a reload or a second tab finds them again. Each
``Place`` has a line of its own with one thread a worker: downloads run beside generations, and two cards make two
pictures at a time.
"""

from __future__ import annotations

import datetime
import itertools
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import Cancelled, JobLost, QueueFull, SdcolabError, Unexpected
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Ended,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    Listener,
    MapMade,
    Note,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.tasks import Generate, Origin, Place, Task, TaskTable, Worker
from sdcolab.studio.journal import JobJournal, JournalEntry, Written

MAX_WAITING = 20
MAX_REMEMBERED = 50
"""Finished jobs kept for pages that come back; older ones are forgotten (their images stay on disk)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """Everything a page shows of a job at one moment. ``version`` grows with each change.

    ``transfers`` holds the latest news of each file that moves, in order of appearance; ``notes`` are the lines of its
    report.
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
    maps: tuple[MapMade, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    transfers: tuple[BytesReceived, ...] = ()
    warnings: tuple[SdcolabError, ...] = ()
    ended: bool = False
    error: SdcolabError | None = None

    @property
    def request(self) -> GenerationRequest | None:
        """What a generation was asked for; None for other work."""
        return self.task.request if isinstance(self.task, Generate) else None

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
        case MapMade():
            return replace(changed, maps=(*snapshot.maps, event))
        case FileMade(path):
            return replace(changed, files=(*snapshot.files, path))
        case Note(text):
            return replace(changed, notes=(*snapshot.notes, text))
        case Warned(warning):
            return replace(changed, warnings=(*snapshot.warnings, warning))
        case Ended(error):
            return replace(changed, ended=True, error=error, preview=None, transfers=())
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

    ``started`` is when a worker took it, None while it waits.
    """

    def __init__(self, number: int, task: Task, by: Origin = Origin.PAGE) -> None:
        self.cancel_token = CancelToken()
        self.started: datetime.datetime | None = None
        self._snapshot = JobSnapshot(id=number, task=task, by=by)
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
    """A job as it waits: whether it is shown, what the journal says of it, and who wants to know how it ends.

    The queue forgets one that is not ``kept`` as soon as it has ended, and writes down those with ``written``.
    """

    job: Job
    listed: bool
    kept: bool
    written: Written | None = None
    outcome: Future[Outcome] = field(default_factory=Future)


class _Line:
    """The orders of one place, and the threads that take them. All under the queue's lock."""

    def __init__(self) -> None:
        self.waiting: deque[_Order] = deque()
        self.running: list[_Order] = []
        self.threads: list[threading.Thread] = []
        self.paused = False

    @property
    def orders(self) -> tuple[_Order, ...]:
        """What runs, then what waits."""
        return (*self.running, *self.waiting)

    def waiting_for(self, job: Job) -> _Order | None:
        """The order of ``job`` if it waits here."""
        return next((order for order in self.waiting if order.job is job), None)


class JobQueue:
    """Gives tasks to the ``workers`` of their place, in order. ``close`` before throwing it away."""

    def __init__(
        self,
        table: TaskTable,
        workers: Mapping[Place, Sequence[Worker]],
        listener: Listener | None = None,
        clock: Callable[[], datetime.datetime] = datetime.datetime.now,
        journal: JobJournal | None = None,
    ) -> None:
        """``listener`` hears the events of every job, from the threads of the workers.

        With a ``journal``, the queue goes on where a process that was killed left it: those that waited wait again, and
        so do those that ran and can go on; another that ran has ended with ``JobLost`` (it may be what exhausted the
        memory).
        """
        self._table = table
        self._listener = listener
        self._clock = clock
        self._journal = journal
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._lines = {place: _Line() for place in workers}
        self._closed = False
        self._repeated: Task | None = None
        self._repeating = False
        self._wake = threading.Condition()
        self._restore()
        for place, line in self._lines.items():
            for number, worker in enumerate(workers[place]):
                name = f"sdcolab-{place}-{number}"
                thread = threading.Thread(target=self._work, args=(line, worker), name=name, daemon=True)
                line.threads.append(thread)
        for line in self._lines.values():
            for thread in line.threads:
                thread.start()

    # --- Asking -------------------------------------------------------------------------------------------------------

    def submit(self, task: Task, by: Origin = Origin.PAGE) -> Job:
        """Add a job at the end of its line. Raises ``QueueFull``."""
        return self.order(task, by)[0]

    def order(self, task: Task, by: Origin = Origin.PAGE, *, keep: bool = True) -> tuple[Job, Future[Outcome]]:
        """Add a job at the end of its line; the future tells how it ended; only whoever holds it keeps the pictures.

        With ``keep`` False the queue forgets the job as soon as it has ended, and it does not outlive the process.
        Raises ``QueueFull``.
        """
        row = self._table[task.code]
        kept = keep and row.listed
        written = self._journal.written(task) if kept and self._journal else None
        with self._wake:
            line = self._lines[row.place]
            if len(line.waiting) >= MAX_WAITING:
                raise QueueFull(limit=MAX_WAITING)
            order = _Order(Job(next(self._numbers), task, by), row.listed, kept, written)
            line.waiting.append(order)
            if row.listed:
                self._jobs[order.job.id] = order.job
                self._forget_old()
            if isinstance(task, Generate) and kept:
                self._repeated = task
            self._write_down()
            self._wake.notify_all()
        return order.job, order.outcome

    # --- Looking ------------------------------------------------------------------------------------------------------

    def get(self, number: int) -> Job | None:
        """The job with this number, or None when it never existed or was forgotten."""
        with self._wake:
            return self._jobs.get(number)

    def jobs(self, place: Place | None = None) -> tuple[Job, ...]:
        """Every job remembered (of one place), oldest first."""
        with self._wake:
            return tuple(job for job in self._jobs.values() if place is None or self._place(job) is place)

    def waiting(self, place: Place = Place.ENGINE) -> tuple[Job, ...]:
        """The jobs that have not begun, in the order in which they will."""
        with self._wake:
            return tuple(order.job for order in self._lines[place].waiting if order.listed)

    def current(self, place: Place = Place.ENGINE) -> Job | None:
        """The job that runs now at ``place``, else the next one waiting, else the last one finished."""
        with self._wake:
            first = next((order for order in self._lines[place].orders if order.listed), None)
            if first:
                return first.job
            return next((job for job in reversed(self._jobs.values()) if self._place(job) is place), None)

    def position(self, job: Job) -> int:
        """How many jobs run or wait before ``job``; 0 when it runs or has ended."""
        with self._wake:
            for line in self._lines.values():
                if order := line.waiting_for(job):
                    return line.waiting.index(order) + len(line.running)
            return 0

    # --- Steering -----------------------------------------------------------------------------------------------------

    def cancel(self, job: Job) -> None:
        """Stop ``job`` if it runs; take it out at once if it waits."""
        with self._wake:
            if isinstance(job.task, Generate):
                self._repeating = False
            for line in self._lines.values():
                if order := line.waiting_for(job):
                    line.waiting.remove(order)
                    self._write_down()
                    break
            else:
                order = None
        job.cancel()
        if order:
            self._end(order, Outcome((), None, Cancelled()))

    def move(self, job: Job, places: int) -> None:
        """Let a job that waits begin ``places`` later than it would (negative: earlier), as far as there are others."""
        with self._wake:
            for line in self._lines.values():
                if order := line.waiting_for(job):
                    index = line.waiting.index(order)
                    line.waiting.remove(order)
                    line.waiting.insert(max(0, index + places), order)
                    self._write_down()

    def pause(self, place: Place = Place.ENGINE) -> None:
        """Begin nothing new at ``place`` until ``resume``; what runs goes on."""
        with self._wake:
            self._lines[place].paused = True

    def resume(self, place: Place = Place.ENGINE) -> None:
        """Go on after ``pause``."""
        with self._wake:
            self._lines[place].paused = False
            self._wake.notify_all()

    def paused(self, place: Place = Place.ENGINE) -> bool:
        """Whether nothing new begins at ``place``."""
        return self._lines[place].paused

    @property
    def repeating(self) -> bool:
        """Whether the last generation asked for is made again and again."""
        return self._repeating

    def repeat(self, on: bool) -> None:
        """Make the last generation that was asked for again whenever nothing else waits, until ``repeat(False)`` or
        until one is cancelled or fails. A newer one takes its place."""
        with self._wake:
            self._repeating = on
            self._wake.notify_all()

    def drop_waiting(self, place: Place = Place.ENGINE) -> int:
        """Cancel every job of ``place`` that has not begun, at once, and forget it; how many there were. Errands
        stay."""
        with self._wake:
            line = self._lines[place]
            dropped = [order for order in line.waiting if order.listed]
            line.waiting = deque(order for order in line.waiting if not order.listed)
            for order in dropped:
                del self._jobs[order.job.id]
            self._write_down()
        for order in dropped:
            order.job.cancel()
            self._end(order, Outcome((), None, Cancelled()))
        return len(dropped)

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait up to ``seconds`` for the workers to stop."""
        with self._wake:
            self._closed = True
            for line in self._lines.values():
                for order in line.orders:
                    order.job.cancel()
            self._wake.notify_all()
        for line in self._lines.values():
            for thread in line.threads:
                thread.join(seconds)
        if self._journal:
            self._journal.write(())

    # --- What outlives the process ------------------------------------------------------------------------------------

    def _restore(self) -> None:
        for entry in self._journal.read() if self._journal else ():
            row = self._table[entry.task.code]
            job = Job(entry.number, entry.task, entry.by)
            self._jobs[job.id] = job
            if entry.begun and not row.resumes:
                job.notify(Ended(JobLost()))
            elif row.place in self._lines:
                self._lines[row.place].waiting.append(_Order(job, row.listed, True, entry.written))
        self._jobs = OrderedDict(sorted(self._jobs.items()))
        self._numbers = itertools.count(max(self._jobs, default=0) + 1)
        self._write_down()

    def _write_down(self) -> None:
        """Keep the journal up to date (with the lock held). Who wants pictures that are not saved ends with us."""
        if self._journal:
            self._journal.write(
                JournalEntry(order.job.id, order.job.task, order.job.snapshot.by, begun, order.written)
                for line in self._lines.values()
                for begun, orders in ((True, line.running), (False, () if self._closed else line.waiting))
                for order in orders
                if order.written
            )

    def _forget_old(self) -> None:
        ended = [number for number, job in self._jobs.items() if job.snapshot.ended]
        for number in ended[: max(0, len(self._jobs) - MAX_REMEMBERED)]:
            del self._jobs[number]

    def _place(self, job: Job) -> Place:
        return self._table[job.task.code].place

    # --- The workers' threads -----------------------------------------------------------------------------------------

    def _work(self, line: _Line, worker: Worker) -> None:
        while self._work_on_next(line, worker):
            pass

    def _work_on_next(self, line: _Line, worker: Worker) -> bool:
        """Do what is next, if the queue is still open. Nothing of it stays with the thread, pictures least of all."""
        order = self._next(line)
        if order is None:
            return False
        order.job.started = self._clock()
        outcome = self._run(order, worker)
        with self._wake:
            if outcome.error and isinstance(order.job.task, Generate):
                self._repeating = False
        self._end(order, outcome)
        with self._wake:
            line.running.remove(order)
            self._write_down()
        return True

    def _next(self, line: _Line) -> _Order | None:
        with self._wake:
            self._wake.wait_for(lambda: self._closed or (not line.paused and (line.waiting or self._again(line))))
            if not line.waiting:
                return None
            order = line.waiting.popleft()
            line.running.append(order)
            self._write_down()
            return order

    def _again(self, line: _Line) -> bool:
        """Put the generation that is to be repeated in ``line`` when it is its turn; whether it was."""
        task = self._repeated
        if not self._repeating or task is None or line is not self._lines[self._table[task.code].place]:
            return False
        written = self._journal.written(task) if self._journal else None
        order = _Order(Job(next(self._numbers), task), True, True, written)
        self._jobs[order.job.id] = order.job
        self._forget_old()
        line.waiting.append(order)
        return True

    def _run(self, order: _Order, worker: Worker) -> Outcome:
        job, made = order.job, list[ImageSaved | ImageReady]()

        def hear(event: Event) -> None:
            if isinstance(event, ImageSaved | ImageReady):
                made.append(event)
            job.notify(self._tell(event))

        try:
            job.cancel_token.raise_if_cancelled()
            result = worker.run(job.task, hear, job.cancel_token)
        except SdcolabError as error:
            return Outcome(tuple(made), None, error)
        except Exception as error:  # noqa: BLE001 - an edge: a bug must not end the worker; its traceback is logged
            _log.exception("trabajo %s", job.id)
            return Outcome(tuple(made), None, Unexpected(kind=type(error).__name__, detail=str(error)))
        return Outcome(tuple(made), result, None)

    def _end(self, order: _Order, outcome: Outcome) -> None:
        order.job.notify(self._tell(Ended(outcome.error)))
        if not order.kept:
            with self._wake:
                self._jobs.pop(order.job.id, None)
        if order.outcome.set_running_or_notify_cancel():
            order.outcome.set_result(outcome)

    def _tell(self, event: Event) -> Event:
        if self._listener:
            self._listener(event)
        return event
