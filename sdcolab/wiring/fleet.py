"""Lists of requests with this machine's engines, or those of a cluster."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken
from sdcolab.core.folders import Folders, default_root
from sdcolab.core.machine import folders_in
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import LocalWorker, Tools
from sdcolab.fleet.crew import LocalMaker, Maker, Tally, work_through
from sdcolab.fleet.on_ray import Cluster, ray_makers
from sdcolab.fleet.orders import Order
from sdcolab.fleet.results import Place
from sdcolab.process.environment import engine_spec
from sdcolab.process.worker import ProcessWorker
from sdcolab.wiring.engine import build_engine, build_library, with_control_models
from sdcolab.wiring.tasks import TASKS


def default_place(folders: Folders, plan: Path) -> str:
    """Where the results of a list go when nobody says."""
    return str(folders.outputs / "lotes" / (plan.stem or "lote"))


def run_batch(
    orders: Sequence[Order],
    makers: Sequence[Maker],
    target: str,
    tell: Callable[[Tally], None],
    cancel: CancelToken,
) -> Tally:
    """Make what is left of a list. Raises as ``fleet.crew.work_through``."""
    place = Place(target)
    with place.alone():
        return work_through(orders, makers, place, tell, cancel)


def makers_here(
    folders: Folders, model: Path | None, engines: int, tell: Callable[[SdcolabError], None]
) -> tuple[Maker, ...]:
    """``engines`` processes of this machine, one a graphics card when there are several; ``model`` is a checkpoint from
    anywhere on the disk. ``tell`` hears what was chosen for a request."""
    made = []

    def prepare(request: GenerationRequest) -> GenerationRequest:
        complete, chosen = with_control_models(request, folders, None if model is None else str(model))
        for one in chosen:
            tell(one)
        return complete

    for card in range(engines):
        spec = engine_spec(folders, os.environ, model, card=None if engines == 1 else card)
        worker = ProcessWorker(spec, TASKS)
        worker.start()
        made.append(LocalMaker(worker, prepare, worker.stop))
    return tuple(made)


def makers_on_ray(cluster: Cluster, root: Path | None) -> tuple[Maker, ...]:
    """Engines of a cluster. ``root`` is the program's folder there; None: each machine's own."""
    from sdcolab.engine.threads import threads_here

    build = functools.partial(engine_there, None if root is None else str(root), threads_here())
    return ray_makers(cluster, build)


def engine_there(root: str | None, threads: int) -> Maker:
    """An engine in this process, for an actor. ``threads`` of the machine that asks: sums over other numbers of threads
    are rounded differently, and Ray gives an actor one where nobody says."""
    from sdcolab.engine.threads import use_threads

    use_threads(threads)
    folders = folders_in(default_root() if root is None else Path(root))
    library = build_library(folders)
    worker = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library)))
    return LocalMaker(worker, lambda request: with_control_models(request, folders)[0])
