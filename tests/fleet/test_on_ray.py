"""A real Ray cluster of two machines on this one: engines die, nothing is lost, nothing is made twice."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdcolab.core.errors import ClusterUnreachable, OutOfMemory
from sdcolab.core.events import CancelToken
from sdcolab.core.outputs import ImageFormat, save_options
from sdcolab.core.request import GenerationRequest
from sdcolab.fleet.crew import Tally, work_through
from sdcolab.fleet.on_ray import Cluster, ray_makers
from sdcolab.fleet.orders import Order, setup_of
from sdcolab.fleet.results import MANIFEST, Picture, Place

REQUESTS = 120


class Painter:
    """A maker without models: a picture of the seed's colour. It notes its process in ``folder``, and kills it once
    when it meets the prompt "muere"."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / f"{os.getpid()}.motor").touch()

    def ready(self, over: Callable[[], bool]) -> bool:
        return True

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        if request.prompt == "falla":
            raise OutOfMemory(width=1, height=1, batch_size=1, device="cpu")
        if request.prompt == "muere" and not (self._folder / "muerto").exists():
            (self._folder / "muerto").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        colour = hashlib.sha256(str(request.seed).encode()).digest()
        png = io.BytesIO()
        picture = Image.new("RGB", (32, 32), tuple(colour[:3]))
        picture.save(png, **save_options(request.prompt, ImageFormat.PNG))
        return (Picture(png.getvalue(), request.seed, request.prompt),)

    def close(self) -> None:
        """Nothing to let go of."""


def build(folder: Path) -> Painter:
    return Painter(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster as LocalCluster

    pieces = os.environ.get("PYTHONPATH", "")
    here = Path(__file__).parents[2]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(here), str(here / "tests" / "fleet"), pieces]))
    machines = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    machines.add_node(num_cpus=1)
    yield machines
    ray.shutdown()
    machines.shutdown()
    os.environ["PYTHONPATH"] = pieces


def orders(count: int) -> list[Order]:
    found = []
    for number in range(count):
        prompt = {20: "muere", 30: "falla"}.get(number, f"imagen {number}")
        request = GenerationRequest(prompt=prompt, checkpoint="ab"[number % 2])
        found.append(Order(number, setup_of(request), prompt, functools.partial(_same, request)))
    return found


def _same(request: GenerationRequest) -> GenerationRequest:
    return request


def test_the_same_pictures_as_here_though_an_engine_dies(cluster: Any, tmp_path: Path) -> None:
    far, near = tmp_path / "lejos", tmp_path / "cerca"
    for folder in (far, near):
        folder.mkdir()
    wanted = orders(REQUESTS)
    makers = ray_makers(Cluster(cluster.address), functools.partial(build, far))
    assert len(makers) == 2
    told: list[Tally] = []
    tally = work_through(wanted, makers, Place(str(tmp_path / "uno")), told.append, CancelToken())
    assert (tally.made, tally.failed) == (REQUESTS - 1, 1)
    assert len(list(far.glob("*.motor"))) == 3  # two, and the one that came after the death
    (near / "muerto").touch()
    place = Place(str(tmp_path / "otro"))
    place.write(MANIFEST, (tmp_path / "uno" / MANIFEST).read_bytes().splitlines(keepends=True)[0])
    work_through(wanted, (Painter(near),), place, told.append, CancelToken())
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("uno", "otro"))
    assert len(first) == REQUESTS  # a picture each, less the failed one's, and the manifest
    assert first == second


def test_an_address_where_nobody_is() -> None:
    import ray

    ray.shutdown()
    with pytest.raises(ClusterUnreachable):
        ray_makers(Cluster("127.0.0.1:1"), functools.partial(build, Path()))
