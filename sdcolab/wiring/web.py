"""The web UI: its process, its server and its public link."""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import Preload
from sdcolab.studio.journal import JOURNAL_NAME, JobJournal
from sdcolab.wiring.engine import build_library, model_file
from sdcolab.wiring.studio import build_studio, local_jobs
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.voices import HumanVoice, MachineVoice

if TYPE_CHECKING:
    from sdcolab.process.supervisor import Supervisor

USER_NAME = "sdcolab"


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


def open_web(options: WebOptions) -> None:
    """Serve the page until interrupted (Ctrl+C or SIGTERM). Raises ``PortBusy``."""
    from sdcolab.api.app import build_api
    from sdcolab.web.app import serve

    login = options.login
    if options.share and login is None:
        login = (USER_NAME, secrets.token_urlsafe(9))
    say = MachineVoice() if options.machine_events else HumanVoice()
    chosen = [] if options.model is None else [model_file(options.folders, ModelKind.CHECKPOINT, options.model)]
    library = build_library(options.folders, *chosen)
    supervised = options.machine_events
    journal = JobJournal(options.folders.root / ".sesion" / JOURNAL_NAME, TASKS) if supervised else None
    jobs = local_jobs(options.folders, library, say.event, journal)
    studio = build_studio(options.folders, library, jobs)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server = serve(
            studio,
            host=options.host,
            port=options.port,
            auth=login,
            api=build_api(studio),
        )
        tunnel = None
        try:
            say.ready(server.url, login, open_to_network=options.host != "127.0.0.1")
            jobs.submit(Preload())
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
    from sdcolab.colab.prepare import NGROK_NAME, TUNNEL_RESTART, child_environ, token_in
    from sdcolab.colab.session import link_error
    from sdcolab.process.ngrok import TOKEN_VARIABLE
    from sdcolab.process.public_link import Service
    from sdcolab.process.supervisor import ChildNews, ChildSaid, ChildSpec, Supervisor
    from sdcolab.process.tunnel import tunnel_command

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


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
