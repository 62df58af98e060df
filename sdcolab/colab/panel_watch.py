"""The panel's watching thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

WATCH_SECONDS = 0.25


class Watcher:
    """Calls ``draw`` again and again in a thread of its own; ``crashed`` hears of what it raises, and the watch goes
    on."""

    def __init__(self, draw: Callable[[], None], crashed: Callable[[Exception], None]) -> None:
        self._draw = draw
        self._crashed = crashed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sdcolab-panel", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> bool:
        """Watch no longer; whether it was still to be stopped."""
        first = not self._stop.is_set()
        self._stop.set()
        return first

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._draw()
            except Exception as error:  # noqa: BLE001 - an edge: one drawing that fails must not end the watch
                self._crashed(error)
