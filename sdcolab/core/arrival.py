"""Bodies of requests: how large they may be, how slowly they may come (ASGI's ``receive``), and what may be in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sdcolab.core.errors import PayloadTooLarge
from sdcolab.core.pictures import MAX_BODY_TEXT, check_pixels, measured
from sdcolab.core.untrusted import parse_json

GRACE_SECONDS = 60.0
"""How long a body may take to arrive, however small."""

SLOWEST_RATE = 16_384.0
"""Bytes a second that give a larger body more time: what a phone far from its antenna still sends."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class HungUp(Exception):
    """The client has gone before its body was whole."""


async def read_body(
    receive: Receive, limit: int, seconds: float = GRACE_SECONDS, rate: float = SLOWEST_RATE
) -> bytes | None:
    """The whole body, or None when it is larger than ``limit`` bytes. Raises ``HungUp``, or ``TimeoutError`` when it
    has not come ``seconds`` and one more for every ``rate`` bytes after this call."""
    body = bytearray()
    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(begun + seconds) as until:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HungUp()
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            if not message.get("more_body"):
                return bytes(body)
            until.reschedule(begun + seconds + len(body) / rate)


def watched(receive: Receive, limit: int, seconds: float = GRACE_SECONDS, rate: float = SLOWEST_RATE) -> Receive:
    """``receive`` for who reads a body piece by piece: it hangs up after ``limit`` bytes, or when ``read_body`` would
    wait no longer."""
    came = 0
    whole = False
    begun = asyncio.get_running_loop().time()

    async def take() -> MutableMapping[str, Any]:
        nonlocal came, whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(begun + seconds + came / rate):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        came += len(message.get("body", b""))
        whole = not message.get("more_body")
        return message if came <= limit else {"type": "http.disconnect"}

    return take


def body_value(body: bytes) -> Any:
    """The JSON value in ``body``, none of its pictures unpacked.

    Raises ``ValueError`` when it is no JSON, ``PayloadTooLarge`` for too much besides pictures, which is seen before
    anything is made of it, or ``PicturesTooLarge``.
    """
    # Each "[]," makes a list: unpacked, a hundred times its size. Pictures in base64 have none of these.
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_BODY_TEXT:
        raise PayloadTooLarge(size=MAX_BODY_TEXT)
    value = parse_json(body)
    characters, sizes = measured(value)
    if characters > MAX_BODY_TEXT:
        raise PayloadTooLarge(size=MAX_BODY_TEXT)
    check_pixels(sizes)
    return value
