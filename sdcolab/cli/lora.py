"""``sdcolab lora``: finished LoRA files made smaller or added up."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdcolab.cli.parser import add_folder_option, decimal, whole
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.workshop import LoraPrecision

SHRINK, ADD = "reducir", "mezclar"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.add_argument("accion", choices=(SHRINK, ADD), metavar="ACCIÓN")
    parser.add_argument("archivos", nargs="+", metavar="ARCHIVO")
    parser.add_argument("--salida", type=Path, required=True, metavar="ARCHIVO")
    parser.add_argument("--dim", type=whole("dim"), default=16, metavar="N")
    parser.add_argument("--precision", choices=[*LoraPrecision], default=LoraPrecision.FP16.value)
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Write the new file and print where it is."""
    from sdcolab.wiring import workshop_here

    files = [_weighted(text) for text in options.archivos]
    if options.accion == SHRINK and len(files) > 1:
        options.fail(said.ONE_LORA)
    progress = ConsoleProgress(sys.stderr)
    try:
        print(
            workshop_here.combine_here(
                files, options.salida, options.dim, options.precision, folders_in(options.carpeta), progress
            )
        )
    finally:
        progress.close()
    return 0


def _weighted(text: str) -> tuple[str, float]:
    """``archivo.safetensors:0.7``; the weight is 1 where there is none."""
    name, colon, weight = text.rpartition(":")
    if colon and name and not Path(text).exists():
        return name, float(decimal("pesos")(weight))
    return text, 1.0
