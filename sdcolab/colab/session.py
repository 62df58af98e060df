"""A running session of the notebook: downloads, the web UI's process, the public link and the copies to Drive."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import sdcolab
from sdcolab.colab.drive_sync import DriveNews, DriveRecovered, DriveSync, DriveTrouble
from sdcolab.colab.host import Host
from sdcolab.colab.progress import CellProgress, cell_bars
from sdcolab.colab.requirements import ensure_installed, own_requirements
from sdcolab.colab.supervisor import (
    ChildDied,
    ChildGaveUp,
    ChildNews,
    ChildSaid,
    ChildSpec,
    RestartPolicy,
    Roster,
    Supervisor,
)
from sdcolab.colab.tunnel import tunnel_command
from sdcolab.core.errors import (
    DriveLost,
    HostError,
    NoCuda,
    ProxyUnavailable,
    SdcolabError,
    SecretTimeout,
    ShareDown,
    ShareLost,
    ShareProgramMissing,
    Unexpected,
    WebCrashed,
    WebGaveUp,
    WebKilled,
)
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.files import atomic_write, storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.messages import explain

SECRET_NAMES = ("CIVITAI_TOKEN", "HF_TOKEN")
USER_VARIABLE = "SDCOLAB_USUARIO"
"""``name:password`` for the web UI's process; in its environment, so that ``ps`` does not show it."""

DEMO_NAMES = ("Demostración (emojis)", "demo", "")
"""What the notebook's list of models calls the one that ships with the package; the rest are the catalogue's names."""

DEFAULT_PORT = 7860
USER_NAME = "sdcolab"
PREPARE_SECONDS = 30.0
FLUSH_SECONDS = 60.0
SHARE_PATIENCE_SECONDS = 45.0
WEB_PATIENCE_SECONDS = 120.0
WEB_RESTART = RestartPolicy()
TUNNEL_RESTART = RestartPolicy(delays=(3.0, 10.0, 30.0, 60.0), give_up_after=None)

_log = logging.getLogger(__name__)
T = TypeVar("T")

Download = Callable[[str, Listener, CancelToken], Sequence[str]]
"""Downloads every link in a text and returns one Spanish line for each."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """The notebook's form."""

    images_to_drive: bool = False
    settings_to_drive: bool = False
    model: str = DEMO_NAMES[0]
    links: str = ""
    all_controlnet_models: bool = False


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What a session needs from outside. ``wiring`` gives the first four; tests give the rest.

    ``model_link`` turns a name of the notebook's list into a link or raises ``UnknownName``. ``make_download`` receives
    the tokens found ("HF_TOKEN" -> its value). ``web_command`` gets the port; None is ``python -m sdcolab`` itself.
    """

    host: Host
    folders: Folders
    model_link: Callable[[str], str]
    make_download: Callable[[Mapping[str, str]], Download]
    web_command: Callable[[int], Sequence[str]] | None = None
    tunnel_command: Callable[[int], Sequence[str]] = tunnel_command
    web_restart: RestartPolicy = WEB_RESTART
    tunnel_restart: RestartPolicy = TUNNEL_RESTART
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    say: Callable[[str], object] = print


@dataclass(frozen=True, slots=True)
class Access:
    """User and password of the public link."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _WebNews:
    news: ChildNews


@dataclass(frozen=True, slots=True)
class _TunnelNews:
    news: ChildNews


_News = _WebNews | _TunnelNews | DriveTrouble | DriveRecovered


@dataclass(frozen=True, slots=True)
class _LinkState:
    """What the user was told about the links."""

    web_ready_at: float | None = None
    public_url: str = ""
    announced: str = ""
    proxy_offered: bool = False
    slow_told: bool = False
    trouble: str = ""


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
        self._sync: DriveSync | None = None
        self._link = _LinkState()
        self._port = 0
        self._access = Access("", "")

    def run(self) -> None:
        """Prepare everything, open the web UI, and watch over it until the cell is interrupted."""
        try:
            self._open()
            self._watch()
        except KeyboardInterrupt:
            self._say("\n⏹️ Cerrando sdcolab…")
        except SdcolabError as error:
            self._say(f"❌ {explain(error)}")
        finally:
            self._close()

    # --- Opening -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._say(f"🎨 sdcolab {sdcolab.__version__}")
        link = "" if self._options.model.strip() in DEMO_NAMES else self._with.model_link(self._options.model)
        ensure_installed(own_requirements())
        if self._roster.end_former():
            self._say("♻️ He cerrado la sesión anterior.")
        self._access = session_access(self._private / "acceso.json")
        self._tell_gpu()
        self._connect_drive()
        tokens = self._read_tokens()
        if self._options.all_controlnet_models:
            self._say("ℹ️ todos_modelos_controlnet estará en una próxima versión: por ahora no descarga nada.")
        self._download("\n".join(text for text in (link, self._options.links.strip()) if text), tokens)
        self._start_children(tokens)

    def _tell_gpu(self) -> None:
        if gpu := self._with.host.gpu():
            self._say(f"✅ Tarjeta gráfica: {gpu}")
        else:
            self._say(f"⚠️ {explain(NoCuda())} Sin ella también funciona, pero mucho más despacio.")

    def _connect_drive(self) -> None:
        images, settings = self._options.images_to_drive, self._options.settings_to_drive
        if not (images or settings):
            if self._with.host.is_colab:
                self._say(
                    "ℹ️ Las imágenes se quedan en Colab y se borran al terminar la sesión: descarga las que quieras."
                )
            return
        try:
            my_drive = self._with.host.mount_drive()
        except HostError as error:
            self._say(f"⚠️ {explain(error)}")
            return
        sync = DriveSync(self._folders, my_drive, images=images, settings=settings, listener=self._news.put)
        what = " y ".join([*["las imágenes"] * images, *["la configuración"] * settings])
        self._say(f"✅ Google Drive conectado: {what} se guardan en Mi unidad/{sync.home.name}.")
        try:
            within(PREPARE_SECONDS, sync.prepare)
        except TimeoutError:
            self._say("⚠️ Google Drive va lento: empiezo sin esperar a la configuración guardada.")
        except DriveLost as error:
            self._say(f"⚠️ {explain(error)}")
        sync.start()
        self._sync = sync

    def _read_tokens(self) -> dict[str, str]:
        """The tokens that exist: Colab's secrets first, then the environment. Their values are never shown."""
        found: dict[str, str] = {}
        answering = True
        for name in SECRET_NAMES:
            value = None
            if answering:
                try:
                    value = self._with.host.secret(name)
                except SecretTimeout as error:
                    answering = False  # each silence costs 10 s: do not ask for the next one
                    if name not in self._with.environ:
                        self._say(f"⚠️ {explain(error)}")
                except HostError as error:
                    self._say(f"⚠️ {explain(error)}")
            value = value or self._with.environ.get(name, "").strip()
            if value:
                found[name] = value
        if found:
            self._say(f"🔑 Claves encontradas: {', '.join(found)}")
        return found

    def _download(self, text: str, tokens: Mapping[str, str]) -> None:
        if not text:
            return
        self._say("📥 Descargando…")
        download = self._with.make_download(tokens)
        progress = CellProgress(cell_bars(self._say))
        try:
            lines = within(None, lambda: download(text, progress, self._cancel))
        except SdcolabError as error:
            lines = (str(explain(error)),)
        except Exception as error:  # noqa: BLE001 - an edge: a bug here must not take the web UI away; it is logged
            _log.exception("descargas")
            lines = (str(explain(Unexpected(kind=type(error).__name__, detail=str(error)))),)
        for line in lines:
            self._say(line)

    def _start_children(self, tokens: Mapping[str, str]) -> None:
        self._port = free_port(DEFAULT_PORT)
        common = {
            name: value for name, value in self._with.environ.items() if name not in (*SECRET_NAMES, "MPLBACKEND")
        }
        common |= {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        common |= _source_path(common)
        web_command = self._with.web_command(self._port) if self._with.web_command else self._own_web_command()
        web = ChildSpec(
            name="interfaz",
            command=tuple(web_command),
            log=self._folders.logs / "interfaz.log",
            folder=self._folders.temporary / "proceso",
            environ=common | dict(tokens) | {USER_VARIABLE: f"{self._access.user}:{self._access.password}"},
            restart=self._with.web_restart,
            death_signal=signal.SIGKILL,
        )
        tunnel = ChildSpec(
            name="enlace",
            command=tuple(self._with.tunnel_command(self._port)),
            log=self._folders.logs / "enlace.log",
            folder=self._private,
            environ=common,
            restart=self._with.tunnel_restart,
        )
        self._say("⏳ Abriendo la interfaz… (un minuto, más o menos)")
        self._children = [
            Supervisor(web, lambda news: self._news.put(_WebNews(news)), self._roster),
            Supervisor(tunnel, lambda news: self._news.put(_TunnelNews(news)), self._roster),
        ]
        for child in self._children:
            child.start()

    def _own_web_command(self) -> tuple[str, ...]:
        folder = str(self._folders.root)
        return (sys.executable, "-m", "sdcolab", "--puerto", str(self._port), "--carpeta", folder, "--eventos")

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
                    self._hear_tunnel(message)
                case _TunnelNews():
                    if not self._link.trouble and self._link.public_url:
                        self._lose_link()
                case DriveTrouble() | DriveRecovered():
                    self._hear_drive(news)

    def _hear_web(self, message: Mapping[str, object]) -> None:
        match message:
            case {"event": "ready"}:
                again = self._link.web_ready_at is not None
                self._link = replace(self._link, web_ready_at=time.monotonic())
                if again:
                    self._say("✅ La interfaz vuelve a estar abierta en el mismo enlace.")
                elif not self._with.host.is_colab:
                    self._say(f"✅ En este equipo: http://127.0.0.1:{self._port}")
                    self._say(self._access_line())
                self._announce()
            case {"event": "image"} if self._sync:
                self._sync.poke()
            case _:
                pass

    def _hear_tunnel(self, message: Mapping[str, object]) -> None:
        match message:
            case {"event": "public_url", "url": str(url)}:
                self._link = replace(self._link, public_url=url, trouble="")
                self._announce()
            case {"event": "lost"}:
                self._lose_link()
            case {"event": "failed", "reason": reason, "detail": detail}:
                kind = ShareProgramMissing if reason == "program" else ShareDown
                if self._link.trouble != kind.code:
                    self._link = replace(self._link, trouble=kind.code, public_url="")
                    self._say(f"⚠️ {explain(kind(reason=str(detail)))}")
                self._offer_proxy()
            case _:
                pass

    def _lose_link(self) -> None:
        if self._link.public_url:
            self._link = replace(self._link, public_url="", announced="", proxy_offered=False)
            self._say(f"⚠️ {explain(ShareLost())}")

    def _announce(self) -> None:
        """Show the public link once, when there is a page behind it."""
        link = self._link
        if link.web_ready_at is None or not link.public_url or link.announced == link.public_url:
            return
        self._link = replace(link, announced=link.public_url)
        self._say("\n✅ ¡Listo! Abre este enlace en una pestaña nueva y deja esta abierta:")
        self._say(f"Running on public URL: {link.public_url}")
        self._say(self._access_line())

    def _notice_delays(self, started: float) -> None:
        """Say something when the page or the public link take too long."""
        ready, now = self._link.web_ready_at, time.monotonic()
        if ready is None and not self._link.slow_told and now - started > WEB_PATIENCE_SECONDS:
            self._link = replace(self._link, slow_told=True)
            log = self._folders.logs / "interfaz.log"
            self._say(f"⏳ Está tardando más de lo normal. Sigue en marcha; el registro está en {log}.")
        if ready is not None and not self._link.public_url and now - ready > SHARE_PATIENCE_SECONDS:
            self._offer_proxy()

    def _offer_proxy(self) -> None:
        """Colab's own link, once, when there is no public one (hechos/lanzadores.md 5c and 7b)."""
        if self._link.web_ready_at is None or self._link.proxy_offered or not self._with.host.is_colab:
            return
        self._link = replace(self._link, proxy_offered=True)
        try:
            url = self._with.host.proxy_url(self._port)
        except ProxyUnavailable as error:
            self._say(f"⚠️ {explain(error)}")
            return
        self._say(
            f"🔗 Mientras tanto puedes usar este enlace, solo en este navegador y con esta pestaña abierta: {url}"
        )
        self._say(self._access_line())

    def _access_line(self) -> str:
        return f"Usuario: {self._access.user}  Contraseña: {self._access.password}"

    def _hear_drive(self, news: DriveNews) -> None:
        if isinstance(news, DriveTrouble):
            self._say(f"⚠️ {explain(news.error)}")
        else:
            self._say("✅ Google Drive ha vuelto: todo lo pendiente está copiado.")

    # --- Closing -----------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """End the children, then give Drive some time. A second interruption stops waiting; nothing is left running."""
        self._cancel.cancel()
        try:
            for child in self._children:
                child.stop()
            self._flush_drive()
            if self._children:
                self._say("👋 sdcolab está cerrado. Pulsa ▶️ para volver a abrirlo.")
        except KeyboardInterrupt:
            left = self._sync.left() if self._sync else 0
            self._say(f"⚠️ Cerrado sin esperar a Google Drive (sin copiar: {left}).")
        finally:
            if self._sync:
                self._sync.stop()
            for child in self._children:
                child.stop(0)

    def _flush_drive(self) -> None:
        if self._sync is None:
            return
        self._say("💾 Guardando en Google Drive…")
        left = self._sync.flush(FLUSH_SECONDS)
        if left:
            where = self._folders.outputs
            self._say(f"⚠️ Sin copiar a Drive: {left}. Siguen en {where}; si pulsas ▶️ lo intentaré otra vez.")
        else:
            self._say("✅ Todo está guardado en Google Drive.")


def session_access(path: Path) -> Access:
    """User and password kept in ``path`` (readable by its owner only) for as long as the machine lives."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        saved = json.loads(path.read_text(encoding="utf-8"))
        return Access(str(saved["user"]), str(saved["password"]))
    access = Access(USER_NAME, secrets.token_urlsafe(9))
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
    with atomic_write(path) as file:
        file.write(json.dumps({"user": access.user, "password": access.password}).encode("ascii"))
    path.chmod(0o600)
    return access


def web_ending(code: int) -> SdcolabError:
    """Why the web UI's process ended, told by its exit code (negative: the signal that killed it)."""
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return WebKilled()
    if code < 0:
        return WebCrashed(ending=f"señal {signal.Signals(-code).name}" if -code in _SIGNALS else f"señal {-code}")
    return WebCrashed(ending=f"código {code}")


_SIGNALS = frozenset(int(number) for number in signal.Signals)


def free_port(preferred: int) -> int:
    """``preferred`` when nobody listens there, else one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return preferred


def within(seconds: float | None, work: Callable[[], T]) -> T:
    """Run ``work`` in a thread and return or raise what it does; the caller stays interruptible.

    Raises ``TimeoutError`` after ``seconds``; the work is then left to end by itself.
    """
    outcome: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((work(), None))
        except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            outcome.put((None, error))

    threading.Thread(target=run, name="sdcolab-tarea", daemon=True).start()
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            result, error = outcome.get(timeout=0.2)
        except queue.Empty:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError from None
            continue
        if error:
            raise error
        return result  # type: ignore[return-value]  # None only when that is T


def _source_path(environ: Mapping[str, str]) -> dict[str, str]:
    """``PYTHONPATH`` that lets children import a package run from a source folder; nothing when it is installed."""
    home = Path(sdcolab.__file__).parents[1]
    if home.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(home), environ.get("PYTHONPATH", "")]))}
