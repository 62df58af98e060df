"""The other end of ``child``: starts a training's process, hears its events and gives it orders. No torch."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdcolab.core.errors import Cancelled, TrainingCrashed, TrainingKilled
from sdcolab.training.child import GO_ON, PAUSE, STOP
from sdcolab.training.diary import diary
from sdcolab.training.events import Hear, LoraSaved, TrainingEnded, TrainingEvent, from_line

KEPT_LINES = 40
PATIENCE = 60.0
"""Seconds that a process gets to save and end before it is ended."""


class TrainingProcess:
    """A training that runs in a child process. ``run`` belongs to one thread; orders may come from any."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], plan: Path | None = None, logs: Path | None = None
    ) -> None:
        """``logs``: the folder where a diary is kept of what trains ``plan``; None for none."""
        self._plan = plan or Path()
        self._logs = logs
        self._command = list(command)
        self._environ = dict(environ)
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._lock = threading.Lock()

    def run(self, hear: Hear) -> Path:
        """Train to the end, telling ``hear``; the finished file.

        Raises what the training raised, ``TrainingKilled`` or ``TrainingCrashed``.
        """
        process = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a notebook's ⏹️ interrupts its whole group: the child must hear of it as an order
        )
        with self._lock:
            self._process = process
        finished: Path | None = None
        ended: TrainingEnded | None = None
        try:
            with diary(self._logs, self._plan) as told:
                for line in process.stdout or ():
                    event: TrainingEvent | None = from_line(line)
                    if event is None:
                        self._lines.append(line.rstrip())
                        told.line(line.rstrip())
                        continue
                    told.hear(event)
                    if isinstance(event, TrainingEnded):
                        ended = event
                    else:
                        hear(event)
                        finished = event.path if isinstance(event, LoraSaved) and event.last else finished
                code = process.wait()
                told.line(f"=== {code}")
        finally:
            self._end(process)
        return self._outcome(code, ended, finished)

    def pause(self) -> None:
        """Ask it to save and wait."""
        self._order(PAUSE)

    def go_on(self) -> None:
        """Let it go on."""
        self._order(GO_ON)

    def stop(self) -> None:
        """Ask it to save and end."""
        self._order(STOP)

    @property
    def log(self) -> str:
        """The last lines that were no events."""
        return "\n".join(self._lines)

    def _outcome(self, code: int, ended: TrainingEnded | None, finished: Path | None) -> Path:
        if ended is not None and ended.error is not None:
            raise ended.error
        if ended is not None and finished is not None:
            return finished
        if code == 130:
            raise Cancelled()
        if code == -signal.SIGKILL:
            raise TrainingKilled()
        raise TrainingCrashed(number=code, detail=self._lines[-1] if self._lines else "")

    def _order(self, word: str) -> None:
        with self._lock:
            process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(word + "\n")
                process.stdin.flush()

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Leave nothing running: first kindly, then not."""
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
