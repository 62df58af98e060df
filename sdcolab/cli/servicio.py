"""``sdcolab servicio``: the engine's own process. Other parts of the program start it; it is not for people."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdcolab.cli.parser import add_folder_option
from sdcolab.core.folders import Folders


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run)
    parser.add_argument("--modelo", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--vae", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--imagenes", type=Path, help=argparse.SUPPRESS)
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Do the work of a page or a panel, in a process of its own (not for people)."""
    from sdcolab.wiring import engine

    engine.serve_engine(Folders(options.carpeta, options.imagenes), options.modelo, options.vae)
    return 0
