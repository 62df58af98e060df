"""Answers that are held back until they are whole, so that they can be changed or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    async def of(cls, app: ASGIApp, scope: Scope, receive: Receive) -> Self:
        """What ``app`` answers."""
        start: Message = {}
        body = bytearray()

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await app(scope, receive, take)
        return cls(start["status"], tuple(start["headers"]), bytes(body))

    def changed(self, body: bytes, *, cache: str = "") -> Whole:
        """With another ``body``, and what caches are told."""
        headers = MutableHeaders(raw=list(self.headers))
        headers["content-length"] = str(len(body))
        if cache:
            headers["cache-control"] = cache
        return Whole(self.status, tuple(headers.raw), body)

    async def send(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": [*self.headers]})
        await send({"type": "http.response.body", "body": self.body})
