"""``sdcolab lote``: a long list of pictures, on this machine or on a Ray cluster, that goes on after any interruption.

sdcolab cuadricula "a cat" --x "Steps=10,20" --exportar plan.jsonl && sdcolab lote plan.jsonl
sdcolab lote prompts.csv --pasos 30 --salida s3://cubo/gatos --ray auto
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcolab.cli import generar
from sdcolab.cli.batches import read_orders
from sdcolab.cli.parser import add_folder_option, decimal, place, whole
from sdcolab.cli.progress import warn
from sdcolab.core.errors import SdcolabError
from sdcolab.core.machine import folders_in
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain
from sdcolab.core.words.fleet import batch_ended, batch_progress

if TYPE_CHECKING:
    from sdcolab.fleet.crew import Tally

MAX_ENGINES = 4096


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab lote [opciones] LISTA"
    add = parser.add_argument
    add(
        "lista",
        type=Path,
        metavar="LISTA",
    )
    add("--salida", type=place, metavar="DIR")
    add(
        "--desde-imagenes",
        action="store_true",
    )
    add("--modelo", default=argparse.SUPPRESS, metavar="ARCHIVO")
    add("--motores", type=whole("motores"), default=0, metavar="N")
    add("--ray", metavar="DIRECCIÓN")
    add("--gpu", type=decimal("gpu"), default=1.0, metavar="X")
    add("--carpeta-remota", type=Path, metavar="DIR")
    add_folder_option(parser, argparse.SUPPRESS)
    generar.FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Make what is left of the list."""
    from sdcolab.core.detect import ModelKind
    from sdcolab.core.events import CancelToken
    from sdcolab.fleet.on_ray import Cluster
    from sdcolab.wiring import fleet
    from sdcolab.wiring.engine import model_file

    if not 0 <= options.motores <= MAX_ENGINES:
        options.fail(said.ENGINES)
    if not 0 < options.gpu <= 16 or (options.gpu > 1 and options.gpu % 1):
        options.fail(said.GPU_SHARE)
    folders = folders_in(options.carpeta)
    given = {path: _from_here(value) for path, value in generar.given_in(options).items()}
    model = None
    if options.modelo and options.ray:
        given["checkpoint"] = options.modelo  # each machine looks for it
    elif options.modelo:
        model = model_file(folders, ModelKind.CHECKPOINT, options.modelo)
        given["checkpoint"] = model.name
    orders = read_orders(options.lista, folders, given, from_pictures=options.desde_imagenes)
    taken: list[SdcolabError] = []
    target = options.salida or fleet.default_place(folders, options.lista)
    if options.ray:
        makers = fleet.makers_on_ray(Cluster(options.ray, options.gpu, options.motores), options.carpeta_remota)
    else:
        makers = fleet.makers_here(folders, model.path if model else None, options.motores or 1, taken.append)
    line = _Line()
    try:
        tally = fleet.run_batch(orders, makers, target, line, CancelToken())
    finally:
        line.close()
    warn(sys.stderr, *{explain(one).text: one for one in taken}.values())
    print(batch_ended(tally.made, tally.before, tally.failed, target))
    return 1 if tally.failed else 0


def _from_here(value: Any) -> Any:
    """An option's value; files that it names are those of this folder, where those of the list are of its own."""
    if isinstance(value, tuple):
        return tuple(map(_from_here, value))
    return value.absolute() if isinstance(value, Path) else value


class _Line:
    """How far the list is, in one line of the terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._width = 0

    def __call__(self, tally: Tally) -> None:
        """Show ``tally``."""
        if not self._live:
            return
        worked = tally.made + tally.failed
        seconds = (time.monotonic() - self._begun) / worked * (tally.total - tally.over) if worked else None
        text = batch_progress(tally.over, tally.total, tally.engines, seconds)
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._width:
            sys.stderr.write("\n")
