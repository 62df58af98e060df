"""Waiting for what may never answer (Google Drive, above all) without falling silent and without being stuck."""

from __future__ import annotations

import contextlib
import io
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sdcolab.core.words.notebook import WAITED

SILENCE_SECONDS = 4.0
"""Longest time without a word while something is waited for."""

T = TypeVar("T")


@contextlib.contextmanager
def telling(say: Callable[[str], object], what: str, last_word: Callable[[], float] = lambda: 0.0) -> Iterator[None]:
    """Say again and again that ``what`` is still waited for, from another thread, while the block lasts.

    ``last_word`` tells when (``time.monotonic``) something else was shown: what moves needs no words.
    """
    done, started = threading.Event(), time.monotonic()

    def tell() -> None:
        told = started
        while not done.wait(max(told, last_word()) + SILENCE_SECONDS - time.monotonic()):
            if time.monotonic() - last_word() < SILENCE_SECONDS:
                continue
            told = time.monotonic()
            say(WAITED.format(what=what, seconds=round(time.monotonic() - started)))

    teller = threading.Thread(target=tell, name="sdcolab-espera", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def is_waiting(line: str) -> bool:
    """Whether ``line`` is one of those that ``telling`` says."""
    return line.startswith(WAITED.partition("{")[0])


def within(seconds: float | None, work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return or raise what it does; the caller stays interruptible.

    Raises ``TimeoutError`` after ``seconds``; the work is then left to end by itself.
    """
    outcome: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            outcome.put((None, error))

    threading.Thread(target=run, name="sdcolab-tarea", daemon=True).start()
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            result, error = outcome.get(timeout=0.2)
        except queue.Empty:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError from None
            continue
        if error:
            raise error
        return result  # type: ignore[return-value]  # None only when that is T


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Swallow what this thread prints, and only this one: others may be ``telling``."""
    with contextlib.redirect_stdout(_Muted(sys.stdout, threading.get_ident())):
        yield


class _Muted(io.TextIOBase):
    def __init__(self, stream: Any, thread: int) -> None:
        self._stream = stream
        self._thread = thread

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return len(text)
        return int(self._stream.write(text) or 0)

    def flush(self) -> None:
        self._stream.flush()
