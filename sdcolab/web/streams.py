"""The answers of gradio that stay open (events, heartbeats): as many as people with the password need, and no more.

Each costs memory and a connection for as long as its caller likes, and the password says nothing of how many one opens.
The oldest makes room for the newest, so that whoever opens thousands keeps nobody out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_STREAMS = 200
"""Open at once. A page holds two or three."""


class Streams:
    """ASGI middleware: of the answers to paths that begin with ``prefixes``, the ``most`` newest stay open."""

    def __init__(self, app: ASGIApp, prefixes: tuple[str, ...], most: int = MOST_STREAMS) -> None:
        self._app = app
        self._prefixes = prefixes
        self._most = most
        self._open: deque[asyncio.Task[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stays = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(self._prefixes)
        if not stays:
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        task = asyncio.ensure_future(self._app(scope, receive, answer.send))
        self._open.append(task)
        if len(self._open) > self._most:
            self._open.popleft().cancel()
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            with contextlib.suppress(ValueError):  # it made room for another
                self._open.remove(task)
        if not task.cancelled():
            task.result()
        await answer.end()


class _Answer:
    """What has been sent of an answer, so that it can be ended in good order."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self._ended = False

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        self._begun = self._begun or message["type"] == "http.response.start"
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """End it, if nobody has."""
        if not self._begun:
            await self._send({"type": "http.response.start", "status": 503, "headers": []})
        if not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
