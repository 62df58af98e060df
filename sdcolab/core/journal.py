"""The queue of generations on disk, so that it outlives a process that is killed."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.codec import request_from_json, request_to_json
from sdcolab.core.errors import StorageError
from sdcolab.core.files import atomic_write
from sdcolab.core.kept import read_kept
from sdcolab.core.request import GenerationRequest
from sdcolab.core.words import explain

JOURNAL_NAME = "cola.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A job that has not ended: its number, what it asks for, and whether it had begun."""

    number: int
    request: GenerationRequest
    begun: bool


class JobJournal:
    """What is left to do, in ``path``. Without a disk only the memory of a crash is lost, so nothing raises."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entries: Iterable[JournalEntry]) -> None:
        """Write down all that has not ended, in order; the file goes when there is nothing."""
        content = [_as_json(one) for one in entries]
        if not content:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        with contextlib.suppress(StorageError), atomic_write(self._path) as file:
            file.write(json.dumps(content).encode("ascii"))

    def read(self) -> tuple[JournalEntry, ...]:
        """What a process that is gone left to do; nothing when there is none or it cannot be read. One that cannot be
        understood is set aside, and the log says so."""
        try:
            return read_kept(self._path, _from_json) or ()
        except StorageError as error:
            _log.warning("%s", explain(error))
            return ()


def _from_json(saved: Any) -> tuple[JournalEntry, ...]:
    return tuple(
        JournalEntry(int(one["number"]), request_from_json(one["request"]), bool(one["begun"])) for one in saved
    )


def _as_json(entry: JournalEntry) -> dict[str, Any]:
    """A request that JSON cannot hold whole counts as begun: another one must not be made in its place."""
    request = request_to_json(entry.request)
    whole = request_to_json(request_from_json(request)) == request
    return {"number": entry.number, "begun": entry.begun or not whole, "request": request}
