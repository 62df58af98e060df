"""Files that are wanted soon, brought into the system's memory beside other work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from sdcolab.core.errors import SdcolabError
from sdcolab.core.memory_plan import memory_bytes

_BLOCK_BYTES = 1 << 24
_ROOM = 2
"""Times its size that a file needs in free memory: once for the system's copy, once for what opens it."""


def free_memory() -> int | None:
    """Free bytes; None where the system does not say."""
    told = memory_bytes()
    return told[1] if told else None


class Reading(threading.Thread):
    """Reads the file that ``find`` gives, where ``free`` has room for it to help. One that cannot be found or read is
    told by who opens it. ``read``: bytes so far."""

    def __init__(self, find: Callable[[], Path], free: Callable[[], int | None]) -> None:
        super().__init__(name="sdcolab-ahead", daemon=True)
        self._find = find
        self._free = free
        self._stopped = False
        self.read = 0

    def stop(self) -> None:
        """Read no further."""
        self._stopped = True

    def run(self) -> None:
        """Find it and read it."""
        try:
            path = self._find()
            free = self._free()
            if free is None or free < _ROOM * path.stat().st_size:
                return
            with path.open("rb", buffering=0) as file:
                while not self._stopped and (block := file.read(_BLOCK_BYTES)):
                    self.read += len(block)
        except (OSError, SdcolabError):
            return


class ReadAhead:
    """Reads one file at a time; who opens it next waits for no disk."""

    def __init__(self, free: Callable[[], int | None] = free_memory) -> None:
        self._free = free
        self._now: Reading | None = None

    def begin(self, find: Callable[[], Path]) -> Reading:
        """Begin to read the file that ``find`` gives, which may take its time, and leave the one before."""
        if self._now:
            self._now.stop()
        self._now = Reading(find, self._free)
        self._now.start()
        return self._now
