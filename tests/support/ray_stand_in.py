"""Ray's protocol, as far as we speak it, with actors that are threads: what a cluster does to whoever uses it."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any


class RayActorError(Exception):
    """The actor died."""


class Exceptions:
    RayActorError = RayActorError


class Dying(BaseException):
    """Raised inside an actor: its process ends."""


class StandIn:
    """Takes the place of the module ``ray``. ``room``: how many actors fit at once; others wait."""

    exceptions = Exceptions

    def __init__(self, room: int, *, cards: float = 0) -> None:
        self.room = room
        self.cards = cards
        self.living: list[Actor] = []
        self.options: list[dict[str, Any]] = []

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {"GPU": self.cards} if self.cards else {}

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}] * self.room + [{"Alive": False}]

    def remote(self, kind: type) -> Remote:
        return Remote(self, kind)

    def wait(self, references: Sequence[Future[Any]], timeout: float) -> tuple[list[Future[Any]], list[Future[Any]]]:
        done, waiting = wait(references, min(timeout, 0.02))
        return list(done), list(waiting)

    def get(self, reference: Future[Any]) -> Any:
        return reference.result(10)

    def kill(self, actor: Actor) -> None:
        actor.die()


class Remote:
    def __init__(self, ray: StandIn, kind: type) -> None:
        self._ray = ray
        self._kind = kind

    def options(self, **options: Any) -> Remote:
        self._ray.options.append(options)
        return self

    def remote(self, *arguments: Any) -> Actor:
        return Actor(self._ray, self._kind, pickle.loads(pickle.dumps(arguments)))


class Actor:
    """An actor: its methods run in a thread of its own, one at a time, on copies of what they are given."""

    def __init__(self, ray: StandIn, kind: type, arguments: tuple[Any, ...]) -> None:
        self._ray = ray
        self._thread = ThreadPoolExecutor(1)
        self._waits = len(ray.living) >= ray.room
        self._dead = False
        self._it: Any = None
        if not self._waits:
            ray.living.append(self)
            self._it = self._thread.submit(kind, *arguments)

    def __getattr__(self, name: str) -> Any:
        return Method(self, name)

    def die(self) -> None:
        self._dead = True
        if self in self._ray.living:
            self._ray.living.remove(self)
        self._thread.shutdown(wait=False)

    def call(self, name: str, arguments: tuple[Any, ...]) -> Future[Any]:
        if self._waits:
            return Future()
        return self._thread.submit(self._run, name, pickle.dumps(arguments))

    def _run(self, name: str, arguments: bytes) -> Any:
        try:
            if self._dead:
                raise RayActorError
            return pickle.loads(pickle.dumps(getattr(self._it.result(), name)(*pickle.loads(arguments))))
        except Dying:
            self.die()
            raise RayActorError from None


class Method:
    def __init__(self, actor: Actor, name: str) -> None:
        self._actor = actor
        self._name = name

    def remote(self, *arguments: Any) -> Future[Any]:
        return self._actor.call(self._name, arguments)
