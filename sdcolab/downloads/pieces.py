"""What a file still misses, handed out piece by piece to the connections that fetch it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from sdcolab.downloads.parts import Part, gaps, with_span
from sdcolab.downloads.policies import Splitting
from sdcolab.downloads.providers.base import RemoteFile


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to ask for; without ``end``, all there are."""

    start: int
    end: int | None


class Pieces:
    """What ``remote`` still misses, handed out piece by piece to at most ``most`` connections."""

    def __init__(self, part: Part, remote: RemoteFile, splitting: Splitting, most: int) -> None:
        self._part = part
        self._remote = remote
        self._splitting = splitting
        self._most = most
        self._lock = threading.Lock()
        self._busy: set[Piece] = set()
        self._began, self._had = time.monotonic(), part.received
        self.stopped = False
        self.complete = False
        """Whether a file of unknown size has ended."""

    @property
    def missing(self) -> bool:
        """Whether there are bytes that are neither here nor on their way."""
        with self._lock:
            return self._next_gap() is not None

    def take(self, connections: int) -> Piece | None:
        """What a connection is to fetch next, where there are so many ``connections``."""
        with self._lock:
            gap = None if self.stopped else self._next_gap()
            if gap is None:
                return None
            piece = gap
            if self._most > 1 and gap.end is not None and self._remote.size is not None:
                missing = self._remote.size - self._part.received
                length = self._splitting.piece(missing, self._most, self._speed() / connections)
                # What would be left over is taken along if it is smaller than a piece may be.
                if gap.end - gap.start >= length + self._splitting.least:
                    piece = Piece(gap.start, gap.start + length)
            self._busy.add(piece)
            return piece

    def leave(self, piece: Piece) -> int:
        """``piece`` is nobody's any more; how many others are being fetched."""
        with self._lock:
            self._busy.discard(piece)
            return len(self._busy)

    def _speed(self) -> float:
        """Bytes per second of this round until now."""
        elapsed = time.monotonic() - self._began
        return (self._part.received - self._had) / elapsed if elapsed > 0 else 0.0

    def _next_gap(self) -> Piece | None:
        """The first bytes that are neither here nor on their way."""
        size = self._remote.size
        if size is None:
            return None if self._busy or self.complete else Piece(self._part.received, None)
        spans = self._part.spans
        for piece in self._busy:
            spans = with_span(spans, piece.start, piece.end or size)
        return next((Piece(*gap) for gap in gaps(spans, size)), None)
