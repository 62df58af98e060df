"""A program of ours that answers lines: one of JSON in, one of JSON out."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any


class Asked:
    """Starts ``command`` when it is first asked, and ends it when nobody has asked for ``idle`` seconds. It also ends
    when this process does, which closes its stdin. Safe to use from several threads.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, idle: float = 300.0) -> None:
        self._command = list(command)
        self._environ = dict(environ)
        self._idle = idle
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._rest: threading.Timer | None = None

    def ask(self, said: Any, seconds: float) -> Any:
        """The answer; None when there is none within ``seconds``, and the program is ended then, or when the system
        cannot start it."""
        with self._lock:
            if self._rest:
                self._rest.cancel()
            try:
                running = self._started()
                assert running.stdin
                running.stdin.write(json.dumps(said) + "\n")
                running.stdin.flush()
                line = self._answers.get(timeout=seconds)
                answer = json.loads(line) if line else None
            except (OSError, ValueError, queue.Empty):
                answer = None
            if answer is None:
                self._end()
                return None
            self._rest = threading.Timer(self._idle, self.close)
            self._rest.daemon = True
            self._rest.start()
            return answer

    def close(self) -> None:
        """End the program."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        if self._running is None or self._running.poll() is not None:
            self._end()
            self._answers = queue.SimpleQueue()
            self._running = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
            threading.Thread(target=_read, args=(self._running, self._answers), daemon=True).start()
        return self._running

    def _end(self) -> None:
        running, self._running = self._running, None
        if running:
            running.kill()
            running.wait()
            for pipe in (running.stdin, running.stdout):
                with contextlib.suppress(OSError, ValueError):
                    if pipe:
                        pipe.close()


def _read(running: subprocess.Popen[str], answers: queue.SimpleQueue[str | None]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in running.stdout or ():
            answers.put(line)
    answers.put(None)
