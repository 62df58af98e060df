"""Keeps a child process alive: starts it, follows what it says, and starts it again when it dies.

Children speak on stdout as ``core.wire`` says (``{"event": ...}``); everything else they print goes to their log. They
live in a session of their own, so interrupting the cell does not reach them, and end with their parent (see
``process.child``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from sdcolab.core.errors import StorageError
from sdcolab.core.files import storage_errors
from sdcolab.core.kept import write_kept
from sdcolab.core.wire import Message, message_from
from sdcolab.core.words.machine import EXIT_CODE, EXIT_SIGNAL
from sdcolab.process.child import bound_command

TAIL_LINES = 12
MAX_LOG_BYTES = 5_000_000
KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
"""The signal that ends a process at once."""

CANNOT_START = 126
"""Exit code for a child that could not even be started, as shells use it."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When to start a dead child again.

    ``delays``: seconds to wait, by the number of quick deaths in a row (the last repeats). A death is quick before the
    child's first event or within ``quick_seconds`` of its start. After ``give_up_after`` in a row it is left dead.
    """

    delays: tuple[float, ...] = (0.5, 2.0, 5.0)
    quick_seconds: float = 20.0
    give_up_after: int | None = 4


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run. ``environ`` is the child's whole environment; ``death_signal`` reaches it if we die."""

    name: str
    command: tuple[str, ...]
    log: Path
    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    restart: RestartPolicy = RestartPolicy()
    death_signal: int = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class ChildSaid:
    """The child printed an event. ``blobs`` are the bytes that it speaks of."""

    message: Mapping[str, Any]
    blobs: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ChildDied:
    """The child ended without being asked; ``code`` as ``subprocess`` gives it (-9: killed). It starts again soon."""

    code: int


@dataclass(frozen=True, slots=True)
class ChildGaveUp:
    """The child died at once too many times in a row and is left dead. ``tail`` is the end of its log."""

    code: int
    times: int
    log: Path
    tail: str


ChildNews = ChildSaid | ChildDied | ChildGaveUp


class Supervisor:
    """One child. ``listener`` hears its news from the supervisor's threads."""

    def __init__(self, spec: ChildSpec, listener: Callable[[ChildNews], None], roster: Roster | None = None) -> None:
        self.spec = spec
        self._listener = listener
        self._roster = roster
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._spoke = False
        self._thread = threading.Thread(target=self._work, name=f"sdcolab-{spec.name}", daemon=True)

    def start(self) -> None:
        """Start the child and begin to watch it."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The running child's number, or None between two lives."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def send(self, message: Message) -> bool:
        """Write ``message`` to the child; whether it could be. The child must read all it is sent."""
        process = self._process
        if process is None or process.stdin is None:
            return False
        rest = memoryview(message.encoded())
        try:
            with self._sending:
                while rest:  # not the stream's own buffer, which would complain again when it is closed
                    rest = rest[os.write(process.stdin.fileno(), rest) :]
        except (OSError, ValueError):  # it is dead, or already put away
            return False
        return True

    def stop(self, seconds: float = 5.0) -> None:
        """Ask the child to end, make it end after ``seconds``, and forget it. Safe to call twice."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process:
            end_group(process.pid, seconds, lambda: process.poll() is not None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        quick_deaths = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                code = self._live_once()
            except OSError:  # no memory or no disk even to start it
                code = CANNOT_START
            if self._stopping.is_set() or code is None:
                return
            quick = not self._spoke or time.monotonic() - started < self.spec.restart.quick_seconds
            quick_deaths = quick_deaths + 1 if quick else 0
            limit = self.spec.restart.give_up_after
            if limit is not None and quick_deaths >= limit:
                self._listener(ChildGaveUp(code, quick_deaths, self.spec.log, log_tail(self.spec.log)))
                return
            self._listener(ChildDied(code))
            delays = self.spec.restart.delays
            self._stopping.wait(delays[min(max(quick_deaths, 1), len(delays)) - 1])

    def _live_once(self) -> int | None:
        """One life of the child, from start to end; its exit code, or None when it was not to be started any more."""
        self._spoke = False
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        self.spec.folder.mkdir(parents=True, exist_ok=True)
        with open_log(self.spec.log) as log:
            with self._lock:
                if self._stopping.is_set():
                    return None
                process = self._process = subprocess.Popen(
                    bound_command(self.spec.command, self.spec.death_signal),
                    stdin=subprocess.PIPE,  # carries ``send``; its end tells a child that its parent is gone
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self.spec.folder,
                    env=dict(self.spec.environ),
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows: no Ctrl+C for it
                )
            if self._roster:
                self._roster.add(process.pid)
            assert process.stdout is not None
            reader = threading.Thread(target=self._follow, args=(cast(BinaryIO, process.stdout), log), daemon=True)
            reader.start()
            code = process.wait()
            signal_group(process.pid, KILL)  # what the child may have left behind
            reader.join(5.0)
            if process.stdin:
                process.stdin.close()
            if self._roster:
                self._roster.remove(process.pid)
        return code

    def _follow(self, stdout: BinaryIO, log: IO[bytes]) -> None:
        with stdout:
            for line in iter(stdout.readline, b""):
                try:
                    message = _as_event(line, stdout)
                except EOFError:
                    return
                if message is None:
                    with contextlib.suppress(OSError, ValueError):  # a full disk, or a log closed under our feet
                        log.write(line)
                        log.flush()
                else:
                    self._spoke = True
                    self._listener(ChildSaid(message.values, message.blobs))


class Roster:
    """The children of this process, on disk, so that a later run can end those that a former one could not.

    One file for each owner. Children of an owner that still lives in another process are left alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pids: set[int] = set()
        self._lock = threading.Lock()

    def add(self, pid: int) -> None:
        """Write ``pid`` down."""
        with self._lock:
            self._pids.add(pid)
            with contextlib.suppress(StorageError):  # without it only the clean-up of a crash is lost
                self._write()

    def remove(self, pid: int) -> None:
        """Cross ``pid`` out."""
        with self._lock:
            self._pids.discard(pid)
            with contextlib.suppress(StorageError):
                self._write()

    def end_former(self) -> int:
        """End the children left by this process's former sessions or by owners that no longer exist; how many."""
        ended = 0
        for path in self._folder.glob("procesos-*.json"):
            try:
                saved = json.loads(path.read_text(encoding="utf-8"))
                owner, children = _Identity(*saved["owner"]), [_Identity(*child) for child in saved["children"]]
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            if owner.pid != os.getpid() and owner.alive():
                continue
            alive = [child for child in children if child.alive()]
            for child in alive:
                end_group(child.pid, 3.0, child.gone)
            ended += len(alive)
            with contextlib.suppress(OSError):
                path.unlink()
        return ended

    def _write(self) -> None:
        path = self._folder / f"procesos-{os.getpid()}.json"
        if not self._pids:
            with storage_errors(path):
                path.unlink(missing_ok=True)
            return
        children = [_identity(pid) for pid in sorted(self._pids)]
        content = {"owner": _identity(os.getpid()), "children": children}
        write_kept(path, content)


@dataclass(frozen=True, slots=True)
class _Identity:
    """A process, told from a later one with the same number by ``started``, its start time in ticks."""

    pid: int
    started: int

    def alive(self) -> bool:
        return self.started != 0 and _start_ticks(self.pid) == self.started

    def gone(self) -> bool:
        return not self.alive()


def _identity(pid: int) -> tuple[int, int]:
    return pid, _start_ticks(pid)


def _start_ticks(pid: int) -> int:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); 0 for no such process, a zombie, or a system that is not Linux."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if after_name[0] == "Z" else int(after_name[19])


def was_killed(code: int) -> bool:
    """Whether a child with this exit code was killed outright, as Linux does when memory runs out."""
    return sys.platform != "win32" and code in (-KILL, 128 + KILL)


def ending(code: int) -> str:
    """How a child ended, in Spanish, told by its exit code (negative: the signal that killed it)."""
    if code >= 0:
        return EXIT_CODE.format(code=code)
    return EXIT_SIGNAL.format(signal=signal.Signals(-code).name if -code in _SIGNALS else -code)


_SIGNALS = frozenset(int(number) for number in signal.Signals)


def end_group(pid: int, seconds: float, gone: Callable[[], bool]) -> None:
    """Ask the process and its children to end; make them after ``seconds``."""
    signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while not gone() and time.monotonic() < deadline:
        time.sleep(0.05)
    signal_group(pid, KILL)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a child that leads its own session, and to its children; on Windows, which has neither, end the
    child."""
    with contextlib.suppress(OSError):  # it has ended already
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)


def open_log(path: Path) -> IO[bytes]:
    """The child's log, open to add to; a big one is put aside as ``.1`` first."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def log_tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` of a log, to show when nothing else helps."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8000))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _as_event(line: bytes, stdout: BinaryIO) -> Message | None:
    """The event that begins with ``line``; None when the child printed something else. Raises ``EOFError``."""

    def read(size: int) -> bytes:
        blob = stdout.read(size)
        if len(blob) < size:
            raise EOFError
        return blob

    message = message_from(line, read)
    return message if message and isinstance(message.values.get("event"), str) else None
