"""How long each part of a job took, from the events that tell of its phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sdcolab.core.events import Event, Listener, Phase, PhaseStarted


class PartTimes:
    """A listener that passes everything on to ``listener`` and adds up the time between phases."""

    def __init__(self, listener: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener = listener
        self._clock = clock
        self._spent: dict[Phase, float] = {}
        self._phase: Phase | None = None
        self._since = 0.0

    def __call__(self, event: Event) -> None:
        """Hear ``event``; a phase lasts until the next one starts."""
        if isinstance(event, PhaseStarted):
            self._add()
            self._phase = event.phase
        self._listener(event)

    def ended(self) -> Mapping[Phase, float]:
        """Seconds of each phase, in the order in which they came first, now that the job is over. Waiting for others is
        no part of it."""
        self._add()
        self._phase = None
        return {phase: spent for phase, spent in self._spent.items() if phase is not Phase.WAITING}

    def _add(self) -> None:
        now = self._clock()
        if self._phase is not None:
            self._spent[self._phase] = self._spent.get(self._phase, 0.0) + now - self._since
        self._since = now
