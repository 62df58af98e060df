"""Connections that say nothing, or only half of a request, do not stay."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADER_SECONDS = 20.0
"""How long a client may take from connecting, or from its last answer, until its request's headers are here."""


class ImpatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's protocol, which hangs up on whoever sends headers too slowly. uvicorn has a limit for connections that
    wait between requests only, and one byte ends that."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._answering():
            self._forget()
        elif self._limit is None:
            self._limit = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._hang_up)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _hang_up(self) -> None:
        self._limit = None
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def _forget(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
