"""Answers that stay open: the newest come in, and there are never more than so many."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from web_fakes import make_bench

from sdcolab.web.app import Server, serve
from sdcolab.web.streams import MOST_STREAMS

API = "/gradio_api"
TOO_MANY = MOST_STREAMS + 5


async def opened(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """An answer whose body has begun to come, or stays open without one."""
    return await client.send(client.build_request("GET", path), stream=True)


def test_the_newest_streams_make_the_oldest_end(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    server: Server = serve(bench.studio, port=0, auth=None)

    async def attack() -> tuple[list[bytes], int, int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60, limits=limits) as client:
            first = [await opened(client, f"{API}/heartbeat/{number}") for number in range(TOO_MANY)]
            ended = [b"".join([piece async for piece in answer.aiter_raw()]) for answer in first[:5]]
            last = await opened(client, f"{API}/queue/data?session_hash=dueno")
            page = await client.get("/config")
            for answer in first:
                await answer.aclose()
            await last.aclose()
            return ended, last.status_code, page.status_code

    try:
        ended, stream, page = asyncio.run(attack())
    finally:
        server.close()
        bench.studio.jobs.close()
    assert len(ended) == 5  # they came to their end
    assert (stream, page) == (200, 200)
