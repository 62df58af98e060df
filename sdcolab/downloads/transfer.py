"""Moving a file from a server to the disk: over several connections, resumable, checked, patient with bad servers.

A round of connections (``_Crew``) takes the file's missing bytes in pieces. A connection that breaks leaves the round
and its piece goes to another one; when the last has left, ``Transfer.run`` decides whether a new round is worth it.
Servers that do not send parts of files get rounds of one connection.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from sdcolab.core.errors import (
    DownloadError,
    DownloadInterrupted,
    HashMismatch,
    HostUnreachable,
    ServerFailed,
    TooManyRequests,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.files import storage_errors
from sdcolab.downloads.http import Answer, Patience, Web, error_for_status, pause_before_retry
from sdcolab.downloads.kernel import begin_writing
from sdcolab.downloads.links import Link
from sdcolab.downloads.parts import DiskSpace, Part
from sdcolab.downloads.pieces import Piece, Pieces
from sdcolab.downloads.policies import WATCH_SECONDS, Ceiling, Connections, Splitting
from sdcolab.downloads.providers.base import RemoteFile, validator

CHUNK = 1 << 18
"""Most bytes that are read or hashed at a time."""

WAKE_BYTES = 8 << 20
"""How much of a connection's data is sent to the disk at a time."""

SAVE_SECONDS = 2.0
"""How often what has arrived is made safe against a crash."""

Progress = Callable[[int, int | None], None]
"""Called with bytes on disk and total bytes (None while unknown)."""


class _Renew(Exception):
    """The address has to be resolved again; ``error`` is what to report when that does not help either."""

    def __init__(self, error: DownloadError, *, forget: bool = False) -> None:
        super().__init__()
        self.error = error
        self.forget = forget
        """Whether what is on disk belongs to another version, or cannot be continued."""


class _NoRanges(Exception):
    """The server does not send the part that was asked for: one connection only, from now on."""


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
    splitting: Splitting
    connections: Connections

    def run(self, remote: RemoteFile) -> RemoteFile:
        """Fetch ``remote`` until all of it is in the part and checked; the part stays when that fails half-way.

        Returns the file as it was last found. Raises ``DownloadError``, ``StorageError`` or ``Cancelled``.
        """
        patience = self.web.patience
        failures = wrong_hashes = 0
        alone = False
        try:
            while True:
                self.cancel.raise_if_cancelled()
                before = self.part.prepare(remote)
                try:
                    self._receive(remote, before, alone)
                    self._check_hash(remote)
                    return remote
                except HashMismatch:
                    wrong_hashes += 1
                    self.part.discard()
                    if wrong_hashes == 2:
                        raise
                    alone = True
                    remote = self.renew()
                except _NoRanges:
                    alone = True
                except _Renew as needed:
                    useful = self.part.received - before >= patience.useful_bytes
                    failures = 1 if useful and not needed.forget else failures + 1
                    if needed.forget:
                        self.part.discard()
                        alone = True
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

    def _receive(self, remote: RemoteFile, have: int, alone: bool) -> None:
        if remote.size is not None and have == remote.size:
            self.progress(have, remote.size)
            return
        missing = (remote.size or have) - have
        self.space.reserve(self.part, self.part.room_needed(missing))
        if self.part.allocate(remote.size or 0):
            self.space.used(self.part, missing)
        known = remote.sha256 or remote.validator
        several = remote.ranges and known and remote.size and not alone
        most = self.splitting.useful(missing) if several else 1
        try:
            with self.connections.member() as ticket:
                _Crew(self, remote, most, ticket).run()
        finally:
            self.part.trim()

    def _check_hash(self, remote: RemoteFile) -> None:
        if remote.sha256 and sha256_of(self.part.path, self.cancel) != remote.sha256:
            raise HashMismatch(name=self.part.name)


class _Crew:
    """One round of connections that fetch what ``remote`` still misses."""

    def __init__(self, transfer: Transfer, remote: RemoteFile, most: int, ticket: object) -> None:
        self._job = transfer
        self._part = transfer.part
        self._remote = remote
        self._most = most
        self._ticket = ticket
        self._lock = threading.Lock()
        self._pieces = Pieces(transfer.part, remote, transfer.splitting, most)
        self._answers: dict[Answer, float] = {}
        """Bodies that are being read, and when their last bytes came (``time.monotonic``)."""
        self._ceiling = Ceiling(transfer.splitting, most, self._part.received, time.monotonic())

    def run(self) -> None:
        """Fetch until nothing is missing. Raises what ended the round; what has arrived by then is saved."""
        with ThreadPoolExecutor(self._most + 1, thread_name_prefix="descarga-tramo") as pool:
            try:
                self._lead(pool)
            finally:
                self._stop()
        self._job.progress(self._part.received, self._remote.size)

    def _lead(self, pool: ThreadPoolExecutor) -> None:
        """Start connections, replace those that broke, and tell how it goes."""
        patience = self._job.web.patience
        workers: set[Future[bool]] = set()
        saving: Future[None] | None = None
        next_start = next_save = 0.0
        broken = received_then = 0
        while True:
            now = time.monotonic()
            if not workers and not self._pieces.missing:
                return
            may_start = not workers or (now >= next_start and len(workers) < self._ceiling.now and self._pieces.missing)
            if may_start and (not workers or self._job.connections.take(self._ticket)):
                workers.add(pool.submit(self._work))
                continue
            done, workers = wait(workers, timeout=WATCH_SECONDS, return_when=FIRST_COMPLETED)
            self._job.cancel.raise_if_cancelled()
            self._job.progress(self._part.received, self._remote.size)
            self._ceiling.look(self._part.received, time.monotonic())
            for worker in done:
                lost, gave_back = _outcome(worker)
                if not gave_back:
                    self._job.connections.give_back(self._ticket)
                if lost is None:
                    continue
                if not workers:
                    raise lost
                received = self._part.received
                broken = 1 if received - received_then >= patience.useful_bytes else broken + 1
                received_then = received
                next_start = now + patience.pause(min(broken, 10))
                if not isinstance(lost, HostUnreachable):
                    self._ceiling.lower(len(workers))  # more at a time are too many for this server
            self._hurry_stragglers(now)
            if saving and saving.done():
                saving.result()
                saving = None
            if saving is None and now >= next_save:
                saving = pool.submit(self._part.save) if next_save else None
                next_save = now + SAVE_SECONDS

    def _hurry_stragglers(self, now: float) -> None:
        """End connections that went silent when nothing else is left to fetch: a new one is faster than waiting."""
        if self._most == 1 or self._pieces.missing:
            return
        with self._lock:
            answers = tuple(self._answers.items())
        for answer, moved in answers:
            if now - moved > self._job.web.patience.tail_timeout:
                answer.abort()

    def _stop(self) -> None:
        """Make every connection end now, and keep what they brought."""
        with self._lock:
            self._pieces.stopped = True
            answers = tuple(self._answers)
        for answer in answers:
            answer.abort()
        self._part.save()

    def _work(self) -> bool:
        """One connection: piece after piece. Returns whether it has already left its place to another file."""
        while piece := self._pieces.take(self._ceiling.now):
            try:
                self._fetch(piece)
            finally:
                others = self._pieces.leave(piece)
            if others >= self._ceiling.now:
                return False
            if self._job.connections.give_back(self._ticket, only_if_unfair=True):
                return True
        return False

    def _fetch(self, piece: Piece) -> None:
        """Ask for ``piece`` and write what comes."""
        headers = _asking_for(piece, self._remote, several=self._most > 1)
        with self._job.web.get(self._remote.url, headers, self._remote.key) as answer:
            position = self._check(answer, piece)
            if position is None:
                self._pieces.complete = True
                return
            with self._lock:
                if self._pieces.stopped:
                    return
                self._answers[answer] = time.monotonic()
            try:
                with storage_errors(self._part.path):
                    self._write(answer, position, piece.end if position == piece.start else self._remote.size)
            finally:
                with self._lock:
                    self._answers.pop(answer, None)

    def _check(self, answer: Answer, piece: Piece) -> int | None:
        """Position in the file of the answer's first byte; None when there was nothing left to receive."""
        error = error_for_status(answer, self._job.link.shown)
        first, total = answer.content_range
        size = self._remote.size
        if answer.status == 416:
            if size is None and total == piece.start:
                return None
            failed = ServerFailed(host=answer.host, status=416)
            if self._most > 1 and total in (None, size):
                raise _NoRanges
            raise _Renew(failed, forget=True)
        if isinstance(error, ServerFailed | TooManyRequests):
            raise error
        if error:
            raise _Renew(error)
        if answer.is_web_page:
            raise _Renew(WebPageInsteadOfFile(link=self._job.link.shown))
        changed = _Renew(ServerFailed(host=answer.host, status=answer.status), forget=True)
        if answer.packed and answer.status == 206:  # a part of what is packed is of no use
            raise changed
        whole = total if answer.status == 206 else answer.length
        if whole is not None and size is not None and whole != size:
            raise changed
        now = validator(answer.headers)
        if answer.status == 200:
            return self._check_whole(piece, now)
        if now and self._remote.validator and now != self._remote.validator:
            raise changed
        if (first or 0) != piece.start:
            raise _NoRanges if self._most > 1 else changed
        return piece.start

    def _check_whole(self, piece: Piece, now: str | None) -> int:
        """The server sends the file from its beginning."""
        if self._most > 1 and piece != Piece(0, self._remote.size):
            raise _NoRanges
        certain = self._remote.validator or self._remote.sha256
        if not certain or now != self._remote.validator:
            self._part.restart(replace(self._remote, validator=now))
            self._part.allocate(self._remote.size or 0)
        return 0

    def _write(self, answer: Answer, position: int, end: int | None) -> None:
        """Write the answer's body from ``position`` up to ``end``."""
        size = self._remote.size
        declared = position + answer.length if answer.length is not None else None
        limit = declared if end is None else end
        pace = _Pace(self._job.web.patience)
        self._part.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._part.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        with FileIO(descriptor, "r+b") as file:
            wake = _Wake(descriptor, position)
            for data in answer.chunks(CHUNK):
                if self._pieces.stopped:
                    return
                if size is not None and position + len(data) > size:
                    raise _Renew(ServerFailed(host=answer.host, status=answer.status), forget=True)
                used = len(data) if end is None else min(len(data), end - position)
                file.seek(position)
                _write_all(file, memoryview(data)[:used])
                position = self._arrived(answer, position, used)
                if end is not None and used < len(data):
                    return
                pace.check(position, answer.host)
                for count in answer.poured(descriptor, position, (limit or position) - position):
                    position = self._arrived(answer, position, count)
                    if self._pieces.stopped:
                        return
                    pace.check(position, answer.host)
                    wake.at(position)
                wake.at(position)
        expected = end if end is not None else declared
        if expected is not None and position < expected:
            raise HostUnreachable(host=answer.host, reason="connection")
        self._pieces.complete = size is None

    def _arrived(self, answer: Answer, position: int, count: int) -> int:
        """Note that ``count`` bytes from ``position`` are in the file; gives the position behind them."""
        self._part.wrote(position, position + count)
        self._answers[answer] = time.monotonic()
        self._job.space.used(self._part, count)
        return position + count


def _asking_for(piece: Piece, remote: RemoteFile, *, several: bool) -> dict[str, str]:
    """The headers that ask for ``piece`` of ``remote``; none where the whole file is wanted and nobody else asks."""
    last = piece.end is None or piece.end == remote.size
    if not (piece.start or not last or several):
        return {}
    headers = {"Range": f"bytes={piece.start}-{'' if last else (piece.end or 0) - 1}"}
    if remote.validator:
        headers["If-Range"] = remote.validator
    return headers


class _Wake:
    """Behind a connection that writes: what it leaves is sent to the disk, so that saving the part is quick."""

    def __init__(self, file: int, position: int) -> None:
        self._file = file
        self._done = position

    def at(self, position: int) -> None:
        """Everything before ``position`` is in the file."""
        if position - self._done >= WAKE_BYTES:
            begin_writing(self._file, self._done, position - self._done)
            self._done = position


def _write_all(file: FileIO, data: memoryview) -> None:
    """Write all of ``data`` to an unbuffered file, which may take it in several bites."""
    while data:
        data = data[file.write(data) :]


def _outcome(worker: Future[bool]) -> tuple[DownloadError | None, bool]:
    """The failure of a connection that others may make up for (None if it ended well), and whether it left its place
    to another file. Raises any other failure."""
    try:
        return None, worker.result()
    except (HostUnreachable, ServerFailed, TooManyRequests) as error:
        return error, False


def sha256_of(path: Path, cancel: CancelToken) -> str:
    """SHA-256 of a file, in lower-case hexadecimal. Raises ``Cancelled``, ``CannotWrite`` when it cannot be read."""
    digest = hashlib.sha256()
    with storage_errors(path), path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            cancel.raise_if_cancelled()
            digest.update(data)
    return digest.hexdigest()


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
