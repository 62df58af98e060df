"""What the queue had not done when a session was lost or closed: kept among the settings and offered later.

The journal in ``.sesion`` lets a process that was killed go on by itself on the same machine. This one lives among the
settings, so that it outlives the machine; nothing goes on with it by itself: the next session asks. Programs that are
open at once in one folder keep a file each, and nobody is offered what another one is still about to do.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from sdcolab.core.errors import QueueFull, StorageError
from sdcolab.core.files import atomic_write
from sdcolab.core.kept import claimed, locked
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Origin, Place, Task, TaskTable
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.journal import JobJournal, JournalEntry, journal_text

WAITING = "cola_pendiente.json"
"""In the folder of settings: what this session has not done yet. Other sessions open at the same time have "-2"…"""

MOST_AT_ONCE = 20
"""Programs open in one folder that keep a file each."""

OFFERED = "cola_anterior.json"
"""In the folder of settings: what the last session had not done, until the user says what to do with it."""

MAX_OFFERED = 50
"""The oldest ones are forgotten: nobody has asked for them in several sessions."""

MOST_BYTES = 2_000_000
"""Bigger tasks (their pictures) are not kept: the file travels to Drive with each change."""


class PendingJournal(JobJournal):
    """A journal that also keeps what is left among the settings; ``inner`` is the one to go on with by itself."""

    def __init__(self, folder: Path, table: TaskTable, inner: JobJournal | None = None) -> None:
        self._file, self._claim = _own(folder)  # which ends with this object
        super().__init__(self._file, table)
        self._inner = inner
        self._last = "[]"
        self._closed = False

    def close(self) -> None:
        """What is left now is what the next session offers, however the queue ends."""
        self._closed = True

    def write(self, entries: Iterable[JournalEntry]) -> None:
        """See ``JobJournal.write``. An empty list stays as a file: Drive has to hear of it."""
        listed = tuple(entries)
        if self._inner:
            self._inner.write(listed)
        if self._closed:
            return
        text = journal_text(one for one in listed if one.written.whole and len(one.written.text) < MOST_BYTES)
        if text != self._last:
            self._last = text
            with contextlib.suppress(StorageError), atomic_write(self._file) as file:
                file.write(text.encode("ascii"))

    def read(self) -> tuple[JournalEntry, ...]:
        """What to go on with by itself."""
        return self._inner.read() if self._inner else ()


def unfinished(jobs: JobQueue) -> tuple[Task, ...]:
    """What runs or waits at every place, in order."""
    return tuple(job.task for place in Place for job in (*jobs.running(place), *jobs.waiting(place)))


def take_up(tasks: Sequence[Task], folder: Path, table: TaskTable, jobs: JobQueue) -> int:
    """Queue what another panel had not done and offer it no more; how many fitted. Raises ``StorageError``."""
    queued = list[Task]()
    with contextlib.suppress(QueueFull):  # what does not fit is still offered
        for task in tasks:
            jobs.submit(task, Origin.PANEL)
            queued.append(task)
    settle(folder, table, queued)
    return len(queued)


def set_aside(folder: Path, table: TaskTable) -> None:
    """At the start of a session: what the last one had not done joins what is offered. Never fails."""
    there = {path.name for path in folder.glob("*.json")}  # one look: on Drive, each costs a while
    for path in (one for one in _places(folder) if one.name in there):
        with contextlib.suppress(OSError, StorageError):
            if path.stat().st_size > len("[]") and (claim := claimed(path)):
                left = JobJournal(path, table).read()
                with locked(folder / OFFERED):
                    _write(folder / OFFERED, (*offered(folder, table), *left)[-MAX_OFFERED:])
                _write(path, ())
                claim.release()


def is_of_a_session(name: str) -> bool:
    """Whether a file called ``name`` among the settings is a session's own, of no use to another."""
    return name == OFFERED or name in (path.name for path in _places(Path()))


def _places(folder: Path) -> tuple[Path, ...]:
    """Where sessions keep what they have not done yet."""
    first = folder / WAITING
    return (first, *(first.with_stem(f"{first.stem}-{number}") for number in range(2, MOST_AT_ONCE + 1)))


def _own(folder: Path) -> tuple[Path, object]:
    """Where this process keeps what it has not done yet, and what keeps others away from there."""
    for path in _places(folder):
        with contextlib.suppress(StorageError):
            if claim := claimed(path):
                return path, claim
    return folder / WAITING, None


def offered(folder: Path, table: TaskTable) -> tuple[JournalEntry, ...]:
    """What the last sessions had not done, in order."""
    return JobJournal(folder / OFFERED, table).read()


def settle(folder: Path, table: TaskTable, done: Sequence[Task]) -> None:
    """Offer ``done`` no more. Raises ``StorageError``."""
    gone, left = Counter(_key(task, table) for task in done), []
    with locked(folder / OFFERED):
        for entry in offered(folder, table):
            if gone[key := _key(entry.task, table)]:
                gone[key] -= 1
            else:
                left.append(entry)
        _write(folder / OFFERED, left)


def settle_plan(folder: Path, table: TaskTable, job: str) -> None:
    """Offer the work called ``job`` no more: what was begun of it is a plan, which was gone on with or left. Never
    fails."""
    with contextlib.suppress(StorageError):
        if done := [entry.task for entry in offered(folder, table) if is_of_plan(entry.task, job)]:
            settle(folder, table, done)


def is_of_plan(task: Task, job: str) -> bool:
    """Whether ``task`` is the work called ``job``, of which there is a plan."""
    return isinstance(task, Grid) and bool(job) and task.name == job


def _key(task: Task, table: TaskTable) -> str:
    """What tells ``task`` from others. Not how it stands in the file: another version wrote other fields."""
    return json.dumps(table.to_json(task))


def _write(path: Path, entries: Iterable[JournalEntry]) -> None:
    with atomic_write(path) as file:
        file.write(journal_text(entries).encode("ascii"))
