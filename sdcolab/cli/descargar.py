"""``sdcolab descargar``: links into the model folders."""

from __future__ import annotations

import argparse
import json
import sys

from sdcolab.cli.parser import add_folder_option
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.errors import ModelFamilyUnsupported, SmallerFile
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run)
    parser.add_argument("enlaces", metavar="ENLACES", nargs="+")
    parser.add_argument("--json", action="store_true")
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Download links into the model folders, one report line each."""
    from sdcolab.wiring import downloads

    # What may spare somebody gigabytes is said before they come; the report lines say everything again.
    progress = ConsoleProgress(sys.stderr, warnings=(ModelFamilyUnsupported, SmallerFile))
    try:
        outcome = downloads.download(" ".join(options.enlaces), folders=folders_in(options.carpeta), listener=progress)
    finally:
        progress.close()
    if not outcome.lines:
        print(said.NO_LINK, file=sys.stderr)
        return 2
    print(json.dumps(outcome.entries, ensure_ascii=False) if options.json else "\n".join(outcome.lines))
    return 0 if outcome.all_well else 1
