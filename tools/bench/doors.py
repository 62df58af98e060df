"""What the gates cost: the same calls with and without them, in turns, and what they read against what it is read for.

    python tools/bench/doors.py                       # 200 turns, no GPU, about half a minute

* calls: a page's event, its configuration and a small API call, through the gates and straight to gradio or the API;
  medians in milliseconds.
* pictures: reading a picture's size for the gate against unpacking it, for megapixels of noise in each format.
* checkpoint: the sums of a zip checkpoint against reading the same file once, both from the disk's cache.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from starlette.types import ASGIApp

from sdcolab.core.pictures import picture_from, size_in_text
from sdcolab.web.access import Access
from sdcolab.web.gate import EventGate, FileGate
from sdcolab.web.guard import UPLOADS, Guard

SIDES = 2000
CHECKPOINT_BYTES = 256 * 1024 * 1024


def median_of(action: Callable[[], object], turns: int) -> float:
    """Milliseconds of ``action``."""
    times = []
    for _ in range(turns):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def page() -> ASGIApp:
    """A page of gradio with 60 controls and one event that takes them all, as ours."""
    import gradio as gr
    from fastapi import FastAPI

    with gr.Blocks(analytics_enabled=False) as blocks:
        boxes = [gr.Textbox() for _ in range(60)]
        out = gr.Textbox()
        gr.Button().click(lambda *values: str(len(values)), boxes, out, api_name="contar", queue=False)
    return gr.mount_gradio_app(FastAPI(), blocks, path="/")


async def small(_scope: Any, receive: Any, send: Any) -> None:
    """An API that answers at once."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def calls(turns: int) -> None:
    """Print what the gates add to small calls."""
    bare = page()
    access = Access("ana", "clave")
    gated = Guard(EventGate(bare, FileGate(()), uploads=UPLOADS), access=access, readable=(), api=small)
    cookie = {"cookie": f"sdcolab_sesion={access.login('ana', 'clave')}"}
    event: Mapping[str, Any] = {"data": ["un gato en la playa, atardecer"] * 60, "session_hash": "x", "fn_index": 0}
    asked: tuple[tuple[str, str, str, bytes, ASGIApp], ...] = (
        ("evento de 60 controles", "POST", "/gradio_api/run/predict", json.dumps(event).encode(), bare),
        ("configuración de la página", "GET", "/config", b"", bare),
        ("llamada pequeña de la API", "POST", "/sdapi/v1/options", b'{"a": 1}', small),
    )
    for name, method, path, body, without in asked:
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * turns):
            inside = turn % 2 == 0
            transport = httpx.ASGITransport(app=gated if inside else without)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=cookie) as client:
                begun = time.perf_counter()
                answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
                seconds[inside].append(time.perf_counter() - begun)
                answer.raise_for_status()
        with_gates, straight = (statistics.median(seconds[inside]) * 1000 for inside in (True, False))
        print(f"{name}: {with_gates:.2f} ms con puertas, {straight:.2f} ms sin ellas (+{with_gates - straight:.2f} ms)")


def pictures(turns: int) -> None:
    """Print what reading sizes costs against unpacking."""
    noise = Image.effect_noise((SIDES, SIDES), 60).convert("RGB")
    for kind in ("PNG", "JPEG", "WEBP"):
        out = io.BytesIO()
        noise.save(out, kind)
        data = out.getvalue()
        text = base64.b64encode(data).decode()
        gate = median_of(lambda text=text: size_in_text(text), turns)  # type: ignore[misc]
        plain = median_of(lambda data=data: picture_from(data, Path("a")), 5)  # type: ignore[misc]
        millions = SIDES * SIDES / 1e6
        print(f"{kind}: la puerta {gate / millions:.2f} ms por megapíxel, abrirla {plain / millions:.1f} ms")


def checkpoint(turns: int) -> None:
    """Print what the sums of a zip checkpoint cost against reading it."""
    from sdcolab.engine.weights import _sums_are_right

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "modelo.ckpt"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for place in range(8):
                archive.writestr(f"archive/data/{place}", os.urandom(CHECKPOINT_BYTES // 8))
        reading = median_of(path.read_bytes, turns)
        sums = median_of(lambda: _sums_are_right(path), turns)
        print(f"checkpoint de {CHECKPOINT_BYTES >> 20} MB: sumas {sums:.0f} ms, leerlo {reading:.0f} ms")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--veces", type=int, default=200)
    turns = parser.parse_args().veces
    asyncio.run(calls(turns))
    pictures(max(3, turns // 20))
    checkpoint(5)


if __name__ == "__main__":
    main()
