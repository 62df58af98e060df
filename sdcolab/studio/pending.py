"""What the queue had not done when a session was lost: kept with the settings, which go to Drive, and offered later.

The journal in ``.sesion`` lets a process that was killed go on by itself on the same machine. This one lives among the
settings, so that it outlives the machine; nothing goes on with it by itself: the next session asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from sdcolab.core.errors import StorageError
from sdcolab.core.files import atomic_write
from sdcolab.core.tasks import TaskTable
from sdcolab.studio.journal import JobJournal, JournalEntry, journal_text

WAITING = "cola_pendiente.json"
"""In the folder of settings: what this session has not done yet."""

OFFERED = "cola_anterior.json"
"""In the folder of settings: what the last session had not done, until the user says what to do with it."""

MOST_BYTES = 2_000_000
"""Bigger tasks (their pictures) are not kept: the file travels to Drive with each change."""


class PendingJournal(JobJournal):
    """A journal that also keeps what is left among the settings; ``inner`` is the one to go on with by itself."""

    def __init__(self, folder: Path, table: TaskTable, inner: JobJournal | None = None) -> None:
        super().__init__(folder / WAITING, table)
        self._file = folder / WAITING
        self._inner = inner
        self._last = "[]"

    def write(self, entries: Iterable[JournalEntry]) -> None:
        """See ``JobJournal.write``. An empty list stays as a file: Drive has to hear of it."""
        listed = tuple(entries)
        if self._inner:
            self._inner.write(listed)
        text = journal_text(one for one in listed if one.written.whole and len(one.written.text) < MOST_BYTES)
        if text != self._last:
            self._last = text
            with contextlib.suppress(StorageError), atomic_write(self._file) as file:
                file.write(text.encode("ascii"))

    def read(self) -> tuple[JournalEntry, ...]:
        """What to go on with by itself."""
        return self._inner.read() if self._inner else ()


def set_aside(folder: Path) -> None:
    """At the start of a session: what the last one had not done becomes what is offered. Never fails."""
    with contextlib.suppress(OSError, StorageError):
        if (folder / WAITING).stat().st_size > len("[]"):
            (folder / WAITING).replace(folder / OFFERED)
            with atomic_write(folder / WAITING) as file:
                file.write(b"[]")


def offered(folder: Path, table: TaskTable) -> tuple[JournalEntry, ...]:
    """What the last session had not done, in order."""
    return JobJournal(folder / OFFERED, table).read()


def settle(folder: Path) -> None:
    """Offer it no more. Raises ``StorageError``."""
    with atomic_write(folder / OFFERED) as file:
        file.write(b"[]")
