"""Moving a file from a server to the disk: resumable, checked, and in patience with bad connections.

An unfinished file is ``NAME.xxxxxxxx.parcial`` (the digits come from its address) beside a small JSON that says what it
is part of, so a later process goes on where this one stopped, and only with the same version of the same file.
One stream a file; parallel ranges would replace ``Transfer._receive`` and ``Part`` and keep the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.errors import (
    AlreadyDownloading,
    DiskFull,
    DownloadError,
    DownloadInterrupted,
    HashMismatch,
    HostUnreachable,
    ServerFailed,
    TooManyRequests,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.files import atomic_write, free_bytes, storage_errors
from sdcolab.downloads.http import Answer, Patience, Web, error_for_status, pause_before_retry
from sdcolab.downloads.links import Link
from sdcolab.downloads.providers.base import RemoteFile, validator

CHUNK = 1 << 20
"""Most bytes that are read or hashed at a time."""

SPARE_BYTES = 64 << 20
"""Room that downloads leave free on the disk."""

PART_SUFFIX = ".parcial"

Progress = Callable[[int, int | None], None]
"""Called with bytes on disk and total bytes (None while unknown)."""


class Part:
    """The unfinished file of one remote file in ``folder``. ``name`` is safe and ``identity`` tells its address."""

    def __init__(self, folder: Path, name: str, identity: str) -> None:
        self.name = name
        digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
        self.path = folder / f"{name}.{digest}{PART_SUFFIX}"
        self._notes = folder / f"{self.path.name}.json"

    @property
    def received(self) -> int:
        """Bytes on disk."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def prepare(self, remote: RemoteFile) -> int:
        """Bytes that can be kept for ``remote``: all that are here if they are of the same version, else none."""
        known = remote.sha256 or remote.validator
        size = self.received
        same = bool(known) and self._read_notes() == _notes(remote)
        if size and same and (remote.size is None or size <= remote.size):
            return size
        self.discard()
        with atomic_write(self._notes) as file:
            file.write(json.dumps(_notes(remote)).encode())
        return 0

    def discard(self) -> None:
        """Delete it."""
        for path in (self.path, self._notes):
            with storage_errors(path):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Forget the notes, once the file itself was moved to its place."""
        with contextlib.suppress(OSError):
            self._notes.unlink(missing_ok=True)

    def _read_notes(self) -> object:
        try:
            return json.loads(self._notes.read_bytes())
        except (OSError, ValueError):
            return None


def _notes(remote: RemoteFile) -> dict[str, object]:
    return {"version": 1, "size": remote.size, "validator": remote.validator, "sha256": remote.sha256}


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
    """Hold ``lock_file`` against other processes. Raises ``AlreadyDownloading`` when one has it."""
    with storage_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(descriptor):
            raise AlreadyDownloading(name=name)
        yield
    finally:
        os.close(descriptor)


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


def sha256_of(path: Path, cancel: CancelToken) -> str:
    """SHA-256 of a file, in lower-case hexadecimal. Raises ``Cancelled``, ``CannotWrite`` when it cannot be read."""
    digest = hashlib.sha256()
    with storage_errors(path), path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            cancel.raise_if_cancelled()
            digest.update(data)
    return digest.hexdigest()


class _Renew(Exception):
    """The address has to be resolved again; ``error`` is what to report when that does not help either."""

    def __init__(self, error: DownloadError, forget: bool = False) -> None:
        super().__init__()
        self.error = error
        self.forget = forget
        """Whether what is on disk belongs to another version."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Fetches one link's file into its ``part``. ``renew`` finds the file again when its address has expired."""

    web: Web
    link: Link
    part: Part
    renew: Callable[[], RemoteFile]
    space: DiskSpace
    progress: Progress
    cancel: CancelToken

    def run(self, remote: RemoteFile) -> RemoteFile:
        """Fetch ``remote`` until all of it is in the part and checked; the part stays when that fails half-way.

        Returns the file as it was last found. Raises ``DownloadError``, ``StorageError`` or ``Cancelled``.
        """
        patience = self.web.patience
        failures = wrong_hashes = 0
        try:
            while True:
                self.cancel.raise_if_cancelled()
                before = self.part.prepare(remote)
                try:
                    self._receive(remote, before)
                    self._check_hash(remote)
                    return remote
                except HashMismatch:
                    wrong_hashes += 1
                    self.part.discard()
                    if wrong_hashes == 2:
                        raise
                    remote = self.renew()
                except _Renew as needed:
                    failures += 1
                    if needed.forget:
                        self.part.discard()
                    if failures >= patience.attempts:
                        raise self._given_up(needed.error, remote) from needed
                    self.cancel.wait(patience.pause(failures))
                    remote = self.renew()
                except (HostUnreachable, ServerFailed, TooManyRequests) as error:
                    useful = self.part.received - before >= patience.useful_bytes
                    failures = 1 if useful else failures + 1
                    pause = pause_before_retry(patience, error, failures)
                    if pause is None:
                        raise self._given_up(error, remote) from error
                    self.cancel.wait(pause)
        finally:
            self.space.release(self.part)

    def _given_up(self, error: DownloadError, remote: RemoteFile) -> DownloadError:
        received = self.part.received
        if isinstance(error, HostUnreachable) and received:
            return DownloadInterrupted(name=self.part.name, received=received, total=remote.size)
        return error

    def _receive(self, remote: RemoteFile, have: int) -> None:
        if remote.size is not None and have == remote.size:
            self.progress(have, remote.size)
            return
        self.space.reserve(self.part, (remote.size or have) - have)
        headers = {}
        if have:
            headers["Range"] = f"bytes={have}-"
            if remote.validator:
                headers["If-Range"] = remote.validator
        with self.web.get(remote.url, headers, remote.key) as answer:
            start = self._start(answer, remote, have)
            if start is not None:
                with storage_errors(self.part.path):
                    self._write(answer, remote, start)

    def _start(self, answer: Answer, remote: RemoteFile, have: int) -> int | None:
        """Position in the file of the answer's first byte; None when there is nothing left to receive."""
        error = error_for_status(answer, self.link.shown)
        first, total = answer.content_range
        if answer.status == 416 and have:
            if total == have and remote.size is None:
                return None
            raise _Renew(ServerFailed(host=answer.host, status=416), forget=True)
        if isinstance(error, ServerFailed | TooManyRequests):
            raise error
        if error:
            raise _Renew(error)
        if answer.is_web_page:
            raise _Renew(WebPageInsteadOfFile(link=self.link.shown))
        changed = _Renew(ServerFailed(host=answer.host, status=answer.status), forget=True)
        if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise changed
        whole = total if answer.status == 206 else answer.length
        now = validator(answer.headers)
        if whole is not None and remote.size is not None and whole != remote.size:
            raise changed
        if answer.status == 200:
            return 0
        if (first or 0) != have or (now and remote.validator and now != remote.validator):
            raise changed
        return have

    def _write(self, answer: Answer, remote: RemoteFile, start: int) -> None:
        """Append the answer's body at ``start``, dropping what was there from ``start`` on."""
        self.part.path.parent.mkdir(parents=True, exist_ok=True)
        pace = _Pace(self.web.patience)
        position = start
        with self.part.path.open("r+b" if self.part.path.exists() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            self.progress(position, remote.size)
            for data in answer.chunks(CHUNK):
                self.cancel.raise_if_cancelled()
                if remote.size is not None and position + len(data) > remote.size:
                    raise _Renew(ServerFailed(host=answer.host, status=answer.status), forget=True)
                file.write(data)
                position += len(data)
                self.space.used(self.part, len(data))
                self.progress(position, remote.size)
                pace.check(position, answer.host)
            file.flush()
            os.fsync(file.fileno())
        expected = remote.size if remote.size is not None else (start + answer.length if answer.length else None)
        if expected is not None and position < expected:
            raise HostUnreachable(host=answer.host, reason="connection")

    def _check_hash(self, remote: RemoteFile) -> None:
        if remote.sha256 and sha256_of(self.part.path, self.cancel) != remote.sha256:
            raise HashMismatch(name=self.part.name)


class _Pace:
    """Notices transfers that drip: fewer than ``slow_rate`` bytes per second over ``slow_window`` seconds."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since = time.monotonic()
        self._position: int | None = None

    def check(self, position: int, host: str) -> None:
        """Note that the transfer is at ``position``. Raises ``HostUnreachable`` when it drips."""
        now = time.monotonic()
        if self._position is None:
            self._position = position
        elapsed = now - self._since
        if elapsed < self._patience.slow_window:
            return
        if position - self._position < self._patience.slow_rate * elapsed:
            raise HostUnreachable(host=host, reason="timeout")
        self._since, self._position = now, position


def same_file(path: Path, remote: RemoteFile, cancel: CancelToken) -> bool:
    """Whether ``path`` already holds ``remote``: the same size, and the same SHA-256 where the provider states one."""
    try:
        size = path.stat().st_size
    except OSError:
        return False
    if remote.size is None or size != remote.size or not path.is_file():
        return False
    return remote.sha256 is None or sha256_of(path, cancel) == remote.sha256


def same_content(path: Path, other: Path, cancel: CancelToken) -> bool:
    """Whether two files hold the same bytes."""
    if not path.is_file() or path.stat().st_size != other.stat().st_size:
        return False
    return sha256_of(path, cancel) == sha256_of(other, cancel)
