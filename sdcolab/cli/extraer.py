"""``sdcolab extraer``: a LoRA from what a model has that another lacks."""

from __future__ import annotations

import argparse
import sys

from sdcolab.cli.options import FieldOptions
from sdcolab.cli.parser import add_folder_option, folder
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.fields import with_values
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.workshop import Extract

PREFIX = "extract"
FIELD_OPTIONS = FieldOptions(Extract, prefix=PREFIX)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab extraer --modelo MODELO --base MODELO [opciones]"
    parser.add_argument("--salida", type=folder, metavar="DIR")
    add_folder_option(parser, argparse.SUPPRESS)
    FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Extract, and print where the LoRA is."""
    from sdcolab.wiring import workshop_here

    values = {path.removeprefix(f"{PREFIX}."): value for path, value in FIELD_OPTIONS.given(options).items()}
    for name, option in (("tuned", "--modelo"), ("base", "--base")):
        if name not in values:
            options.fail(said.MODEL_MISSING.format(option=option))
    wanted, progress = with_values(Extract(), values), ConsoleProgress(sys.stderr)
    try:
        print(workshop_here.extract_here(wanted, folders_in(options.carpeta), options.salida, progress))
    finally:
        progress.close()
    return 0
