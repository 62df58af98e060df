"""Engines on a cluster. Ray itself takes a minute to start and gives up on a busy machine: here something that speaks
its protocol stands in; ``tools/bench/fleet.py --ray`` does the same on a real cluster, with real engines."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.ray_stand_in import Dying, StandIn

from sdcolab.core.errors import ClusterSilent, ClusterVersion, LibraryMissing, OutOfMemory
from sdcolab.core.events import CancelToken
from sdcolab.core.request import GenerationRequest
from sdcolab.fleet import on_ray
from sdcolab.fleet.crew import Tally, work_through
from sdcolab.fleet.on_ray import Cluster, RayMaker, ray_makers
from sdcolab.fleet.orders import Order, setup_of
from sdcolab.fleet.results import MANIFEST, Picture, Place
from sdcolab.wiring.fleet import makers_on_ray

ENGINES = itertools.count()


class Painter:
    """Tells its request; every second engine dies at its fifth picture."""

    def __init__(self) -> None:
        self._mortal = next(ENGINES) % 2 == 0
        self._made = 0

    def ready(self, over: Callable[[], bool]) -> bool:
        return True

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        if request.prompt == "falla":
            raise OutOfMemory(width=1, height=1, batch_size=1, device="cpu")
        if request.prompt == "error":
            raise ZeroDivisionError("división")
        self._made += 1
        if self._mortal and self._made == 5:
            raise Dying
        return (Picture(f"{request.prompt} {request.seed}".encode(), request.seed, request.prompt),)

    def close(self) -> None:
        """Nothing to let go of."""


def broken() -> Any:
    raise Dying


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    ray = StandIn(room=3)
    monkeypatch.setattr(on_ray, "_library", lambda: ray)
    monkeypatch.setattr(on_ray, "POLL_SECONDS", 0.02)
    return ray


def orders(*prompts: str) -> list[Order]:
    requests = [GenerationRequest(prompt=prompt) for prompt in prompts]
    return [
        Order(number, setup_of(request), request.prompt, functools.partial(lambda one: one, request))
        for number, request in enumerate(requests)
    ]


def ignore(_tally: Tally) -> None:
    """Nobody looks."""


def test_nothing_is_lost_or_made_twice_when_engines_die(cluster: StandIn, tmp_path: Path) -> None:
    prompts = [f"imagen {number}" for number in range(40)]
    makers = ray_makers(Cluster(), Painter)
    assert len(makers) == 3
    tally = work_through(orders(*prompts), makers, Place(str(tmp_path)), ignore, CancelToken())
    assert (tally.made, tally.failed) == (40, 0)
    assert len(cluster.options) > 3  # new actors for those that died
    assert sorted(path.read_bytes().rsplit(b" ", 1)[0].decode() for path in tmp_path.glob("*.png")) == sorted(prompts)
    assert cluster.living == []


def test_engines_there_round_as_this_machine_does(cluster: StandIn, tmp_path: Path) -> None:
    import torch

    threads = torch.get_num_threads()
    try:
        (maker, *_) = makers_on_ray(Cluster("auto"), tmp_path)
        torch.set_num_threads(threads + 1)  # as Ray, which gives an actor another number
        assert isinstance(maker, RayMaker)
        maker._build()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(threads)


def test_what_is_wrong_with_a_request_comes_back_as_it_is(cluster: StandIn, tmp_path: Path) -> None:
    tally = work_through(orders("falla", "error", "bien"), ray_makers(Cluster(), Painter), Place(str(tmp_path)), ignore,
                         CancelToken())  # fmt: skip
    assert (tally.made, tally.failed) == (1, 2)
    written = (tmp_path / MANIFEST).read_text()
    assert OutOfMemory.code in written
    assert "ZeroDivisionError" in written


def test_engines_for_which_there_is_no_room_do_not_hold_up_the_end(cluster: StandIn, tmp_path: Path) -> None:
    makers = ray_makers(Cluster(engines=5), Painter)
    assert len(makers) == 5
    tally = work_through(orders(*"abcdef"), makers, Place(str(tmp_path)), ignore, CancelToken())
    assert tally.made == 6


@pytest.mark.parametrize(("share", "engines", "asked"), [(1.0, 4, 1.0), (0.5, 8, 0.5), (2.0, 2, 2.0), (0.3, 13, 0.3)])
def test_a_card_may_be_shared(cluster: StandIn, share: float, engines: int, asked: float) -> None:
    cluster.cards = 4
    makers = ray_makers(Cluster(share=share), Painter)
    assert len(makers) == engines
    assert makers[0].ready(lambda: False)
    assert cluster.options[0]["num_gpus"] == asked


def test_an_engine_that_cannot_start_is_given_up(cluster: StandIn) -> None:
    (maker,) = ray_makers(Cluster(engines=1), broken)
    assert maker.ready(lambda: False) is False
    assert len(cluster.options) == on_ray.MAX_DEATHS


def test_another_version_of_the_program_is_refused(cluster: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    (maker,) = ray_makers(Cluster(engines=1), Painter)
    monkeypatch.setattr(on_ray.Engine, "version", lambda _self: "0.0.1")
    with pytest.raises(ClusterVersion):
        maker.ready(lambda: False)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:99999"])
def test_an_address_where_nobody_listens_is_told_at_once(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ClusterSilent):
        ray_makers(Cluster(address), lambda: pytest.fail("no engine"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(LibraryMissing):
        ray_makers(Cluster(), Painter)
