"""``sdcolab ampliar``: finished pictures made larger, repaired, cut, flipped and described."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdcolab.cli.options import FieldOptions
from sdcolab.cli.parser import add_folder_option, folder
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.errors import InitImageMissing
from sdcolab.core.events import Event, ImageSaved, Note
from sdcolab.core.fields import with_values
from sdcolab.core.machine import folders_in
from sdcolab.core.picture_folders import pictures_in
from sdcolab.core.tasks import Enlarge

FIELD_OPTIONS = FieldOptions(Enlarge, frozenset({"pictures", "infotexts", "save", "folder", "enlargement.in_eights"}))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab ampliar [opciones] IMAGEN…"
    parser.add_argument("imagenes", nargs="+", type=Path, metavar="IMAGEN")
    parser.add_argument("--salida", type=folder, metavar="DIR")
    add_folder_option(parser, argparse.SUPPRESS)
    FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Enlarge each picture and print where it is. 1 when none was made."""
    from sdcolab.wiring.enlarging_here import enlarge_here

    files = [file for path in options.imagenes for file in (pictures_in(path) if path.is_dir() else [path])]
    if not files:
        raise InitImageMissing()
    task = with_values(Enlarge(), FIELD_OPTIONS.given(options))
    progress, made = ConsoleProgress(sys.stderr), list[Path]()

    def listener(event: Event) -> None:
        if isinstance(event, ImageSaved):
            made.append(event.path)
            print(event.path)
        elif isinstance(event, Note):
            print(event.text, file=sys.stderr)
        else:
            progress(event)

    try:
        enlarge_here(task, files, folders_in(options.carpeta), options.salida, listener)
    finally:
        progress.close()
    return 0 if made else 1
