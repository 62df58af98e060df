"""``sdcolab entrenar``: a LoRA from a plan, ours or sd-scripts'."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdcolab.core.words import explain


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options. What follows the plan is sd-scripts' (``--learning_rate 1e-4``)."""
    parser.set_defaults(command=run)
    parser.add_argument(
        "plan", type=Path, metavar="PLAN.toml", help="archivo con las opciones, nuestro o de sd-scripts"
    )
    parser.add_argument("--solo-revisar", action="store_true", help="enseña qué se va a entrenar, sin entrenarlo")
    parser.add_argument("--eventos", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "opciones",
        nargs=argparse.REMAINDER,
        metavar="--opción valor",
        help="opciones de sd-scripts que ganan a las del archivo, como --unet_lr 5e-4",
    )


def run(options: argparse.Namespace) -> int:
    """Train and print where the files are."""
    from sdcolab.wiring import trainer

    arguments = list(options.opciones)
    for name in ("--solo-revisar", "--eventos"):  # also where they come after the plan
        if name in arguments:
            arguments.remove(name)
            setattr(options, name[2:].replace("-", "_"), True)
    if options.eventos:
        return trainer.serve(options.plan, arguments)
    if options.solo_revisar:
        lines, well = trainer.review(options.plan, arguments)
        print("\n".join(lines))
        return 0 if well else 1
    print(trainer.train(options.plan, arguments, warn=lambda error: print(explain(error), file=sys.stderr)))
    return 0
