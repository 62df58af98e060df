"""What a list costs beyond its pictures, and how it grows with the number of engines.

    python tools/bench/fleet.py             # overhead a request (at most 5 ms + 2 %), and the model up to 1,000 engines
    python tools/bench/fleet.py --ray 1000  # so many demo pictures on a real Ray cluster on this machine, one engine
                                            # killed in the midst, against the same list on one engine

The overhead is that of threads, board, files and manifest around an engine that takes a known time and gives a real
picture's bytes (a 512 x 512 PNG of noise, the largest there is).

The model of many engines replays the real board with virtual clocks. It assumes that engines are equally fast but for
what ``--varianza`` says, that loading a checkpoint takes ``--carga`` seconds, that a request's pictures go to one
place which writes them one after another at ``--mbps``, that answering costs the overhead measured here, and that
nobody dies.
"""

from __future__ import annotations

import argparse
import functools
import heapq
import io
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.events import CancelToken
from sdcolab.core.request import GenerationRequest
from sdcolab.fleet.board import Board
from sdcolab.fleet.crew import Tally, work_through
from sdcolab.fleet.on_ray import Cluster, ray_makers
from sdcolab.fleet.orders import CHECKPOINTS, Order, setup_of
from sdcolab.fleet.results import MANIFEST, Picture, Place

REQUESTS = 60
CHECKPOINT_NAMES = 4


def noise() -> bytes:
    """The PNG of a picture that does not get smaller."""
    png = io.BytesIO()
    Image.frombytes("RGB", (512, 512), random.Random(1).randbytes(512 * 512 * 3)).save(png, format="PNG")
    return png.getvalue()


class Sleeper:
    """An engine that takes ``seconds``."""

    def __init__(self, seconds: float, data: bytes) -> None:
        self._seconds = seconds
        self._data = data

    def ready(self, over: Callable[[], bool]) -> bool:
        return not over()

    def make(self, request: GenerationRequest, _cancel: CancelToken) -> tuple[Picture, ...]:
        time.sleep(self._seconds)
        return (Picture(self._data, request.seed, request.prompt),)

    def close(self) -> None:
        """Nothing to let go of."""


def orders(count: int, checkpoints: int, **fields: Any) -> list[Order]:
    """A list whose checkpoints take turns."""
    made = []
    for number in range(count):
        name = f"modelo-{number % checkpoints}" if checkpoints > 1 else ""
        request = GenerationRequest(prompt=f"gato {number}", checkpoint=name, seed=number, **fields)
        made.append(Order(number, setup_of(request), str(number), functools.partial(lambda one: one, request)))
    return made


def silent(_tally: Tally) -> None:
    """Nobody looks."""


def overhead(seconds: float, engines: int, data: bytes) -> float:
    """Milliseconds that a request costs an engine beyond its own time."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        makers = [Sleeper(seconds, data) for _ in range(engines)]
        work_through(orders(REQUESTS, 1), makers, Place(folder), silent, CancelToken())
        return 1000 * ((time.perf_counter() - begun) * engines / REQUESTS - seconds)


def simulated(engines: int, service: float, options: argparse.Namespace, answer: float, size: int) -> float:
    """Seconds that ``50 x engines`` requests take, on virtual clocks."""
    wanted = orders(50 * engines, CHECKPOINT_NAMES)
    board, chance = Board(wanted), random.Random(engines)
    clocks: list[tuple[float, int]] = [(0.0, worker) for worker in range(engines)]
    heapq.heapify(clocks)
    loaded: dict[int, tuple[str, ...]] = {}
    writing = ended = 0.0
    while board.left:
        now, worker = heapq.heappop(clocks)
        order = board.take(worker)
        if order is None:
            break
        board.finished(order)
        models = order.setup[:CHECKPOINTS]
        load = 0.0 if loaded.get(worker) == models else options.carga
        loaded[worker] = models
        done = now + load + answer + service * max(0.1, chance.gauss(1, options.varianza))
        writing = max(writing, done) + size / (options.mbps * 125_000)
        ended = max(ended, done, writing)
        heapq.heappush(clocks, (max(done, writing - 8 * size / (options.mbps * 125_000)), worker))
    return ended


def on_ray(count: int) -> bool:
    """The same bytes from a cluster of three machines, one of whose engines is killed, as from one engine."""
    import ray
    from ray.cluster_utils import Cluster as Machines

    from sdcolab.engine.threads import threads_here
    from sdcolab.wiring.fleet import engine_there

    os.environ |= {"RAY_agent_register_timeout_ms": "600000", "RAY_raylet_start_wait_time_s": "600"}
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        machines.add_node(num_cpus=1)
    wanted = orders(count, 1, steps=1)
    with tempfile.TemporaryDirectory() as name:
        far, near = Path(name) / "ray", Path(name) / "aqui"
        root = str(Path(name) / "sdcolab")
        build = functools.partial(engine_there, root, threads_here())
        makers = ray_makers(Cluster(machines.address), build)
        victim: Any = makers[0]
        killer = threading.Timer(0, lambda: None)

        def tell(tally: Tally) -> None:
            nonlocal killer
            if tally.made == count // 3 and not killer.ident:
                process = ray.get(victim._actor.__ray_call__.remote(lambda _self: os.getpid()))
                killer = threading.Timer(0.1, os.kill, (process, signal.SIGKILL))
                killer.start()

        begun = time.perf_counter()
        tally = work_through(wanted, makers, Place(str(far)), tell, CancelToken())
        print(
            f"Ray: {tally.made} de {count} en {time.perf_counter() - begun:.0f} s con {len(makers)} motores, uno muerto"
        )
        ray.shutdown()
        machines.shutdown()
        place = Place(str(near))
        place.write(MANIFEST, (far / MANIFEST).read_bytes().splitlines(keepends=True)[0])
        work_through(wanted, (build(),), place, silent, CancelToken())
        here, there = ({path.name: path.read_bytes() for path in one.iterdir()} for one in (near, far))
        print(f"los mismos bytes que un motor: {'sí' if here == there else 'NO'} ({len(there) - 1} imágenes)")
        return here == there and len(there) == count + 1


def main() -> int:
    """Measure, and say whether it is within bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ray", type=int, metavar="N")
    parser.add_argument("--servicio", type=float, default=4.0, help="segundos por imagen en el modelo (4)")
    parser.add_argument("--carga", type=float, default=8.0, help="segundos para cargar un checkpoint (8)")
    parser.add_argument("--varianza", type=float, default=0.1, help="desviación del tiempo por imagen (0.1)")
    parser.add_argument("--mbps", type=float, default=1000.0, help="megabits por segundo hasta el destino (1000)")
    options = parser.parse_args()
    if options.ray:
        return 0 if on_ray(options.ray) else 1
    data, good = noise(), True
    costs = []
    for seconds, engines in ((0.05, 1), (0.2, 1), (0.2, 4)):
        cost = statistics.median(overhead(seconds, engines, data) for _ in range(3))
        allowed = 5 + 20 * seconds
        good = good and cost <= allowed
        costs.append(cost)
        print(f"{1000 * seconds:4.0f} ms por imagen, {engines} motores: {cost:5.2f} ms de más (hasta {allowed:.1f})")
    for engines in (1, 10, 100, 1000):
        took = simulated(engines, options.servicio, options, max(costs) / 1000, len(data))
        ideal = 50 * options.servicio
        print(f"modelo, {engines:4} motores: {50 * engines / took:7.1f} imágenes/s, eficiencia {ideal / took:.0%}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
