"""The gate for what browsers send to gradio's events: how much, which texts, and which files they may name.

It stands before gradio and knows nothing of the page's parts, so that every event passes through it, those of tabs that
do not exist yet too. gradio itself checks the files that carry its mark (``meta._type``) and believes all others.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdcolab.core.arrival import HungUp, body_value, read_body, watched
from sdcolab.core.errors import PayloadTooLarge, PicturesTooLarge
from sdcolab.core.pictures import MAX_PICTURE_BYTES, PICTURE_SUFFIXES
from sdcolab.core.words import explain
from sdcolab.core.words import page as words

MAX_EVENT_BYTES = 48 * 1024 * 1024
"""Largest body of an event: a painted mask, or some pictures, as text."""

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
"""Largest body with files."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class FileGate:
    """Which files a browser may name: regular ones that lie in ``folders`` after following links, are not hidden, and
    have one of ``suffixes``, as large as a picture may be."""

    def __init__(self, folders: Sequence[Path], suffixes: Iterable[str] = PICTURE_SUFFIXES) -> None:
        self._folders = tuple(Path(os.path.realpath(folder)) for folder in folders)
        self._suffixes = frozenset(suffixes)

    def admits(self, name: str) -> bool:
        """Whether the file called ``name`` may be read for who asks."""
        if "\0" in name or "://" in name or not Path(name).is_absolute():
            return False
        real = Path(os.path.realpath(name))
        if real.name.startswith(".") or real.suffix.lower() not in self._suffixes:
            return False
        if not any(real.is_relative_to(folder) for folder in self._folders):
            return False
        try:
            known = real.stat()
        except OSError:
            return False
        return stat.S_ISREG(known.st_mode) and known.st_size <= MAX_PICTURE_BYTES


class EventGate:
    """ASGI middleware in front of gradio. Bodies of ``uploads`` pass as they come, up to ``MAX_UPLOAD_BYTES``; every
    other body must be JSON and small, has its texts cleaned, and may name only files that ``files`` admits."""

    def __init__(self, app: ASGIApp, files: FileGate, *, uploads: frozenset[str]) -> None:
        self._app = app
        self._files = files
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
        elif scope["path"] in self._uploads:
            await self._app(scope, watched(receive, MAX_UPLOAD_BYTES), send)
        else:
            body = await self._admitted(receive)
            if isinstance(body, Response):
                await body(scope, receive, send)
            else:
                await self._app(_with_length(scope, len(body)), _replayed(body, receive), send)

    async def _admitted(self, receive: Receive) -> bytes | Response:
        try:
            body = await read_body(receive, MAX_EVENT_BYTES)
        except TimeoutError:
            return _refusal(words.TOO_SLOW, 408)
        except HungUp:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return _refusal(words.TOO_LARGE, 413)
        if not body:
            return body
        try:
            return await asyncio.to_thread(self._checked, body)
        except ValueError:
            return _refusal(words.NOT_UNDERSTOOD, 400)

    def _checked(self, body: bytes) -> bytes | Response:
        try:
            value = body_value(body)
        except PayloadTooLarge:
            return _refusal(words.TOO_LARGE, 413)
        except PicturesTooLarge as error:
            return _refusal(str(explain(error)), 413)
        if not all(isinstance(name, str) and self._files.admits(name) for name in named_files(value)):
            return _refusal(words.NOT_ALLOWED, 403)
        return json.dumps(value).encode("ascii")


def _refusal(sentence: str, status: int) -> Response:
    """``error`` is where gradio's page looks for what it shows."""
    return JSONResponse({"error": sentence, "detail": sentence}, status)


def named_files(value: Any) -> list[Any]:
    """Every file that a JSON value names: what stands under ``path`` in any object, with gradio's mark or without."""
    if isinstance(value, list):
        return [name for one in value for name in named_files(one)]
    if isinstance(value, dict):
        own = [value["path"]] if value.get("path") is not None else []
        return own + [name for one in value.values() for name in named_files(one)]
    return []


def _with_length(scope: Scope, length: int) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", str(length).encode())]}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """``receive`` for an application that has still to read ``body``."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def take() -> Message:
        return waiting.pop() if waiting else await receive()

    return take
