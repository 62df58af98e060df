"""What the queue knows: the jobs remembered, who waits in which line, and the journal that outlives the process.

Nothing here locks: the queue holds its lock around every call.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from sdcolab.core.errors import JobLost, QueueClosed, QueueFull, StorageError
from sdcolab.core.events import Ended
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Generate, Origin, Place, Task, TaskRow, TaskTable
from sdcolab.core.words import explain
from sdcolab.studio.job import Job, Outcome
from sdcolab.studio.journal import JobJournal, JournalEntry, Written

MAX_WAITING = 20
MAX_REMEMBERED = 50
"""Finished jobs kept for pages that come back; older ones are forgotten (their images stay on disk)."""

_log = logging.getLogger(__name__)


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
    """The orders of one place, and the threads that take them. All under the queue's lock."""

    def __init__(self) -> None:
        self.waiting: deque[Order] = deque()
        self.running: list[Order] = []
        self.threads: list[threading.Thread] = []
        self.paused = False

    @property
    def orders(self) -> tuple[Order, ...]:
        """What runs, then what waits."""
        return (*self.running, *self.waiting)

    def waiting_for(self, job: Job) -> Order | None:
        """The order of ``job`` if it waits here."""
        return next((order for order in self.waiting if order.job is job), None)


class Ledger:
    """The lines of ``places`` and the jobs remembered. With a ``journal``, it goes on where a process that was killed
    left it: those that waited wait again, and so do those that ran and can go on; another that ran has ended with
    ``JobLost`` (it may be what exhausted the memory). ``soon`` is told the checkpoint of what comes next where another
    is at work; it must not wait.
    """

    def __init__(
        self,
        table: TaskTable,
        places: Iterable[Place],
        journal: JobJournal | None = None,
        soon: Callable[[str], None] | None = None,
    ) -> None:
        self._table = table
        self._journal = journal
        self._soon = soon
        self._told = ""
        self._numbers = itertools.count(1)
        self.jobs: OrderedDict[int, Job] = OrderedDict()
        self.lines = {place: Line() for place in places}
        self.closed = False
        self.repeating = False
        self._trouble: StorageError | None = None
        self._repeated: Task | None = None
        self._restore()

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """Those that take orders, of every line."""
        return tuple(thread for line in self.lines.values() for thread in line.threads)

    def take_trouble(self) -> StorageError | None:
        """Why the journal could not be read, once."""
        trouble, self._trouble = self._trouble, None
        return trouble

    def row(self, job: Job) -> TaskRow:
        """What kind of work ``job`` is."""
        return self._table[job.task.code]

    def place(self, job: Job) -> Place:
        """Where ``job`` is done."""
        return self.row(job).place

    def current(self, place: Place) -> Job | None:
        """What runs or is next at ``place``, else the last one that ended there."""
        ahead = (order.job for order in self.lines[place].orders if order.listed)
        ended = (job for job in reversed(self.jobs.values()) if self.place(job) is place)
        return next(itertools.chain(ahead, ended), None)

    def shown(self) -> Job | None:
        """Of what runs or is next at any place the one asked for last, else the last one that ended; none that has a
        place of its own on the faces."""
        known = [job for job in self.jobs.values() if not self.row(job).apart]
        firsts = (next((one.job for one in line.orders if one.job in known), None) for line in self.lines.values())
        now = [job for job in firsts if job]
        return max(now, key=lambda job: job.id) if now else next(reversed(known), None)

    def position(self, job: Job) -> int:
        """How many jobs run or wait before ``job``; 0 when it does not wait."""
        if found := self.find(job):
            line, order = found
            return line.waiting.index(order) + len(line.running)
        return 0

    def written(self, task: Task, *, keep: bool) -> Written | None:
        """``task`` as the journal will hold it (this may take a while: it needs no lock)."""
        return self._journal.written(task) if keep and self._journal and self._table[task.code].listed else None

    def add(self, task: Task, by: Origin, written: Written | None, *, keep: bool) -> Order:
        """A new order at the end of its line. Raises ``QueueFull`` or ``QueueClosed``."""
        if self.closed:
            raise QueueClosed()
        row = self._table[task.code]
        line = self.lines[row.place]
        if len(line.waiting) >= MAX_WAITING:
            raise QueueFull(limit=MAX_WAITING)
        kept = keep and row.listed
        order = Order(self._job(next(self._numbers), task, by), row.listed, kept, written)
        line.waiting.append(order)
        if row.listed:
            self._remember(order.job)
        if isinstance(task, Generate) and kept:
            self._repeated = task
        self.changed()
        return order

    def again(self, line: Line) -> bool:
        """Put the generation that is to be repeated in ``line`` when it is its turn; whether it was."""
        task = self._repeated
        if not self.repeating or task is None or line is not self.lines[self._table[task.code].place]:
            return False
        order = Order(self._job(next(self._numbers), task), True, True, self.written(task, keep=True))
        self._remember(order.job)
        line.waiting.append(order)
        return True

    def find(self, job: Job) -> tuple[Line, Order] | None:
        """Where ``job`` waits; None when it runs or has ended."""
        for line in self.lines.values():
            if order := line.waiting_for(job):
                return line, order
        return None

    def move(self, job: Job, places: int) -> None:
        """Let ``job`` begin ``places`` later than it would, if it waits."""
        if found := self.find(job):
            line, order = found
            index = line.waiting.index(order)
            line.waiting.remove(order)
            line.waiting.insert(max(0, index + places), order)
            self.changed()

    def drop_waiting(self, place: Place) -> list[Order]:
        """Forget the listed orders that wait at ``place``, and give them back."""
        line = self.lines[place]
        dropped = [order for order in line.waiting if order.listed]
        line.waiting = deque(order for order in line.waiting if not order.listed)
        for order in dropped:
            del self.jobs[order.job.id]
        self.changed()
        return dropped

    def changed(self) -> None:
        """The lines are others: keep the journal up to date, and tell what comes next."""
        self._write()
        if self._soon and (comes := self._coming()) != self._told:
            self._told = comes
            if comes:
                self._soon(comes)

    def _coming(self) -> str:
        """The checkpoint of what the engines do next, while they work with others; "" if there is none."""
        line = self.lines.get(Place.ENGINE)
        if not (line and line.running and line.waiting):
            return ""
        comes = _checkpoint(line.waiting[0].job.task)
        return "" if comes in {_checkpoint(order.job.task) for order in line.running} else comes

    def _write(self) -> None:
        """Who wants pictures that are not saved ends with us."""
        if self._journal:
            self._journal.write(
                JournalEntry(order.job.id, order.job.task, order.job.snapshot.by, begun, order.written)
                for line in self.lines.values()
                for begun, orders in ((True, line.running), (False, () if self.closed else line.waiting))
                for order in orders
                if order.written
            )

    def close(self) -> None:
        """Begin nothing new."""
        self.closed = True
        if self._journal:
            self._journal.close()

    def forget_all(self) -> None:
        """Leave nothing for another process to go on with."""
        if self._journal:
            self._journal.write(())

    def _restore(self) -> None:
        for entry in self._left():
            row = self._table[entry.task.code]
            job = self._job(entry.number, entry.task, entry.by)
            self.jobs[job.id] = job
            if entry.begun and not row.resumes:
                job.notify(Ended(JobLost()))
            elif row.place in self.lines:
                self.lines[row.place].waiting.append(Order(job, row.listed, True, entry.written))
        self.jobs = OrderedDict(sorted(self.jobs.items()))
        self._numbers = itertools.count(max(self.jobs, default=0) + 1)
        self.changed()

    def _job(self, number: int, task: Task, by: Origin = Origin.PAGE) -> Job:
        return Job(number, task, by, pauses=self._table[task.code].pauses)

    def _left(self) -> tuple[JournalEntry, ...]:
        try:
            return self._journal.read() if self._journal else ()
        except StorageError as error:
            _log.warning("%s", explain(error))
            self._trouble = error
            return ()

    def _remember(self, job: Job) -> None:
        self.jobs[job.id] = job
        ended = [number for number, one in self.jobs.items() if one.snapshot.ended]
        for number in ended[: max(0, len(self.jobs) - MAX_REMEMBERED)]:
            del self.jobs[number]


def _checkpoint(task: Task) -> str:
    """What ``task`` begins with; "" where that is any."""
    return task.request.checkpoint if isinstance(task, Generate | Grid) else ""
