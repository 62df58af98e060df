"""How many connections a file gets, and how much each fetches at a time: policies as values, without a network."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

WATCH_SECONDS = 0.1
"""How often a round looks at its connections, tells its progress and notices that it was cancelled."""


@dataclass(frozen=True, slots=True)
class Splitting:
    """How a file is spread over connections. Sizes in bytes."""

    connections: int = 16
    """Most connections for one file."""
    first: int = 1
    """Connections to begin with. The others follow at once when these are slower than ``fast``."""
    fast: float = 64e6
    """Bytes per second of a connection beyond which more of them may only be in each other's way: their number grows
    ``growth`` times, and again only if that brought ``worth`` times as much."""
    growth: int = 4
    worth: float = 1.25
    enough: float = 0.6e9
    """Bytes per second of all connections beyond which more of them bring nothing: a disk hardly keeps up with that,
    and on two cores they take the time from each other."""
    per_connection: int = 4 << 20
    """A file gets one connection for each so many bytes that are missing."""
    least: int = 1 << 20
    most: int = 32 << 20
    """Smallest and largest piece that is asked for at a time, unless that is over in no time. Pieces shrink towards the
    end, so that all connections end together."""
    shortest: float = 0.1
    """Seconds that a piece should take at least: asking for less costs more time than ending together saves."""

    def useful(self, missing: int) -> int:
        """Connections worth opening for ``missing`` bytes."""
        return max(1, min(self.connections, missing // self.per_connection))

    def piece(self, missing: int, connections: int, speed: float) -> int:
        """How many of ``missing`` bytes one connection takes next that brings ``speed`` bytes per second, when there
        may be ``connections``."""
        share = min(self.most, max(self.least, missing // (2 * connections)))
        return max(share, int(self.shortest * speed))


class Connections:
    """Connections shared by the files that are downloaded at the same time: one each, and a common reserve."""

    def __init__(self, reserve: int) -> None:
        self._reserve = reserve
        self._lock = threading.Lock()
        self._taken: dict[object, int] = {}

    @contextlib.contextmanager
    def member(self) -> Iterator[object]:
        """Take part with one connection; gives what to call the other methods with."""
        ticket = object()
        with self._lock:
            self._taken[ticket] = 0
        try:
            yield ticket
        finally:
            with self._lock:
                del self._taken[ticket]

    def take(self, ticket: object) -> bool:
        """One connection more, from the reserve, if there is one left and it is this file's turn."""
        with self._lock:
            fair = self._taken[ticket] < self._share()
            if fair and sum(self._taken.values()) < self._reserve:
                self._taken[ticket] += 1
                return True
            return False

    def give_back(self, ticket: object, *, only_if_unfair: bool = False) -> bool:
        """Return one to the reserve, if any was taken (and if other files should have it). Whether it was."""
        with self._lock:
            if not self._taken[ticket] or (only_if_unfair and self._taken[ticket] <= self._share()):
                return False
            self._taken[ticket] -= 1
            return True

    def _share(self) -> int:
        return -(-self._reserve // max(1, len(self._taken)))


class Ceiling:
    """How many connections a round may have ``now``: few, then more for as long as more of them bring more; fewer again
    when they brought less.

    ``most`` is never exceeded; ``received`` bytes are here at the time ``now`` (seconds of ``time.monotonic``).
    """

    def __init__(self, splitting: Splitting, most: int, received: int, now: float) -> None:
        self._splitting = splitting
        self._most = most
        self.now = min(most, splitting.first)
        self._fewer = self.now
        self._since, self._had, self._best = now, received, 0.0

    def look(self, received: int, now: float) -> None:
        """Decide again, if the last time is long enough ago."""
        elapsed = now - self._since
        if elapsed < WATCH_SECONDS:
            return
        speed = (received - self._had) / elapsed
        if speed < self._splitting.fast * self.now:
            self.now = self._most
        elif self._splitting.worth * self._best < speed < self._splitting.enough:
            self._fewer, self._best = self.now, speed
            self.now = min(self._most, self._splitting.growth * self.now)
        elif self._splitting.worth * speed < self._best:
            self.now = min(self.now, self._fewer)
        self._since, self._had = now, received

    def lower(self, number: int) -> None:
        """Never again more than ``number`` connections, or one."""
        self._most = max(1, number)
        self.now = min(self.now, self._most)
