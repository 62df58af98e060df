"""Bodies of requests: too large, too slow, or of too many things."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from sdcolab.core.arrival import HungUp, Receive, body_value, read_body, watched
from sdcolab.core.errors import PayloadTooLarge
from sdcolab.core.pictures import MAX_BODY_TEXT


def arriving(*blocks: bytes, pause: float = 0.0, whole: bool = True) -> Receive:
    """ASGI's ``receive`` of a body that comes in ``blocks``, each after ``pause`` seconds; unless it is ``whole``, the
    client hangs up after them."""
    last = len(blocks) - 1
    left: Iterator[MutableMapping[str, Any]] = iter(
        {"type": "http.request", "body": block, "more_body": place < last or not whole}
        for place, block in enumerate(blocks)
    )

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(pause)
        return next(left, {"type": "http.disconnect"})

    return receive


def test_a_body_is_read_whole() -> None:
    assert asyncio.run(read_body(arriving(b"un ", b"gato"), 7)) == b"un gato"
    assert asyncio.run(read_body(arriving(b"un ", b"gato"), 6)) is None


def test_half_a_body_is_none() -> None:
    with pytest.raises(HungUp):
        asyncio.run(read_body(arriving(b"un ", whole=False), 100))


def test_a_slow_body_is_not_waited_for_unless_it_brings_enough() -> None:
    slow = [b"x" * 100] * 10
    with pytest.raises(TimeoutError):
        asyncio.run(read_body(arriving(*slow, pause=0.05), 10_000, seconds=0.1, rate=100_000))
    assert asyncio.run(read_body(arriving(*slow, pause=0.05), 10_000, seconds=0.3, rate=500)) == b"x" * 1000


async def _taken(receive: Receive) -> tuple[int, str]:
    """Bytes that came, and what ended them."""
    came = 0
    while True:
        message = await receive()
        came += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message["more_body"]:
            return came, message["type"]


@pytest.mark.parametrize(
    ("blocks", "limit", "pause", "came"),
    [
        ((b"x" * 100,) * 5, 1000, 0.0, (500, "http.request")),
        ((b"x" * 100,) * 5, 250, 0.0, (200, "http.disconnect")),
        ((b"x",) * 5, 1000, 0.08, (1, "http.disconnect")),
    ],
)
def test_a_watched_body_hangs_up(blocks: tuple[bytes, ...], limit: int, pause: float, came: tuple[int, str]) -> None:
    async def run() -> tuple[int, str]:
        return await _taken(watched(arriving(*blocks, pause=pause), limit, seconds=0.12, rate=1000))

    assert asyncio.run(run()) == came


def test_what_comes_after_a_watched_body_takes_its_time() -> None:
    async def run() -> str:
        receive = watched(arriving(b"todo", pause=0.1), 100, seconds=0.15, rate=1e9)
        await receive()
        return str((await receive())["type"])

    assert asyncio.run(run()) == "http.disconnect"


@pytest.mark.parametrize("piece", [b"1,", b"[],", b"{},", b'"",'])
def test_many_small_things_are_refused_before_they_are_made(piece: bytes) -> None:
    body = b'{"a": [' + piece * (MAX_BODY_TEXT + 1) + b"1]}"
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            body_value(body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_texts_are_counted_and_pictures_are_not() -> None:
    assert body_value(json.dumps({"a": ["gato", {"b": 1.5}]}).encode()) == {"a": ["gato", {"b": 1.5}]}
    with pytest.raises(PayloadTooLarge):
        body_value(json.dumps({"a": ["x" * (MAX_BODY_TEXT // 2)] * 3}).encode())
    with pytest.raises(ValueError, match=r".*"):
        body_value(b"{")
