"""``sdcolab convertir``: checkpoints smaller, repaired, or in another format."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from sdcolab.cli.options import FieldOptions
from sdcolab.cli.parser import add_folder_option, folder
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.fields import with_values
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.workshop import Convert

PREFIX = "convert"
FIELD_OPTIONS = FieldOptions(Convert, frozenset({"convert.checkpoint"}), PREFIX)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab convertir [opciones] MODELO…"
    parser.add_argument("modelos", nargs="+", metavar="MODELO")
    parser.add_argument("--salida", type=folder, metavar="DIR")
    add_folder_option(parser, argparse.SUPPRESS)
    FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Convert each model and print where it is."""
    from sdcolab.wiring import workshop_here

    values = {path.removeprefix(f"{PREFIX}."): value for path, value in FIELD_OPTIONS.given(options).items()}
    wanted = with_values(Convert(), values)
    names = workshop_here.checkpoints_named(options.modelos)
    if len(names) > 1 and wanted.name:
        options.fail(said.ONE_MODEL)
    progress = ConsoleProgress(sys.stderr)
    folders, output = folders_in(options.carpeta), options.salida
    try:
        for name in names:
            print(workshop_here.convert_here(replace(wanted, checkpoint=name), folders, output, progress))
    finally:
        progress.close()
    return 0
