"""The web server in a thread of its own: gradio behind our door, on a port that is ours before anything starts."""

from __future__ import annotations

import errno
import inspect
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from sdcolab.core.errors import PortBusy, PortForbidden
from sdcolab.core.files import storage_errors
from sdcolab.core.pictures import PICTURE_SUFFIXES
from sdcolab.core.words import gradio
from sdcolab.web import look
from sdcolab.web.access import Access
from sdcolab.web.address import BrowserAddress
from sdcolab.web.gate import EventGate, FileGate
from sdcolab.web.guard import STREAMS, UPLOADS, Guard, loopback_names
from sdcolab.web.kept import KeptAnswers
from sdcolab.web.localise import SpanishIndex
from sdcolab.web.patience import ImpatientProtocol
from sdcolab.web.streams import Streams

_CACHE_VARIABLE = "GRADIO_TEMP_DIR"
_GRACE_SECONDS = 1
ENDED_SESSIONS = "sesiones_cerradas.json"
CACHE_SECONDS = 24 * 3600
"""How long gradio keeps its copies of shown images."""


class Server:
    """A running page. ``close`` stops it and everything that belongs to it."""

    def __init__(self, runner: _Runner, listening: socket.socket, host: str) -> None:
        self.port: int = listening.getsockname()[1]
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
        self.url = f"http://{shown}:{self.port}"
        self._runner = runner
        self._thread = threading.Thread(
            target=runner.run, kwargs={"sockets": [listening]}, name="sdcolab-web", daemon=True
        )
        self._thread.start()

    def wait_ready(self) -> None:
        """Block until it answers. Raises ``RuntimeError`` when it stopped instead; the log says why."""
        while not self._runner.ready.wait(0.2):
            if not self._thread.is_alive():
                raise RuntimeError("the web server stopped while starting")

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the server stops, or for ``seconds``; True when it has stopped."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop serving and wait for it. Safe to call more than once."""
        self._runner.should_exit = True
        self._thread.join(_GRACE_SECONDS + 10)


class _Runner(uvicorn.Server):
    """uvicorn that says when it has begun to answer."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def start_server(
    build: Callable[[], gr.Blocks],
    *,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    outputs: Path,
    temporary: Path,
    head: str = "",
    api: ASGIApp | None = None,
    rooms: ASGIApp | None = None,
    guests: frozenset[str] = frozenset(),
) -> Server:
    """Serve the page that ``build`` makes, with ``head`` in its head, ``rooms`` for it and ``api`` for other programs
    and for pages of the sites ``guests``.
    Only files in ``outputs`` and in gradio's cache inside ``temporary`` can be read through the page.

    Raises ``PortBusy``, ``PortForbidden`` or ``CannotWrite``.
    """
    listening = _listen(host, port)
    try:
        cache = temporary.absolute() / "gradio"
        _keep_gradio_files_in(cache)
        page = build()
        app = _mounted(page, outputs.absolute(), head)
        page_app = BrowserAddress(KeptAnswers(SpanishIndex(app)))
        gate = EventGate(Streams(page_app, STREAMS), FileGate((outputs, cache), suffixes_taken(page)), uploads=UPLOADS)
        door = Guard(
            gate,
            access=Access(*auth, ended=temporary / ENDED_SESSIONS) if auth else None,
            readable=(outputs, cache),
            hosts=loopback_names(host) if auth is None else None,
            api=api,
            rooms=rooms,
            guests=guests,
        )
        config = uvicorn.Config(
            door,
            http=ImpatientProtocol,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            lifespan="on",
        )
        server = Server(_Runner(config), listening, host)
    except BaseException:
        listening.close()
        raise
    server.wait_ready()
    return server


def _listen(host: str, port: int) -> socket.socket:
    # Told that it is TCP, asyncio sends small answers at once: else each waits up to 40 ms for the last one's ACK.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(port=port) from error
        if error.errno == errno.EACCES:
            raise PortForbidden(port=port) from error
        raise
    return listening


def _keep_gradio_files_in(folder: Path) -> None:
    """gradio asks the environment where to keep its temporary files, when a page is built and again when it serves.

    What a process that was killed left there is thrown away once it is a day old; gradio throws away its own.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    yesterday = time.time() - CACHE_SECONDS
    for old in [entry for entry in folder.iterdir() if entry.is_dir() and entry.stat().st_mtime < yesterday]:
        shutil.rmtree(old, ignore_errors=True)
    os.environ[_CACHE_VARIABLE] = str(folder)


def suffixes_taken(page: gr.Blocks) -> frozenset[str]:
    """The endings of the files that the page's controls take: pictures, and what a control of files asks for."""
    asked = {kind for part in page.blocks.values() for kind in getattr(part, "file_types", None) or ()}
    return frozenset(PICTURE_SUFFIXES) | {kind.lower() for kind in asked if kind.startswith(".")}


def _mounted(page: gr.Blocks, outputs: Path, head: str) -> FastAPI:
    options: dict[str, Any] = {
        "allowed_paths": [str(outputs)],
        "show_error": False,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "favicon_path": str(look.FAVICON),
        "theme": look.theme(),
        "head": head,
        "i18n": gr.I18n(es=dict(gradio.TEXTS)),
        "max_file_size": "64mb",
    }
    known = inspect.signature(gr.mount_gradio_app).parameters
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mounted = gr.mount_gradio_app(app, page, path="/", **{k: v for k, v in options.items() if k in known})
    # Mounted pages never count as launched, and gradio checks the files that a browser names only in launched ones.
    page.has_launched = page.is_running = True
    return mounted
