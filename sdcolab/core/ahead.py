"""Files that are wanted soon, brought into the system's memory beside other work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from sdcolab.core.memory_plan import memory_bytes

_BLOCK_BYTES = 1 << 24
_ROOM = 2
"""Times its size that a file needs in free memory: once for the system's copy, once for what opens it."""


class ReadAhead:
    """Reads one file at a time; who opens it next waits for no disk. ``free`` gives the free bytes of memory, None
    where the system does not say."""

    def __init__(self, free: Callable[[], int | None] = lambda: (memory_bytes() or (0, None))[1]) -> None:
        self._free = free
        self._stop = threading.Event()
        self.read = 0
        """Bytes of the file that was asked for last."""

    def begin(self, path: Path) -> threading.Thread | None:
        """Begin to read ``path``, and leave the one before; None where memory is too short for it to help. A file that
        cannot be read is told by who opens it."""
        self._stop.set()
        try:
            size = path.stat().st_size
        except OSError:
            return None
        free = self._free()
        if free is None or free < _ROOM * size:
            return None
        self._stop, self.read = threading.Event(), 0
        thread = threading.Thread(target=self._bring, args=(path, self._stop), name="sdcolab-ahead", daemon=True)
        thread.start()
        return thread

    def _bring(self, path: Path, stop: threading.Event) -> None:
        try:
            with path.open("rb", buffering=0) as file:
                while not stop.is_set() and (block := file.read(_BLOCK_BYTES)):
                    self.read += len(block)
        except OSError:
            return
