"""``sdcolab lora``: finished LoRA files made smaller or added up."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdcolab.cli.parser import decimal, whole


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run)
    parser.add_argument(
        "accion",
        choices=("reducir", "mezclar"),
        metavar="ACCIÓN",
    )
    parser.add_argument("archivos", nargs="+", metavar="ARCHIVO")
    parser.add_argument("--salida", type=Path, required=True, metavar="ARCHIVO")
    parser.add_argument("--dim", type=whole("dim"), default=16, metavar="N")
    parser.add_argument("--precision", choices=("fp16", "float", "bf16"), default="fp16")


def run(options: argparse.Namespace) -> int:
    """Write the new file and print where it is."""
    from sdcolab.wiring import trainer

    files = [_weighted(text) for text in options.archivos]
    print(trainer.work_on_loras(options.accion, files, options.salida, options.dim, options.precision))
    return 0


def _weighted(text: str) -> tuple[Path, float]:
    """``archivo.safetensors:0.7``; the weight is 1 where there is none."""
    name, colon, weight = text.rpartition(":")
    if colon and name and not Path(text).exists():
        return Path(name), float(decimal("pesos")(weight))
    return Path(text), 1.0
