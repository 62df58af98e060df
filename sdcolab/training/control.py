"""Orders to a training from another thread: pause, go on, stop. No torch."""

from __future__ import annotations

import threading


class Control:
    """Safe from any thread. A training looks at it before every batch."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()

    def pause(self) -> None:
        """Ask the training to wait."""
        self._go.clear()

    def go_on(self) -> None:
        """Let it go on."""
        self._go.set()

    def stop(self) -> None:
        """Ask it to save and end, also while it waits."""
        self._stop.set()
        self._go.set()

    @property
    def paused(self) -> bool:
        """Whether it should wait."""
        return not self._go.is_set()

    @property
    def stopped(self) -> bool:
        """Whether it should end."""
        return self._stop.is_set()

    def wait_while_paused(self) -> None:
        """Return when it may go on, or must stop."""
        self._go.wait()
