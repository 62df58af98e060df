"""The rooms of the studio in the page: the routes that their modules ask, and the place where each draws itself."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sdcolab.core.arrival import HungUp, read_body
from sdcolab.core.errors import PictureGone, SdcolabError, Unexpected
from sdcolab.core.rooms import Room, ask
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words import explain
from sdcolab.studio.layout import Tab
from sdcolab.studio.look import room_module
from sdcolab.web.kept import FOREVER

MAX_QUESTION_BYTES = 1_000_000

_MODULE = re.compile(r"[a-z_]{1,40}")
_log = logging.getLogger(__name__)


def rooms_app(rooms: Mapping[str, Room]) -> Starlette:
    """What answers below ``/sdcolab/``: questions in JSON, files, and the modules. The guard is in front of it."""

    async def answer(request: Request) -> Response:
        try:
            body = await read_body(request.receive, MAX_QUESTION_BYTES)
            said = parse_json(body or b"{}") if body is not None else None
        except (TimeoutError, HungUp, ValueError):
            said = None
        room, question = request.path_params["room"], request.path_params["question"]
        try:
            return JSONResponse(await asyncio.to_thread(ask, rooms, room, question, said))
        except SdcolabError as error:
            return JSONResponse({"error": str(explain(error))}, 422)
        except Exception as error:  # noqa: BLE001 - an edge: a bug is logged and still explained
            _log.exception("page")
            wrapped = Unexpected(kind=type(error).__name__, detail=str(error))
            return JSONResponse({"error": str(explain(wrapped))}, 500)

    async def file(request: Request) -> Response:
        room = rooms.get(request.path_params["room"])
        kind, name = request.path_params["kind"], request.path_params["name"]
        try:
            found = await asyncio.to_thread(room.file, kind, name) if room else None
        except PictureGone:
            found = None
        if found is None:
            raise HTTPException(404)
        if isinstance(found.content, Path):
            return FileResponse(found.content, media_type=found.media, filename=found.name or None)
        return Response(found.content, media_type=found.media, headers={"cache-control": FOREVER})

    async def module(request: Request) -> Response:
        name = request.path_params["name"]
        if not _MODULE.fullmatch(name):
            raise HTTPException(404)
        try:
            return Response(room_module(name), media_type="text/javascript")
        except FileNotFoundError as error:
            raise HTTPException(404) from error

    return Starlette(
        routes=[
            Route("/sdcolab/ask/{room}/{question}", answer, methods=["POST"]),
            Route("/sdcolab/file/{room}/{kind}/{name}", file),
            Route("/sdcolab/module/{name}.js", module),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=2000)],
    )


_MOUNT = """
const start = () => {{
  if (!window.sdcolab?.house) return setTimeout(start, 20);
  const wish = (value) => {{ props.value = JSON.stringify({{ ...value, at: Date.now() }}); trigger("input") }};
  const module = new URL("sdcolab/module/{room}.js", document.baseURI);
  const host = element.querySelector(".sd-room-host");
  import(module).then((found) => found.mount(host, window.sdcolab.house("{room}", wish)));
}};
start();
"""


def build_room(tab: Tab) -> gr.HTML:
    """Where the room of ``tab`` draws itself; its value is what it wants done with the form, as JSON."""
    return gr.HTML(
        value="",
        html_template='<div class="sd-room-host"></div>',
        js_on_load=_MOUNT.format(room=tab.id),
        apply_default_css=False,
        elem_id=f"sd-room-{tab.id}",
        elem_classes="sd-wide sd-room-box",
    )


def wish(value: Any) -> Mapping[str, Any]:
    """What a room wants done, from its value; empty when that is nothing."""
    try:
        said = parse_json(value) if isinstance(value, str) and value else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
