"""Engines on a Ray cluster: one actor a graphics card, or a share of one, that keeps its models.

An actor does what an engine of this machine does; only the requests and the finished pictures travel. When its process
or its machine dies another actor takes its place as soon as the cluster has room.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdcolab import __version__
from sdcolab.core.errors import (
    ClusterSilent,
    ClusterUnreachable,
    ClusterVersion,
    LibraryMissing,
    SdcolabError,
    Unexpected,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.request import GenerationRequest
from sdcolab.core.wire import error_from_json, error_to_json
from sdcolab.fleet.crew import LostEngine, Maker
from sdcolab.fleet.results import Picture

_log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
KNOCK_SECONDS = 10.0
MAX_DEATHS = 5
"""An actor that died so often while it started is not started again."""

NAMESPACE = "sdcolab"

Build = Callable[[], Maker]
"""Makes the engine, in the actor's process. It travels there by name."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How engines are put on a cluster: ``address`` as Ray takes it; ``share`` of a card for each, above 0, at most 1
    (or a whole number of cards); ``engines`` 0 means as many as fit."""

    address: str = "auto"
    share: float = 1.0
    engines: int = 0


def ray_makers(cluster: Cluster, build: Build) -> tuple[RayMaker, ...]:
    """Connect, and an engine for each place. They start at their first request.

    Raises ``LibraryMissing``, ``ClusterSilent`` and ``ClusterUnreachable``.
    """
    ray = _library()
    if not ray.is_initialized():
        _knock(cluster.address)
        try:
            ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            detail = str(error).strip().splitlines() or [type(error).__name__]
            raise ClusterUnreachable(address=cluster.address, detail=detail[0][:200]) from error
    cards = float(ray.cluster_resources().get("GPU", 0))
    room = int(cards / cluster.share + 1e-6) if cards else sum(node["Alive"] for node in ray.nodes())
    options = {
        "num_gpus": cluster.share if cards else 0,
        "num_cpus": 0 if cards else 1,
        "scheduling_strategy": "SPREAD",
        "max_restarts": 0,  # a new actor is made instead: the order that killed it must not begin at once again
    }
    return tuple(RayMaker(ray, build, options) for _ in range(cluster.engines or max(1, room)))


def _knock(address: str) -> None:
    """Whether anybody listens at ``HOST:PORT`` or ``ray://HOST:PORT``, which Ray itself tries for minutes without a
    word. Raises ``ClusterSilent``.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:  # a port above 65535
            raise ClusterSilent(address=address) from error


def _library() -> Any:
    try:
        import ray
    except ImportError as error:
        raise LibraryMissing(library="ray", packages="sdcolab[flota]") from error
    return ray


class Engine:
    """An actor: the engine, and what goes wrong there as data."""

    def __init__(self, build: Build) -> None:
        self._maker = build()

    def version(self) -> str:
        """Of this program, there."""
        return __version__

    def make(self, request: GenerationRequest) -> tuple[tuple[Picture, ...], dict[str, Any] | None]:
        """The pictures, or the error."""
        try:
            return self._maker.make(request, CancelToken()), None
        except SdcolabError as error:
            return (), error_to_json(error)
        except Exception as error:  # noqa: BLE001 - the edge of a process: one odd request must not end a long list
            _log.exception("error inesperado")
            return (), error_to_json(Unexpected(kind=type(error).__name__, detail=str(error)))


class RayMaker:
    """A ``Maker`` whose engine is an actor."""

    def __init__(self, ray: Any, build: Build, options: dict[str, Any]) -> None:
        self._ray = ray
        self._build = build
        self._options = options
        self._actor: Any = None
        self._deaths = 0

    def ready(self, over: Callable[[], bool]) -> bool:
        """As ``Maker.ready``: starts an actor where there is none. Raises ``ClusterVersion``."""
        if self._actor is not None:
            return True
        actor = self._ray.remote(Engine).options(**self._options).remote(self._build)
        version = actor.version.remote()
        while not self._ray.wait([version], timeout=POLL_SECONDS)[0]:
            if over():
                self._ray.kill(actor)
                return False
        try:
            there = self._ray.get(version)
        except self._ray.exceptions.RayActorError:
            self._deaths += 1
            return self._deaths < MAX_DEATHS and self.ready(over)
        if there != __version__:
            self._ray.kill(actor)
            raise ClusterVersion(there=str(there), here=__version__)
        self._actor, self._deaths = actor, 0
        return True

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        """As ``Maker.make``."""
        reference = self._actor.make.remote(request)
        while not self._ray.wait([reference], timeout=POLL_SECONDS)[0]:
            cancel.raise_if_cancelled()
        try:
            pictures, error = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as lost:
            self._actor = None
            raise LostEngine from lost
        if error is not None:
            raise error_from_json(error)
        return tuple(pictures)

    def close(self) -> None:
        """End the actor."""
        actor, self._actor = self._actor, None
        if actor is not None:
            self._ray.kill(actor)
