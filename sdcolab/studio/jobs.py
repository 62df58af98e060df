"""The jobs of the studio: what waits, what runs and what is done, for any number of faces watching.

Jobs belong to the queue and not to the face that asked for them, so a reload or a second tab finds them again. Each
``Place`` has a line of its own with one thread a worker: downloads run beside generations, and two cards make two
pictures at a time.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from sdcolab.core.errors import Cancelled, SdcolabError, Unexpected
from sdcolab.core.events import Ended, Event, ImageReady, ImageSaved, Listener, Phase, ignore_events
from sdcolab.core.tasks import Generate, Origin, Place, Task, TaskTable, Worker
from sdcolab.studio.job import Job, Outcome
from sdcolab.studio.journal import JobJournal
from sdcolab.studio.ledger import Ledger, Line, Order

_log = logging.getLogger(__name__)


class JobQueue:
    """Gives tasks to the ``workers`` of their place, in order. ``close`` before throwing it away."""

    def __init__(
        self,
        table: TaskTable,
        workers: Mapping[Place, Sequence[Worker]],
        listener: Listener | None = None,
        clock: Callable[[], datetime.datetime] = datetime.datetime.now,
        journal: JobJournal | None = None,
        soon: Callable[[str], None] | None = None,
    ) -> None:
        """``listener`` hears the workers' threads. ``journal`` and ``soon`` as in ``Ledger``."""
        self._listener = listener or ignore_events
        self._clock = clock
        self._ledger = Ledger(table, workers, journal, soon)
        self._wake = threading.Condition()
        for place, line in self._ledger.lines.items():
            for number, worker in enumerate(workers[place]):
                name = f"sdcolab-{place}-{number}"
                line.threads.append(threading.Thread(target=self._work, args=(line, worker), name=name, daemon=True))
        for thread in self._ledger.threads:
            thread.start()

    # --- Asking -------------------------------------------------------------------------------------------------------

    def submit(self, task: Task, by: Origin = Origin.PAGE) -> Job:
        """Add a job at the end of its line. Raises ``QueueFull`` or ``QueueClosed``."""
        return self.order(task, by)[0]

    def order(self, task: Task, by: Origin = Origin.PAGE, *, keep: bool = True) -> tuple[Job, Future[Outcome]]:
        """Add a job at the end of its line; the future tells how it ended; only whoever holds it keeps the pictures.

        With ``keep`` False the queue forgets the job as soon as it has ended, and it does not outlive the process.
        Raises ``QueueFull`` or ``QueueClosed``.
        """
        written = self._ledger.written(task, keep=keep)
        with self._wake:
            order = self._ledger.add(task, by, written, keep=keep)
            self._wake.notify_all()
        return order.job, order.outcome

    # --- Looking ------------------------------------------------------------------------------------------------------

    def get(self, number: int) -> Job | None:
        """The job with this number, or None when it never existed or was forgotten."""
        with self._wake:
            return self._ledger.jobs.get(number)

    def jobs(self, place: Place | None = None) -> tuple[Job, ...]:
        """Every job remembered (of one place), oldest first."""
        with self._wake:
            known = self._ledger.jobs.values()
            return tuple(job for job in known if place is None or self._ledger.place(job) is place)

    def waiting(self, place: Place = Place.ENGINE) -> tuple[Job, ...]:
        """The jobs that have not begun, in the order in which they will."""
        with self._wake:
            return tuple(order.job for order in self._ledger.lines[place].waiting if order.listed)

    def running(self, place: Place = Place.ENGINE) -> tuple[Job, ...]:
        """The jobs that a worker has."""
        with self._wake:
            return tuple(order.job for order in self._ledger.lines[place].running if order.listed)

    def current(self, place: Place = Place.ENGINE) -> Job | None:
        """The job that runs now at ``place``, else the next one waiting, else the last one finished."""
        with self._wake:
            return self._ledger.current(place)

    def shown(self) -> Job | None:
        """The job that a face shows beside its forms: of those that run now at any place, or are next there, the one
        asked for last; else the last one that ended. None of what has a place of its own on the faces.
        """
        with self._wake:
            return self._ledger.shown()

    def position(self, job: Job) -> int:
        """How many jobs run or wait before ``job``; 0 when it runs or has ended."""
        with self._wake:
            return self._ledger.position(job)

    # --- Steering -----------------------------------------------------------------------------------------------------

    def cancel(self, job: Job) -> None:
        """Stop ``job`` if it runs; take it out at once if it waits."""
        with self._wake:
            if isinstance(job.task, Generate):
                self._ledger.repeating = False
            found = self._ledger.find(job)
            if found:
                line, order = found
                line.waiting.remove(order)
                self._ledger.changed()
        job.cancel()
        if found:
            self._end(found[1], Outcome((), None, Cancelled()))

    def move(self, job: Job, places: int) -> None:
        """Let a job that waits begin ``places`` later than it would (negative: earlier), as far as there are others."""
        with self._wake:
            self._ledger.move(job, places)

    def pause(self, place: Place = Place.ENGINE) -> None:
        """Begin nothing new at ``place`` until ``resume``; what runs goes on."""
        with self._wake:
            self._ledger.lines[place].paused = True

    def resume(self, place: Place = Place.ENGINE) -> None:
        """Go on after ``pause``."""
        with self._wake:
            self._ledger.lines[place].paused = False
            self._wake.notify_all()

    def paused(self, place: Place = Place.ENGINE) -> bool:
        """Whether nothing new begins at ``place``."""
        return self._ledger.lines[place].paused

    def take_trouble(self) -> SdcolabError | None:
        """Why what a former process left to do is lost, for whoever asks first; None when nothing is."""
        return self._ledger.take_trouble()

    @property
    def repeating(self) -> bool:
        """Whether the last generation asked for is made again and again."""
        return self._ledger.repeating

    def repeat(self, on: bool) -> None:
        """Make the last generation that was asked for again whenever nothing else waits, until ``repeat(False)`` or
        until one is cancelled or fails. A newer one takes its place."""
        with self._wake:
            self._ledger.repeating = on
            self._wake.notify_all()

    def drop_waiting(self, place: Place = Place.ENGINE) -> int:
        """Cancel every job of ``place`` that has not begun, and forget it; how many there were. Errands stay."""
        with self._wake:
            dropped = self._ledger.drop_waiting(place)
        for order in dropped:
            order.job.cancel()
            self._end(order, Outcome((), None, Cancelled()))
        return len(dropped)

    def close(self, seconds: float = 10.0, stops: Iterable[Callable[[], object]] = ()) -> None:
        """Cancel everything and call ``stops``: what they end, the journal keeps. Waits ``seconds`` for each worker."""
        with self._wake:
            self._ledger.close()
            for line in self._ledger.lines.values():
                for order in line.orders:
                    order.job.cancel()
            self._wake.notify_all()
        for stop in stops:
            stop()
        for thread in self._ledger.threads:
            thread.join(seconds)
        self._ledger.forget_all()

    # --- The workers' threads -----------------------------------------------------------------------------------------

    def _work(self, line: Line, worker: Worker) -> None:
        while self._work_on_next(line, worker):
            pass

    def _work_on_next(self, line: Line, worker: Worker) -> bool:
        """Do what is next, if the queue is still open. Nothing of it stays with the thread, pictures least of all."""
        order = self._next(line)
        if order is None:
            return False
        order.job.started = self._clock()
        outcome = perform(order.job, worker, self._listener)
        with self._wake:
            if outcome.error and isinstance(order.job.task, Generate):
                self._ledger.repeating = False
        self._end(order, outcome)
        with self._wake:
            line.running.remove(order)
            self._ledger.changed()
        return True

    def _next(self, line: Line) -> Order | None:
        ledger = self._ledger
        with self._wake:
            self._wake.wait_for(lambda: ledger.closed or (not line.paused and (line.waiting or ledger.again(line))))
            if not line.waiting:
                return None
            order = line.waiting.popleft()
            line.running.append(order)
            ledger.changed()
            return order

    def _end(self, order: Order, outcome: Outcome) -> None:
        ended = Ended(outcome.error)
        self._listener(ended)
        order.job.notify(ended)
        if not order.kept:
            with self._wake:
                self._ledger.jobs.pop(order.job.id, None)
        if order.outcome.set_running_or_notify_cancel():
            order.outcome.set_result(outcome)


def perform(job: Job, worker: Worker, listener: Listener) -> Outcome:
    """Let ``worker`` do ``job``, which hears its events as ``listener`` does; how it ended."""
    made = list[ImageSaved | ImageReady]()

    def hear(event: Event) -> None:
        if isinstance(event, ImageSaved | ImageReady):
            made.append(event)
        listener(event)
        job.notify(event)

    try:
        job.cancel_token.raise_if_cancelled()
        result = worker.run(job.task, hear, job.cancel_token)
    except SdcolabError as error:
        return Outcome(tuple(made), None, error)
    except Exception as error:  # noqa: BLE001 - an edge: a bug must not end the worker; its traceback is logged
        _log.exception("trabajo %s", job.id)
        return Outcome(tuple(made), None, Unexpected(kind=type(error).__name__, detail=str(error)))
    return Outcome(tuple(made), result, None)


def last_picture(jobs: JobQueue) -> Path | None:
    """The last picture that a job saved; None when there is none."""
    made = (image.path for job in reversed(jobs.jobs(Place.ENGINE)) for image in reversed(job.snapshot.images))
    return next(made, None)


def behind(shown: Job, jobs: JobQueue) -> int:
    """How many jobs wait for an engine, ``shown`` aside."""
    return sum(job is not shown for job in jobs.waiting())


def is_held(shown: Job, jobs: JobQueue) -> bool:
    """Whether ``shown`` waits because nothing new begins."""
    snapshot = shown.snapshot
    return not snapshot.ended and snapshot.phase is Phase.WAITING and jobs.paused()
