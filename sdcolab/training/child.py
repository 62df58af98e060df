"""A training in a process of its own: events out as JSON lines, orders in as words, one a line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sdcolab.core.errors import Cancelled, OutOfMemory, SdcolabError
from sdcolab.training.board import logged
from sdcolab.training.chart import charted
from sdcolab.training.control import Control
from sdcolab.training.events import Hear, TrainingEnded, TrainingEvent, to_line
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.toml_writing import keep_plan

PAUSE, GO_ON, STOP = "pausa", "sigue", "para"
"""Orders."""


def run_training(plan: TrainingPlan, hear: Hear, control: Control) -> Path:
    """Train ``plan`` in this thread; the finished file. Raises ``SdcolabError``."""
    from sdcolab.engine.lean import import_lean

    import_lean("sdcolab.training.loop", "sdcolab.training.prepare")
    from sdcolab.engine.memory import is_out_of_memory
    from sdcolab.training.fleet import joined_fleet
    from sdcolab.training.loop import train
    from sdcolab.training.prepare import prepare

    try:
        with (
            joined_fleet() as fleet,
            charted(plan, hear, writes=fleet.rank == 0) as drawn,
            logged(plan if fleet.rank == 0 else replace(plan, logging_dir=None), drawn) as ears,
        ):
            shop = prepare(plan, ears, fleet)
            made = train(shop, ears, control)
            if fleet.rank == 0:
                keep_plan(made, plan, shop.seed, shop.dataset_hash)
            return made
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        width, height = plan.size()
        raise OutOfMemory(device="cuda", width=width, height=height, batch_size=plan.train_batch_size) from error


def serve(plan: TrainingPlan, orders: Iterable[str], write: Callable[[str], object]) -> int:
    """Train ``plan``, telling everything through ``write`` a line at a time; the exit code. A bug keeps its
    traceback.
    """
    control = Control()
    threading.Thread(target=_obey, args=(orders, control), name="sdcolab-ordenes", daemon=True).start()

    def hear(event: TrainingEvent) -> None:
        write(to_line(event))

    try:
        run_training(plan, hear, control)
    except Cancelled as error:
        hear(TrainingEnded(error))
        return 130
    except SdcolabError as error:
        hear(TrainingEnded(error))
        return 1
    hear(TrainingEnded())
    return 0


def _obey(orders: Iterable[str], control: Control) -> None:
    """Follow the orders. When they end, so did whoever gives them: save and stop."""
    acts = {PAUSE: control.pause, GO_ON: control.go_on, STOP: control.stop}
    for line in orders:
        acts.get(line.strip(), lambda: None)()
    control.stop()
