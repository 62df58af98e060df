"""With no subcommand: serve the page from this machine."""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

from sdcolab.cli.parser import add_folder_option, login, port
from sdcolab.core.folders import default_root
from sdcolab.core.machine import USER_VARIABLE, folders_in
from sdcolab.core.words import command as said

DEFAULT_PORT = 7860
MOST_CARDS = 16

_ONLY_HERE = (
    *("puerto", "compartir", "usuario", "escuchar", "tema", "un_proceso", "tarjetas", "permitir_web", "eventos"),
)
"""Options that only open the page."""

THEMES = ("sistema", "claro", "oscuro")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that open the page."""
    parser.set_defaults(command=run)
    add = parser.add_argument
    add("--puerto", type=port, default=DEFAULT_PORT, metavar="N")
    add("--compartir", action="store_true")
    add("--usuario", type=login, metavar="NOMBRE:CONTRASEÑA")
    add("--modelo", metavar="ARCHIVO")
    add("--vae", metavar="ARCHIVO")
    add("--escuchar", action="store_true")
    add("--tema", choices=THEMES, default=THEMES[0], metavar="TEMA")
    add("--un-proceso", action="store_true")
    add(
        "--tarjetas",
        "--motores",
        type=cards,
        default=1,
        metavar="N",
    )
    add(
        "--permitir-web",
        type=origins,
        default=frozenset(),
        metavar="SITIOS",
    )
    add("--eventos", action="store_true", help=argparse.SUPPRESS)
    add_folder_option(parser, default_root())


def run(options: argparse.Namespace) -> int:
    """Serve the web UI until interrupted."""
    from sdcolab.wiring import web

    web.open_web(
        web.WebOptions(
            folders=folders_in(options.carpeta),
            host="0.0.0.0" if options.escuchar else "127.0.0.1",
            port=options.puerto,
            login=options.usuario or _login_from_environment(),
            share=options.compartir,
            model=options.modelo,
            vae=options.vae,
            machine_events=options.eventos,
            one_process=options.un_proceso,
            theme=options.tema,
            engines=options.tarjetas,
            guests=options.permitir_web,
        )
    )
    return 0


def cards(text: str) -> int:
    """How many graphics cards, from 1 to 16."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST_CARDS:
        raise argparse.ArgumentTypeError(said.NO_COUNT.format(text=text, most=MOST_CARDS))
    return int(text)


def origins(text: str) -> frozenset[str]:
    """Origins of web sites (scheme, name and port), separated by commas. ``*`` would be everybody's pages."""
    found = set()
    for written in filter(None, (part.strip().casefold().rstrip("/") for part in text.split(","))):
        try:
            parts = urlsplit(written)
            known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            known = False
        if not known or written != f"{parts.scheme}://{parts.netloc}" or "@" in written:
            raise argparse.ArgumentTypeError(said.NO_ORIGIN.format(text=written))
        found.add(written)
    return frozenset(found)


def refuse_options_of_the_page(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A subcommand with an option that only opens the page is a mistake that must not pass in silence."""
    if options.command is not run:
        for name in _ONLY_HERE:
            if getattr(options, name) != parser.get_default(name):
                parser.error(said.ONLY_TO_OPEN.format(option=name.replace("_", "-")))


def _login_from_environment() -> tuple[str, str] | None:
    text = os.environ.get(USER_VARIABLE)
    return login(text) if text else None
