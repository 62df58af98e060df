"""What waits, what runs and what is remembered: the state of the job queue, without its threads."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from sdcolab.core.errors import JobLost, QueueFull
from sdcolab.core.events import Ended
from sdcolab.core.tasks import Origin, Place, Task, TaskTable
from sdcolab.studio.job import Job, Outcome
from sdcolab.studio.journal import JobJournal, JournalEntry, Written

MAX_WAITING = 20
MAX_REMEMBERED = 50
"""Finished jobs kept for pages that come back; older ones are forgotten (their images stay on disk)."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A job as it waits: whether it is shown, what the journal says of it, and who wants to know how it ends.

    The queue forgets one that is not ``kept`` as soon as it has ended, and writes down those with ``written``.
    """

    job: Job
    listed: bool
    kept: bool
    written: Written | None = None
    outcome: Future[Outcome] = field(default_factory=Future)


class Line:
    """The orders of one place."""

    def __init__(self) -> None:
        self.waiting: deque[Order] = deque()
        self.running: list[Order] = []
        self.paused = False

    @property
    def orders(self) -> tuple[Order, ...]:
        """What runs, then what waits."""
        return (*self.running, *self.waiting)

    def find(self, job: Job) -> Order | None:
        """The order of ``job`` if it waits here."""
        return next((order for order in self.waiting if order.job is job), None)

    def take(self) -> Order:
        """The next order, which runs from now on."""
        self.running.append(self.waiting.popleft())
        return self.running[-1]

    def move(self, order: Order, places: int) -> None:
        """Put an order that waits ``places`` further back (negative: forward), as far as there are others."""
        index = self.waiting.index(order)
        self.waiting.remove(order)
        self.waiting.insert(max(0, index + places), order)


class Ledger:
    """The lines of all places and the jobs that are remembered. Its owner holds a lock whenever it calls it."""

    def __init__(self, table: TaskTable, places: Iterable[Place], journal: JobJournal | None) -> None:
        """Goes on where ``journal`` says that a process that was killed left it."""
        self._table = table
        self._journal = journal
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self.lines = {place: Line() for place in places}
        for entry in journal.read() if journal else ():
            self._restore(entry)
        self._jobs = OrderedDict(sorted(self._jobs.items()))
        self._numbers = itertools.count(max(self._jobs, default=0) + 1)
        self.write_down()

    def written(self, task: Task, *, keep: bool) -> Written | None:
        """``task`` for the journal, if it belongs there. Slow when there are pictures in it: no lock is needed."""
        return self._journal.written(task) if keep and self._journal and self._table[task.code].listed else None

    def add(self, task: Task, by: Origin, written: Written | None, *, keep: bool) -> Order:
        """A new job at the end of its line. Raises ``QueueFull``."""
        row = self._table[task.code]
        line = self.lines[row.place]
        if len(line.waiting) >= MAX_WAITING:
            raise QueueFull(limit=MAX_WAITING)
        order = Order(Job(next(self._numbers), task, by), row.listed, keep and row.listed, written)
        line.waiting.append(order)
        if row.listed:
            self._jobs[order.job.id] = order.job
            ended = [number for number, job in self._jobs.items() if job.snapshot.ended]
            for number in ended[: max(0, len(self._jobs) - MAX_REMEMBERED)]:
                del self._jobs[number]
        self.write_down()
        return order

    def forget(self, order: Order) -> None:
        """Remember its job no more."""
        self._jobs.pop(order.job.id, None)

    def get(self, number: int) -> Job | None:
        """The job with this number, if it is remembered."""
        return self._jobs.get(number)

    def jobs(self, place: Place | None = None) -> Iterator[Job]:
        """The jobs remembered (of one place), oldest first."""
        return (job for job in self._jobs.values() if place is None or self.place(job) is place)

    def place(self, job: Job) -> Place:
        """Where it runs."""
        return self._table[job.task.code].place

    def waiting(self, job: Job) -> tuple[Line, Order] | None:
        """The line where ``job`` waits, and its order there."""
        line = self.lines[self.place(job)]
        order = line.find(job)
        return (line, order) if order else None

    def drop(self, place: Place) -> list[Order]:
        """Take away and forget all that waits at ``place``, errands excepted."""
        line = self.lines[place]
        dropped = [order for order in line.waiting if order.listed]
        line.waiting = deque(order for order in line.waiting if not order.listed)
        for order in dropped:
            self.forget(order)
        self.write_down()
        return dropped

    def write_down(self, *, closing: bool = False) -> None:
        """Keep the journal up to date; when ``closing`` what waits is not wanted any more."""
        if self._journal:
            self._journal.write(
                JournalEntry(order.job.id, order.job.task, order.job.snapshot.by, begun, order.written)
                for line in self.lines.values()
                for begun, orders in ((True, line.running), (False, () if closing else line.waiting))
                for order in orders
                if order.written
            )

    def close(self) -> None:
        """Nothing is left to do."""
        if self._journal:
            self._journal.write(())

    def _restore(self, entry: JournalEntry) -> None:
        row = self._table[entry.task.code]
        job = Job(entry.number, entry.task, entry.by)
        self._jobs[job.id] = job
        if entry.begun and not row.resumes:
            job.notify(Ended(JobLost()))
        elif row.place in self.lines:
            self.lines[row.place].waiting.append(Order(job, row.listed, kept=True, written=entry.written))
