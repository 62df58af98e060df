"""A running session of the notebook: downloads, the web UI's process, the public link and the copies to Drive."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcolab.colab.drive_sync import DriveRecovered, DriveTrouble
from sdcolab.colab.links import Access, LinkTeller
from sdcolab.colab.prepare import Collaborators, Preparation, StartOptions, drive_line, tell_left
from sdcolab.colab.waiting import SILENCE_SECONDS, telling
from sdcolab.core.errors import (
    NgrokTokenMissing,
    SdcolabError,
    WebCrashed,
    WebGaveUp,
    WebKilled,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.kept import write_private
from sdcolab.core.machine import USER_VARIABLE
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words import explain
from sdcolab.core.words import notebook as words
from sdcolab.process.environment import child_environ, own_command
from sdcolab.process.ngrok import TOKEN_VARIABLE
from sdcolab.process.public_link import Service
from sdcolab.process.supervisor import (
    KILL,
    ChildDied,
    ChildGaveUp,
    ChildNews,
    ChildSaid,
    ChildSpec,
    Roster,
    Supervisor,
    ending,
    was_killed,
)
from sdcolab.studio.journal import JOURNAL_NAME

DEFAULT_PORT = 7860
SHARE_PATIENCE_SECONDS = 45.0
WEB_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _WebNews:
    news: ChildNews


@dataclass(frozen=True, slots=True)
class _TunnelNews:
    news: ChildNews


_News = _WebNews | _TunnelNews | DriveTrouble | DriveRecovered


class Session:
    """Runs until it is interrupted. Every method belongs to the kernel's main thread."""

    def __init__(self, options: StartOptions, collaborators: Collaborators) -> None:
        self._options = options
        self._with = collaborators
        self._say = collaborators.say
        self._folders = collaborators.folders
        self._private = collaborators.folders.root / ".sesion"
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._cancel = CancelToken()
        self._roster = Roster(self._private)
        self._children: list[Supervisor] = []
        self._ready = Preparation(options, collaborators, self._roster, self._news.put, self._cancel)
        self._links = LinkTeller(collaborators.host, collaborators.say, collaborators.show_html)
        self._slow_told = False
        self._told_at = 0.0

    def run(self) -> None:
        """Prepare everything, open the web UI, and watch over it until the cell is interrupted."""
        try:
            self._open()
            self._watch()
        except KeyboardInterrupt:
            self._say(words.CLOSING)
        except SdcolabError as error:
            self._say(f"❌ {explain(error)}")
        finally:
            self._close()

    # --- Opening -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._ready.run()
        if again := self._ready.to_download_again:
            self._say(words.TO_PASTE)
            self._say(f"   {', '.join(one.link for one in again)}")
        tell_left(self._with)
        self._links.access = session_access(self._private / "acceso.json")
        self._start_children(self._ready.tokens)

    def _start_children(self, tokens: Mapping[str, str]) -> None:
        self._links.port = free_port(DEFAULT_PORT)
        common = child_environ(self._with.environ)
        web_command = self._with.web_command(self._links.port) if self._with.web_command else self._own_web_command()
        web = ChildSpec(
            name="interfaz",
            command=tuple(web_command),
            log=self._folders.logs / "interfaz.log",
            folder=self._folders.temporary / "proceso",
            environ=common | dict(tokens) | {USER_VARIABLE: f"{self._links.access.user}:{self._links.access.password}"},
            restart=self._with.web_restart,
            death_signal=KILL,
        )
        tunnel = ChildSpec(
            name="enlace",
            command=tuple(self._with.tunnel_command(self._links.port, self._services())),
            log=self._folders.logs / "enlace.log",
            folder=self._private,
            environ=common | {TOKEN_VARIABLE: self._ready.ngrok_token},
            restart=self._with.tunnel_restart,
        )
        with contextlib.suppress(OSError):  # what another session left in its queue is not wanted now
            (self._private / JOURNAL_NAME).unlink(missing_ok=True)
        self._say(words.OPENING)
        self._told_at = time.monotonic()
        self._children = [
            Supervisor(web, lambda news: self._news.put(_WebNews(news)), self._roster),
            Supervisor(tunnel, lambda news: self._news.put(_TunnelNews(news)), self._roster),
        ]
        for child in self._children:
            child.start()

    def _services(self) -> tuple[Service, ...]:
        """Who is to make the public link, in the user's order: ngrok only with a token."""
        chosen = self._options.services or (Service.GRADIO,)
        if self._ready.ngrok_token:
            return chosen
        if chosen[0] is Service.NGROK:
            self._say(f"⚠️ {explain(NgrokTokenMissing())}")
        return tuple(one for one in chosen if one is not Service.NGROK) or (Service.GRADIO,)

    def _own_web_command(self) -> tuple[str, ...]:
        folder = str(self._folders.root)
        model = ("--modelo", str(self._ready.model)) if self._ready.model else ()
        cards = self._with.cards()
        engines = ("--tarjetas", str(cards)) if cards > 1 else ()
        return own_command("--puerto", str(self._links.port), "--carpeta", folder, "--eventos", *model, *engines)

    # --- Watching ----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Tell what happens, until the web UI cannot be kept open or the user interrupts."""
        started = time.monotonic()
        while True:
            try:
                news = self._news.get(timeout=0.5)
            except queue.Empty:
                self._notice_delays(started)
                continue
            match news:
                case _WebNews(ChildGaveUp(_, times, log, tail)):
                    self._say(f"❌ {explain(WebGaveUp(times=times, log=log))}\n{tail}")
                    return
                case _WebNews(ChildDied(code)):
                    self._say(f"⚠️ {explain(web_ending(code))}")
                case _WebNews(ChildSaid(message)):
                    self._hear_web(message)
                case _TunnelNews(ChildSaid(message)):
                    self._links.hear(message)
                case _TunnelNews():
                    if not self._links.troubled:
                        self._links.lose()
                case DriveTrouble() | DriveRecovered():
                    self._say(drive_line(news))

    def _hear_web(self, message: Mapping[str, object]) -> None:
        match message:
            case {"event": "ready"}:
                again = self._links.web_ready_at is not None
                self._links.web_ready_at = time.monotonic()
                if not again:
                    self._ready.fetch_guide_resources()
                if again:
                    self._say(words.PAGE_IS_BACK)
                elif not self._with.host.is_colab:
                    self._say(words.PAGE_HERE.format(url=f"http://127.0.0.1:{self._links.port}"))
                    self._say(self._links.access_line)
                self._links.announce()
            case {"event": "trouble", "message": str(sentence)}:
                self._say(f"⚠️ {sentence}")
            case {"event": "image"} if self._ready.sync:
                self._ready.sync.poke()
            case _:
                pass

    def _notice_delays(self, started: float) -> None:
        """Say something when the page or the public link take too long."""
        ready, now = self._links.web_ready_at, time.monotonic()
        if ready is None and now - self._told_at > SILENCE_SECONDS:
            self._told_at = now
            self._say(words.WAITED.format(what=words.STILL_OPENING, seconds=round(now - started)))
        if ready is None and not self._slow_told and now - started > WEB_PATIENCE_SECONDS:
            self._slow_told = True
            log = self._folders.logs / "interfaz.log"
            self._say(words.OPENING_SLOWLY.format(log=log))
        if ready is not None and not self._links.public_url and now - ready > SHARE_PATIENCE_SECONDS:
            self._links.offer_proxy()

    # --- Closing -----------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """End the children, then give Drive some time. A second interruption stops waiting; nothing is left running."""
        self._cancel.cancel()
        try:
            with telling(self._say, words.STILL_CLOSING):
                for child in self._children:
                    child.stop()
            self._ready.flush()
            if self._children:
                self._say(words.CLOSED)
        except KeyboardInterrupt:
            left = self._ready.sync.left() if self._ready.sync else 0
            self._say(words.CLOSED_UNSAVED.format(count=left))
        finally:
            self._ready.stop()
            for child in self._children:
                child.stop(0)


def session_access(path: Path) -> Access:
    """User and password kept in ``path`` (readable by its owner only) for as long as the machine lives."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        saved = parse_json(path.read_bytes())
        return Access(str(saved["user"]), str(saved["password"]))
    access = Access(f"sdcolab{secrets.randbelow(9000) + 1000}", secrets.token_urlsafe(9))
    write_private(path, {"user": access.user, "password": access.password})
    return access


def web_ending(code: int) -> SdcolabError:
    """Why the web UI's process ended, told by its exit code."""
    return WebKilled() if was_killed(code) else WebCrashed(ending=ending(code))


def free_port(preferred: int) -> int:
    """``preferred`` when nobody listens there, else one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            if os.name == "posix":  # elsewhere it takes a port that somebody listens on
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return preferred
