"""The web UI: its studio, its HTTP API, its process and its public link."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.folders import Folders
from sdcolab.core.jobs import JobQueue
from sdcolab.core.journal import JOURNAL_NAME, JobJournal
from sdcolab.core.last_form import LastForm
from sdcolab.core.library import Library
from sdcolab.core.names import SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.settings import SettingsFile
from sdcolab.core.upscaling import Upscaling
from sdcolab.wiring.diagnosis import diagnose, save_report
from sdcolab.wiring.downloads import build_downloads, catalog_choices, download_lines
from sdcolab.wiring.engine import LazyEngine, build_engine, build_library, model_file, native_size
from sdcolab.wiring.voices import HumanVoice, MachineVoice

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from sdcolab.colab.supervisor import Supervisor
    from sdcolab.web.app import Studio

USER_NAME = "sdcolab"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How to open the web UI. ``machine_events`` prints JSON lines for the program that started us."""

    folders: Folders
    host: str = "127.0.0.1"
    port: int = 7860
    login: tuple[str, str] | None = None
    share: bool = False
    model: str | None = None
    machine_events: bool = False


def build_studio(folders: Folders, library: Library, jobs: JobQueue, upscaling: Upscaling | None = None) -> Studio:
    """Everything that the page works with."""
    from sdcolab.colab.report import report_html
    from sdcolab.engine import tokenizer
    from sdcolab.web.app import Studio

    def count_tokens(text: str) -> tuple[int, int]:
        counted = tokenizer.count_tokens(text, tokenizer.load())
        return counted.count, counted.limit

    return Studio(
        library=library,
        jobs=jobs,
        settings=SettingsFile(folders.config),
        last_form=LastForm(folders.config),
        download=download_lines(build_downloads(folders)),
        count_tokens=count_tokens,
        native_size=native_size,
        samplers=SAMPLER_NAMES,
        schedules=SCHEDULE_NAMES,
        folders=folders,
        report=lambda: report_html(save_report(folders, diagnose(folders, network=False)[0])),
        catalog=catalog_choices(),
        upscaling=upscaling,
    )


def build_http_api(folders: Folders, library: Library, jobs: JobQueue, engine: LazyEngine) -> Starlette:
    """The HTTP API for other programs, on the page's queue."""
    from sdcolab.api.app import build_api
    from sdcolab.api.studio import ApiStudio
    from sdcolab.engine.hashes import HashCache

    return build_api(
        ApiStudio(
            library=library,
            jobs=jobs,
            settings=SettingsFile(folders.config),
            upscaling=engine,
            models=engine,
            known_hash=lambda file: HashCache(engine.hash_cache).known(file.path),
            cuda_memory=_cuda_memory,
        )
    )


def _cuda_memory() -> dict[str, object] | None:
    """What the graphics card holds; None without one, or before torch has been loaded."""
    if "torch" not in sys.modules:
        return None
    from sdcolab.engine.memory import card_memory

    return card_memory()


def open_web(options: WebOptions) -> None:
    """Serve the page until interrupted (Ctrl+C or SIGTERM). Raises ``PortBusy``."""
    from sdcolab.web.app import serve

    login = options.login
    if options.share and login is None:
        login = (USER_NAME, secrets.token_urlsafe(9))
    say = MachineVoice() if options.machine_events else HumanVoice()
    chosen = [] if options.model is None else [model_file(options.folders, ModelKind.CHECKPOINT, options.model)]
    library = build_library(options.folders, *chosen)
    engine = build_engine(options.folders, library)
    supervised = options.machine_events
    journal = JobJournal(options.folders.root / ".sesion" / JOURNAL_NAME) if supervised else None
    jobs = JobQueue(engine, say.event, journal=journal)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server = serve(
            build_studio(options.folders, library, jobs, engine),
            host=options.host,
            port=options.port,
            auth=login,
            api=build_http_api(options.folders, library, jobs, engine),
        )
        tunnel = None
        try:
            say.ready(server.url, login, open_to_network=options.host != "127.0.0.1")
            threading.Thread(target=_preload, args=(engine,), name="sdcolab-precarga", daemon=True).start()
            tunnel = _open_tunnel(options.folders, server.port, login, say) if options.share and login else None
            while not server.wait(1.0):
                pass
        finally:
            if tunnel:
                tunnel.stop()
            server.close()
    except KeyboardInterrupt:
        say.closing()
    finally:
        jobs.close()


def _open_tunnel(folders: Folders, port: int, login: tuple[str, str], say: HumanVoice) -> Supervisor:
    """Make ``port`` public and keep it so, telling each new address."""
    from sdcolab.colab.ngrok import TOKEN_VARIABLE
    from sdcolab.colab.prepare import NGROK_NAME, TUNNEL_RESTART, child_environ, token_in
    from sdcolab.colab.public_link import Service
    from sdcolab.colab.session import link_error
    from sdcolab.colab.supervisor import ChildNews, ChildSaid, ChildSpec, Supervisor
    from sdcolab.colab.tunnel import tunnel_command

    def hear(news: ChildNews) -> None:
        match news:
            case ChildSaid({"event": "public_url", "url": str(url)}):
                say.public(url, login)
            case ChildSaid({"event": "failed"}):
                say.trouble(link_error(news.message))
            case _:
                pass

    token = token_in(os.environ, NGROK_NAME)
    services = (Service.GRADIO, Service.NGROK) if token else (Service.GRADIO,)

    spec = ChildSpec(
        name="enlace",
        command=tunnel_command(port, services),
        log=folders.logs / "enlace.log",
        folder=folders.temporary / "enlace",
        environ=child_environ(os.environ) | {TOKEN_VARIABLE: token},
        restart=TUNNEL_RESTART,
    )
    tunnel = Supervisor(spec, hear)
    tunnel.start()
    return tunnel


def _preload(engine: LazyEngine) -> None:
    try:
        engine.preload()
    except SdcolabError as error:  # the first generation meets the same error and explains it where the user looks
        _log.warning("precarga: %s", error)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
