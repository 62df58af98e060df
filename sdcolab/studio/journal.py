"""The jobs on disk, so that they outlive a process that is killed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import QueueUnreadable, SettingsUnreadable, StorageError
from sdcolab.core.files import atomic_write
from sdcolab.core.kept import read_kept
from sdcolab.core.tasks import Origin, Task, TaskTable

JOURNAL_NAME = "cola.json"


@dataclass(frozen=True, slots=True)
class Written:
    """A task as JSON, and whether JSON could hold all of it."""

    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A job that has not ended: its number, what it is, who asked for it, and whether it had begun."""

    number: int
    task: Task
    by: Origin
    begun: bool
    written: Written


class JobJournal:
    """What is left to do, in ``path``. Without a disk only the memory of a crash is lost, so writing never raises."""

    def __init__(self, path: Path, table: TaskTable) -> None:
        self._path = path
        self._table = table

    def written(self, task: Task) -> Written:
        """``task`` as it is written down: once a job, since its pictures may be large."""
        raw = self._table.to_json(task)
        text = json.dumps(raw)
        return Written(text, self._table.to_json(self._table.from_json(json.loads(text))) == raw)

    def write(self, entries: Iterable[JournalEntry]) -> None:
        """Write down all that has not ended, in order; the file goes when there is nothing."""
        listed = tuple(entries)
        if not listed:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        with contextlib.suppress(StorageError), atomic_write(self._path) as file:
            file.write(journal_text(listed).encode("ascii"))

    def close(self) -> None:
        """The queue is being closed: what it writes from now on is how it ends, and no longer what was asked of it."""

    def read(self) -> tuple[JournalEntry, ...]:
        """What a process that is gone left to do; nothing when there is none.

        Raises ``QueueUnreadable`` when it cannot be understood (it is set aside first), or another ``StorageError``.
        """
        try:
            return read_kept(self._path, self._entries) or ()
        except SettingsUnreadable as error:
            raise QueueUnreadable(path=error.path, backup=error.backup) from error

    def _entries(self, saved: Any) -> tuple[JournalEntry, ...]:
        return tuple(map(self._entry, saved))

    def _entry(self, saved: Any) -> JournalEntry:
        task, number = saved["task"], saved["number"]
        if not isinstance(task, dict) or not isinstance(number, int):
            raise TypeError
        written = Written(json.dumps(task), whole=True)
        return JournalEntry(number, self._table.from_json(task), Origin(saved["by"]), bool(saved["begun"]), written)


def journal_text(entries: Iterable[JournalEntry]) -> str:
    """The entries as they stand on disk."""
    return f"[{','.join(map(_line, entries))}]"


def _line(entry: JournalEntry) -> str:
    """A task that is not written whole counts as begun: another one must not be done in its place."""
    begun = entry.begun or not entry.written.whole
    facts = json.dumps({"number": entry.number, "by": entry.by.value, "begun": begun})
    return f'{facts[:-1]}, "task": {entry.written.text}}}'
