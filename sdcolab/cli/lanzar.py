"""``sdcolab lanzar``: a page to choose how to open the program, and then the program."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable, Sequence

from sdcolab.cli import web
from sdcolab.cli.parser import add_folder_option
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.words.launching import LAUNCH_ADDRESS, LAUNCH_ONLY_OPTIONS

Main = Callable[[Sequence[str]], int]
Build = Callable[[], argparse.ArgumentParser]


def add_options(parser: argparse.ArgumentParser, main: Main, build: Build) -> None:
    """The subcommand's options. ``main`` runs a command line, and ``build`` makes its whole parser."""
    parser.set_defaults(command=lambda options: run(options, main, build))
    parser.add_argument("--sin-navegador", action="store_true")
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace, main: Main, build: Build) -> int:
    """Ask how to open, and open."""
    from sdcolab.wiring import launcher

    folders = folders_in(options.carpeta)
    chosen = launcher.ask(
        folders,
        complaint=lambda arguments: complaint(arguments, build),
        browser=not options.sin_navegador,
        say=told,
    )
    return 0 if chosen is None else main(["--carpeta", str(folders.root), *chosen])


def told(address: str) -> None:
    """Say where the launcher is."""
    print(LAUNCH_ADDRESS.format(address=address), flush=True)


def complaint(arguments: Sequence[str], build: Build) -> str:
    """What is wrong with ``arguments`` (in our words) for opening the page; "" when nothing is."""
    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written), contextlib.redirect_stdout(written):
            parsed = build().parse_args(list(arguments))
    except SystemExit:
        return written.getvalue().partition(said.LOOK_AT_OPTIONS.partition(":")[0])[0].strip()
    return "" if parsed.command is web.run else LAUNCH_ONLY_OPTIONS
