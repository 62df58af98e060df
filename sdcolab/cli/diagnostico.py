"""``sdcolab diagnostico``: what is wrong with this machine."""

from __future__ import annotations

import argparse

from sdcolab.cli.parser import add_folder_option
from sdcolab.core.folders import Folders


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run)
    parser.add_argument("--sin-red", action="store_true", help="no prueba la conexión con los sitios")
    parser.add_argument("--informe", action="store_true", help="guarda un informe con los registros, sin secretos")
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Print one page about this machine and what is wrong with it; 1 when something is."""
    from sdcolab.wiring import diagnosis

    page, all_well = diagnosis.diagnose(Folders(options.carpeta), network=not options.sin_red)
    print(page)
    if options.informe:
        print(f"\nInforme guardado en {diagnosis.save_report(Folders(options.carpeta), page)}")
    return 0 if all_well else 1
