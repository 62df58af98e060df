"""``sdcolab diagnostico``: what is wrong with this machine."""

from __future__ import annotations

import argparse

from sdcolab.cli.parser import add_folder_option
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run)
    parser.add_argument("--sin-red", action="store_true")
    parser.add_argument("--informe", action="store_true")
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Print one page about this machine and what is wrong with it; 1 when something is."""
    from sdcolab.wiring import diagnosis

    page, all_well = diagnosis.diagnose(folders_in(options.carpeta), network=not options.sin_red)
    print(page)
    if options.informe:
        print(f"\n{said.REPORT_SAVED.format(path=diagnosis.save_report(folders_in(options.carpeta), page))}")
    return 0 if all_well else 1
