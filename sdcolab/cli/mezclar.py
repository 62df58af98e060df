"""``sdcolab mezclar``: a checkpoint made of others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdcolab.cli.options import FieldOptions
from sdcolab.cli.parser import add_folder_option, folder
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.fields import with_values
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.workshop import Merge

PREFIX = "merge"
TRIAL = "trial."
FIELD_OPTIONS = FieldOptions(Merge, frozenset({"merge.recipe"}), PREFIX)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab mezclar --a MODELO --b MODELO [opciones]"
    parser.add_argument("--receta", type=Path, metavar="ARCHIVO")
    parser.add_argument("--salida", type=folder, metavar="DIR")
    add_folder_option(parser, argparse.SUPPRESS)
    FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Merge, and print where the new model is; or try the merge, and print where its pictures are."""
    from sdcolab.wiring import workshop_here

    values = {path.removeprefix(f"{PREFIX}."): value for path, value in FIELD_OPTIONS.given(options).items()}
    if options.receta is not None and any(not path.startswith(TRIAL) for path in values):
        options.fail(said.RECIPE_ALONE)
    if options.receta is None and "primary" not in values:
        options.fail(said.MERGE_MISSING)
    tries = f"{TRIAL}prompt" in values
    if not tries and any(path.startswith(TRIAL) for path in values):
        options.fail(said.TRIAL_MISSING)
    folders, progress = folders_in(options.carpeta), ConsoleProgress(sys.stderr)
    try:
        if tries:
            wanted = with_values(Merge(), values)
            result = workshop_here.try_merge_here(wanted, options.receta, folders, options.salida, progress)
            print(*(image.path for image in result.images), sep="\n")
        elif options.receta is not None:
            print(workshop_here.merge_recipe_here(options.receta, folders, options.salida, progress))
        else:
            print(workshop_here.merge_here(with_values(Merge(), values), folders, options.salida, progress))
    finally:
        progress.close()
    return 0
