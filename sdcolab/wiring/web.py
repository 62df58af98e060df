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
from sdcolab.core.library import Library
from sdcolab.core.machine import MachineFile
from sdcolab.core.words.command import SAVED_PASSWORD
from sdcolab.studio.journal import JOURNAL_NAME, JobJournal
from sdcolab.studio.machine_desk import Opened
from sdcolab.studio.pending import PendingJournal, set_aside
from sdcolab.wiring.engine import build_library, model_file
from sdcolab.wiring.studio import Workplace, build_studio, workplace, workplace_here
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.voices import HumanVoice, MachineVoice

if TYPE_CHECKING:
    from sdcolab.process.supervisor import Supervisor

USER_NAME = "sdcolab"

THEME_QUERIES = {"claro": "/?__theme=light", "oscuro": "/?__theme=dark"}
"""What gradio's page is opened with, unless it follows the system."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How to open the web UI. ``machine_events`` prints JSON lines for the program that started us; with
    ``one_process`` the engine works in this process, which dies with it when memory runs out; ``engines`` is how many
    work at the same time, one a graphics card; ``guests`` are the origins of sites whose pages may use the API."""

    folders: Folders
    host: str = "127.0.0.1"
    port: int = 7860
    login: tuple[str, str] | None = None
    share: bool = False
    model: str | None = None
    vae: str | None = None
    machine_events: bool = False
    one_process: bool = False
    theme: str = "sistema"
    engines: int = 1
    guests: frozenset[str] = frozenset()


def open_web(options: WebOptions) -> None:
    """Serve the page until interrupted (Ctrl+C or SIGTERM). Raises ``PortBusy``."""
    from sdcolab.api.app import build_api
    from sdcolab.web.app import serve

    saved = MachineFile(options.folders.root).peek().login
    login = options.login or saved
    if options.share and login is None:
        login = (USER_NAME, secrets.token_urlsafe(9))
    told = (login[0], SAVED_PASSWORD) if login and not options.login and login == saved else login
    say = MachineVoice() if options.machine_events else HumanVoice()
    place, library = _workplace(options, say)
    only_here = options.host == "127.0.0.1" and not options.share and not options.machine_events
    studio = build_studio(options.folders, library, place, Opened(login=login, only_here=only_here))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        server = serve(
            studio,
            host=options.host,
            port=options.port,
            auth=login,
            api=build_api(studio),
            guests=options.guests,
        )
        tunnel = None
        try:
            say.ready(
                server.url + THEME_QUERIES.get(options.theme, ""), told, open_to_network=options.host != "127.0.0.1"
            )
            place.start()
            tunnel = _open_tunnel(options.folders, server.port, told, say) if options.share and told else None
            while not server.wait(1.0):
                pass
        finally:
            if tunnel:
                tunnel.stop()
            server.close()
    except KeyboardInterrupt:
        say.closing()
    finally:
        place.close()


def _workplace(options: WebOptions, say: HumanVoice) -> tuple[Workplace, Library]:
    asked = ((ModelKind.CHECKPOINT, options.model), (ModelKind.VAE, options.vae))
    chosen = {kind: model_file(options.folders, kind, name) for kind, name in asked if name}
    library = build_library(options.folders, *chosen.values())
    supervised = options.machine_events
    if not supervised:  # nobody else has looked at what the last session left
        set_aside(options.folders.config, TASKS)
    own = JobJournal(options.folders.root / ".sesion" / JOURNAL_NAME, TASKS)
    journal = PendingJournal(options.folders.config, TASKS, own if supervised else None)
    if options.one_process:
        return workplace_here(options.folders, library, say.event, journal), library
    model, vae = (chosen[kind].path if kind in chosen else None for kind in (ModelKind.CHECKPOINT, ModelKind.VAE))
    heard = (say.event, journal, say.trouble)
    return workplace(options.folders, library, model, *heard, options.engines, vae), library


def _open_tunnel(folders: Folders, port: int, login: tuple[str, str], say: HumanVoice) -> Supervisor:
    """Make ``port`` public and keep it so, telling each new address."""
    from sdcolab.process.environment import NGROK_NAME, TUNNEL_RESTART, child_environ, token_in
    from sdcolab.process.ngrok import TOKEN_VARIABLE
    from sdcolab.process.public_link import Service
    from sdcolab.process.supervisor import ChildNews, ChildSaid, ChildSpec, Supervisor
    from sdcolab.process.tunnel import link_error, tunnel_command

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
