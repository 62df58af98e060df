"""Unfinished files: which bytes are here, kept over crashes, and room on the disk promised to them.

An unfinished file is ``NAME.xxxxxxxx.parcial`` (the digits come from its address) beside a small JSON that says which
version of which file it is part of and which of its bytes are on the disk (it never claims bytes that a crash could
still lose).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

from sdcolab.core.errors import AlreadyDownloading, DiskFull
from sdcolab.core.files import free_bytes, storage_errors
from sdcolab.downloads.kernel import allocate
from sdcolab.downloads.providers.base import RemoteFile

SPARE_BYTES = 64 << 20
"""Room that downloads leave free on the disk."""

PART_SUFFIX = ".parcial"

NOTES_VERSION = 2

MAX_SPANS = 10_000
"""Most runs of bytes that a part's notes may name."""

Span = tuple[int, int]
"""Bytes ``start <= position < end`` of a file."""


def with_span(spans: tuple[Span, ...], start: int, end: int) -> tuple[Span, ...]:
    """Sorted disjoint ``spans`` with the bytes from ``start`` to ``end`` added; neighbours become one.

    >>> with_span(((0, 5), (9, 12)), 5, 9)
    ((0, 12),)
    """
    if end <= start:
        return spans
    apart = [span for span in spans if span[1] < start or span[0] > end]
    touched = [span for span in spans if span[1] >= start and span[0] <= end]
    joined = (min([start, *(span[0] for span in touched)]), max([end, *(span[1] for span in touched)]))
    return tuple(sorted([*apart, joined]))


def gaps(spans: tuple[Span, ...], size: int) -> tuple[Span, ...]:
    """What of a file of ``size`` bytes is not in ``spans``.

    >>> gaps(((0, 5), (9, 12)), 20)
    ((5, 9), (12, 20))
    """
    edges = [0, *(edge for span in spans for edge in span), size]
    return tuple((start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)


class Part:
    """The unfinished file of one remote file in ``folder``. ``name`` is safe and ``identity`` tells its address.

    Threads may call ``wrote`` at the same time as anything else.
    """

    def __init__(self, folder: Path, name: str, identity: str) -> None:
        self.name = name
        digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
        self.path = folder / f"{name}.{digest}{PART_SUFFIX}"
        self._notes = folder / f"{self.path.name}.json"
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """Held around the files: a round that ends may save while its last save still waits for the disk."""
        self._spans: tuple[Span, ...] = ()
        self._version: dict[str, object] = {}

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes that are here, sorted and apart."""
        return self._spans

    @property
    def received(self) -> int:
        """How many bytes are here."""
        return sum(end - start for start, end in self._spans)

    def prepare(self, remote: RemoteFile) -> int:
        """How many bytes can be kept for ``remote``: all that are here if they are of the same version, else none."""
        spans = self._kept(remote)
        if not spans:
            self.restart(remote)
        with self._lock:
            self._spans, self._version = spans, _version(remote)
        return self.received

    def restart(self, remote: RemoteFile) -> None:
        """Forget what is here and begin with ``remote``."""
        self.discard()
        with self._lock:
            self._version = _version(remote)

    def allocate(self, size: int) -> bool:
        """Take room for all of a file of ``size`` bytes from the disk, where the file system can. Whether it is taken.

        Raises ``DiskFull`` or ``CannotWrite``.
        """
        if not size:
            return False
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                return allocate(descriptor, size)
            finally:
                os.close(descriptor)

    def room_needed(self, missing: int) -> int:
        """How many of its ``missing`` bytes need new room on the disk: some may lie in room that was taken before."""
        try:
            found = self.path.stat()
        except OSError:
            return missing
        spare = getattr(found, "st_blocks", 0) * 512 - self.received
        return missing - min(missing, max(0, spare))

    def trim(self) -> None:
        """Give back the room behind the last byte that is here: an unfinished file takes no more than it must."""
        end = max((end for _, end in self.spans), default=0)
        with contextlib.suppress(OSError):
            if end:
                os.truncate(self.path, end)
            else:
                self.path.unlink()

    def wrote(self, start: int, end: int) -> None:
        """The bytes from ``start`` to ``end`` are in the file."""
        with self._lock:
            self._spans = with_span(self._spans, start, end)

    def save(self) -> None:
        """Make what is here survive a crash of the program or the computer."""
        temporary = self._notes.with_name(f"{self._notes.name}.tmp")
        with self._writing:
            with self._lock:
                content = {**self._version, "spans": self._spans}
            if not content["spans"]:
                return
            with storage_errors(self.path):
                with self.path.open("r+b", buffering=0) as file:
                    os.fsync(file.fileno())
                temporary.write_text(json.dumps(content), encoding="utf-8")
                temporary.replace(self._notes)

    def discard(self) -> None:
        """Delete it."""
        with self._writing:
            with self._lock:
                self._spans = ()
            for path in (self.path, self._notes):
                with storage_errors(path):
                    path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Forget the notes, once the file itself was moved to its place."""
        with contextlib.suppress(OSError):
            self._notes.unlink(missing_ok=True)

    def _kept(self, remote: RemoteFile) -> tuple[Span, ...]:
        try:
            notes = json.loads(self._notes.read_bytes())
            length = self.path.stat().st_size
        except (OSError, ValueError, RecursionError):
            return ()
        if not isinstance(notes, dict) or not _same_version(notes, remote):
            return ()
        limit = length if remote.size is None else min(length, remote.size)
        spans = _read_spans(notes.get("spans"), limit)
        # Without a size nobody could tell which bytes lie beyond a gap.
        return spans if remote.size is not None or [span[0] for span in spans] == [0] else ()


def _version(remote: RemoteFile) -> dict[str, object]:
    return {"version": NOTES_VERSION, "size": remote.size, "validator": remote.validator, "sha256": remote.sha256}


def _same_version(notes: Mapping[str, object], remote: RemoteFile) -> bool:
    """Whether ``notes`` speak of ``remote``: of the same size, with the same hash or else the same validator."""
    wanted = _version(remote)
    if any(notes.get(key) != wanted[key] for key in ("version", "size", "sha256")):
        return False
    return remote.sha256 is not None or (remote.validator is not None and notes.get("validator") == remote.validator)


def _read_spans(raw: object, limit: int) -> tuple[Span, ...]:
    """Spans from notes, or none when they are not sorted runs of bytes below ``limit``."""
    edges = [edge for pair in raw for edge in pair] if _is_pairs(raw) else []
    if len(edges) > 2 * MAX_SPANS or not all(type(edge) is int and 0 <= edge <= limit for edge in edges):
        return ()
    if any(first >= second for first, second in pairwise(edges)):
        return ()
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def _is_pairs(raw: object) -> TypeGuard[list[list[int]]]:
    return isinstance(raw, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in raw)


class DiskSpace:
    """Room on the disk promised to the transfers that run now, so that together they do not fill it."""

    def __init__(self, free: Callable[[Path], int] = free_bytes) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._promised: dict[Part, int] = {}

    def reserve(self, part: Part, needed: int) -> None:
        """Promise ``needed`` more bytes to ``part``. Raises ``DiskFull``."""
        with self._lock:
            free = self._free(part.path.parent) - sum(self._promised.values()) + self._promised.get(part, 0)
            if needed > 0 and free < needed + SPARE_BYTES:
                raise DiskFull(folder=part.path.parent, needed=needed, free=max(0, free))
            self._promised[part] = needed

    def used(self, part: Part, count: int) -> None:
        """``count`` of the promised bytes are on the disk now."""
        with self._lock:
            self._promised[part] = max(0, self._promised.get(part, 0) - count)

    def release(self, part: Part) -> None:
        """``part`` needs nothing any more."""
        with self._lock:
            self._promised.pop(part, None)


@contextlib.contextmanager
def exclusive(lock_file: Path, name: str) -> Iterator[None]:
    """Hold ``lock_file`` against other processes; it is gone afterwards. Raises ``AlreadyDownloading`` when one has
    it."""
    with storage_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(lock_file)
    if descriptor is None:
        raise AlreadyDownloading(name=name)
    try:
        yield
    finally:
        # Deleted while it is held: whoever opened it meanwhile sees that it is no longer the one in the folder. Windows
        # deletes no open file.
        if sys.platform != "win32":
            _delete(lock_file)
        os.close(descriptor)
        if sys.platform == "win32":
            _delete(lock_file)


def _locked(lock_file: Path) -> int | None:
    """An open descriptor of the locked file, or None when another process has it."""
    while True:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(descriptor):
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), lock_file.stat()):
                return descriptor
        os.close(descriptor)


def _delete(lock_file: Path) -> None:
    with contextlib.suppress(OSError):
        lock_file.unlink()


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks (some network drives): go on without
        return True
