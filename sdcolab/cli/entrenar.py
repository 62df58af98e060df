"""``sdcolab entrenar``: a LoRA from a plan, ours or sd-scripts'."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdcolab.cli.parser import whole
from sdcolab.core.machine import folders_in
from sdcolab.core.training import weights_of
from sdcolab.core.words.console import explain


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options. What follows the plan is sd-scripts' (``--learning_rate 1e-4``)."""
    parser.set_defaults(command=run)
    parser.add_argument("plan", type=Path, metavar="PLAN.toml")
    parser.add_argument("--ejemplo", action="store_true")
    parser.add_argument("--solo-revisar", action="store_true")
    parser.add_argument("--probar", metavar="PROMPT")
    parser.add_argument("--pesos", metavar="LISTA")
    parser.add_argument("--imagenes", metavar="N")
    parser.add_argument("--eventos", action="store_true", help=argparse.SUPPRESS)
    rest = parser.add_argument("opciones", nargs=argparse.REMAINDER, metavar="--opción valor")
    rest.required = False  # argparse would ask for it with the plan


def run(options: argparse.Namespace) -> int:
    """Train and print where the files are."""
    from sdcolab.wiring import engine, trainer

    arguments = own_options(options)
    if options.ejemplo:
        print(trainer.write_example(options.plan))
        return 0
    library = engine.build_library(folders_in(options.carpeta))
    if options.eventos:
        return trainer.serve(options.plan, arguments)
    if options.solo_revisar:
        lines, well = trainer.review(options.plan, arguments, library, explain)
        print("\n".join(lines))
        return 0 if well else 1
    plan = trainer.plan_here(options.plan, arguments, library)
    if options.probar is not None:
        weights = weights_of(options.pesos or "1")
        count = whole("imagenes")(options.imagenes or "2")
        print(trainer.try_out(plan, options.probar, weights, count, print))
        return 0
    print(trainer.train(plan, warn=lambda error: print(explain(error), file=sys.stderr)))
    return 0


def own_options(options: argparse.Namespace) -> list[str]:
    """sd-scripts' options; ours that stand after the plan are taken out of them."""
    given = list(options.opciones)
    for name in ("ejemplo", "solo_revisar", "eventos"):
        flag = "--" + name.replace("_", "-")
        if flag in given:
            given.remove(flag)
            setattr(options, name, True)
    for name in ("probar", "pesos", "imagenes"):
        flag = f"--{name}"
        if flag in given:
            index = given.index(flag)
            setattr(options, name, (given[index + 1 : index + 2] or [""])[0])
            del given[index : index + 2]
    return given
