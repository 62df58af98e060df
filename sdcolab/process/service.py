"""The engine in a child process that speaks JSON lines: both ends of the conversation.

The notebook's kernel must survive when memory runs out, and must not load torch. So ``sdcolab servicio`` runs ``serve``
in a process of its own, and the kernel holds an ``EngineProcess``, which generates like an engine and comes back when
its process dies. Orders go to the child's stdin (``{"do": "generate", "id": 1, "request": {...}}``, ``cancel``,
``preload``); events come from its stdout (``{"event": "progress", "id": 1, "what": {...}}``).
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from sdcolab.core.codec import request_from_json, request_to_json
from sdcolab.core.errors import Cancelled, EngineCrashed, EngineGaveUp, EngineKilled, SdcolabError, Unexpected
from sdcolab.core.events import CancelToken, Ended, Event, ImageReady, ImageSaved, Listener
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult, Generator
from sdcolab.core.tasks import Generate, Task
from sdcolab.core.wire import event_from_json, event_to_json
from sdcolab.process.supervisor import (
    ChildDied,
    ChildGaveUp,
    ChildNews,
    ChildSaid,
    ChildSpec,
    Roster,
    Supervisor,
    ending,
    was_killed,
)

POLL_SECONDS = 0.2
END_SECONDS = 5.0

_log = logging.getLogger(__name__)
Say = Callable[[Mapping[str, Any]], None]


class PreloadingGenerator(Generator, Protocol):
    """An engine that can load its libraries and default model before anybody asks for an image."""

    def preload(self) -> None:
        """Load them. Raises ``SdcolabError``."""
        ...


# --- The child's end ----------------------------------------------------------------------------------------------


def serve(engine: PreloadingGenerator, orders: int, say: Say) -> None:
    """Do what arrives on the file descriptor ``orders``, one generation at a time, until it ends."""
    desk = _Desk()
    threading.Thread(target=desk.receive, args=(orders,), name="sdcolab-ordenes", daemon=True).start()
    say({"event": "ready"})
    while (order := desk.take()) is not None:
        if order.request is None:
            _preload(engine)
        else:
            _generate(engine, order, order.request, say)
            desk.forget(order)


@dataclass(frozen=True, slots=True)
class _Order:
    """A generation, or without ``request`` the wish to load in advance."""

    id: int = 0
    request: GenerationRequest | None = None
    save: bool = True
    cancel: CancelToken = field(default_factory=CancelToken)


class _Desk:
    """Where orders wait. A thread reads them; cancelling reaches the one that runs too."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._known: dict[int, _Order] = {}
        self._lock = threading.Lock()

    def receive(self, descriptor: int) -> None:
        """Read orders until the descriptor ends: then nobody is interested any more."""
        for line in _lines(descriptor):
            match json.loads(line):
                case {"do": "generate", "id": int(number), "request": request, "save": bool(save)}:
                    order = _Order(number, request_from_json(request), save)
                    with self._lock:
                        self._known[number] = order
                    self._waiting.put(order)
                case {"do": "cancel", "id": int(number)}:
                    with self._lock:
                        known = self._known.get(number)
                    if known:
                        known.cancel.cancel()
                case {"do": "preload"}:
                    self._waiting.put(_Order())
                case other:
                    _log.error("orden desconocida: %r", other)
        with self._lock:
            for order in self._known.values():
                order.cancel.cancel()
        self._waiting.put(None)

    def take(self) -> _Order | None:
        """The next order, or None at the end."""
        return self._waiting.get()

    def forget(self, order: _Order) -> None:
        """``order`` is done."""
        with self._lock:
            self._known.pop(order.id, None)


def _lines(descriptor: int) -> Any:
    """Lines of a file descriptor. Not a Python stream: a daemon thread that holds one's lock aborts the exit."""
    rest = b""
    while block := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


def _preload(engine: PreloadingGenerator) -> None:
    try:
        engine.preload()
    except SdcolabError as error:  # the first generation meets the same error and explains it where the user looks
        _log.warning("precarga: %s", error)


def _generate(engine: Generator, order: _Order, request: GenerationRequest, say: Say) -> None:
    def tell(event: Event) -> None:
        say({"event": "progress", "id": order.id, "what": event_to_json(event)})

    error: SdcolabError | None = None
    settled = request
    try:
        order.cancel.raise_if_cancelled()
        settled = engine.generate(request, tell, order.cancel, save=order.save).request
    except SdcolabError as failure:
        error = failure
    except Exception as failure:  # noqa: BLE001 - an edge: a bug must not end the service; its traceback is logged
        _log.exception("trabajo %s", order.id)
        error = Unexpected(kind=type(failure).__name__, detail=str(failure))
    say({"event": "done", "id": order.id, "what": event_to_json(Ended(error)), "request": request_to_json(settled)})


# --- The kernel's end ---------------------------------------------------------------------------------------------


class _DiedBefore(Exception):
    """The process died before it had said anything about the order."""

    def __init__(self, reason: SdcolabError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class EngineProcess:
    """An engine (``core.result.Generator``) that lives in a child process.

    When the process dies, the generation that ran fails with the reason, and the next one waits for the new process.
    ``on_trouble`` hears of deaths that no generation reports.
    """

    def __init__(
        self,
        spec: ChildSpec,
        roster: Roster | None = None,
        on_trouble: Callable[[SdcolabError], None] = lambda _error: None,
    ) -> None:
        self._spec = spec
        self._roster = roster
        self._on_trouble = on_trouble
        self._numbers = itertools.count(1)
        self._listening: queue.SimpleQueue[ChildNews] | None = None
        self._ready = threading.Event()
        self._failed: EngineGaveUp | None = None
        self._preloaded = False
        self._closed = False
        self._supervisor = self._new_supervisor()

    @property
    def pid(self) -> int | None:
        """Number of the process, or None between two lives."""
        return self._supervisor.pid

    def start(self) -> None:
        """Start the process; it loads its libraries and default model in advance, but only in its first life."""
        self._supervisor.start()

    def stop(self, seconds: float = END_SECONDS) -> None:
        """End the process."""
        self._closed = True
        self._supervisor.stop(seconds)

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        """As ``core.result.Generator``; also raises ``EngineKilled``, ``EngineCrashed`` or ``EngineGaveUp``."""
        if self._failed and not self._closed:
            self._supervisor = self._new_supervisor()
            self._supervisor.start()
        number = next(self._numbers)
        order = {"do": "generate", "id": number, "request": request_to_json(request), "save": save}
        try:
            try:
                return self._follow(number, self._send(order, cancel), listener, cancel)
            except _DiedBefore as death:  # of something else: the order gets a second chance
                self._on_trouble(death.reason)
            return self._follow(number, self._send(order, cancel), listener, cancel)
        except _DiedBefore as death:
            raise death.reason from None
        finally:
            self._listening = None
            self._supervisor.send({"do": "cancel", "id": number})  # in case that it still runs

    def run(self, task: Task, listener: Listener, cancel: CancelToken) -> GenerationResult:
        """As ``core.tasks.Worker``, for generations."""
        assert isinstance(task, Generate)
        return self.generate(task.request, listener, cancel, save=task.save)

    def _send(self, order: Mapping[str, Any], cancel: CancelToken) -> queue.SimpleQueue[ChildNews]:
        """Give ``order`` to a process that is ready; the news from then on."""
        while True:
            self._wait_until_ready(cancel)
            news = self._listening = queue.SimpleQueue()
            if self._supervisor.send(order):
                return news
            self._listening = None
            cancel.wait(POLL_SECONDS)

    def _wait_until_ready(self, cancel: CancelToken) -> None:
        while not self._ready.wait(POLL_SECONDS):
            cancel.raise_if_cancelled()
            self._raise_if_closed()
            if self._failed:
                raise self._failed

    def _follow(
        self, number: int, news: queue.SimpleQueue[ChildNews], listener: Listener, cancel: CancelToken
    ) -> GenerationResult:
        images: list[GeneratedImage] = []
        begun = told = False
        while True:
            if cancel.cancelled and not told:
                told = self._supervisor.send({"do": "cancel", "id": number})
            try:
                one = news.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._raise_if_closed()
                continue
            match one:
                case ChildDied() | ChildGaveUp():
                    raise engine_ending(one) if begun else _DiedBefore(engine_ending(one))
                case ChildSaid({"event": "progress", "id": said, "what": what}) if said == number:
                    begun = True
                    event = event_from_json(what)
                    if isinstance(event, ImageSaved):  # opened, not read: whoever wants the pixels loads them
                        image = Image.open(event.path)
                        images.append(GeneratedImage(image, event.infotext, event.seed, event.path))
                    if isinstance(event, ImageReady):
                        images.append(GeneratedImage(event.image, event.infotext, event.seed, None))
                    listener(event)
                case ChildSaid({"event": "done", "id": said, "what": what, "request": settled}) if said == number:
                    event = event_from_json(what)
                    if isinstance(event, Ended) and event.error:
                        raise event.error
                    return GenerationResult(request_from_json(settled), tuple(images))
                case _:
                    pass

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise Cancelled()

    def _new_supervisor(self) -> Supervisor:
        self._ready.clear()
        self._failed = None
        return Supervisor(self._spec, self._hear, self._roster)

    def _hear(self, news: ChildNews) -> None:
        match news:
            case ChildSaid({"event": "ready"}):
                if not self._preloaded:  # a model that exhausts the memory would do so again and again
                    self._preloaded = True
                    self._supervisor.send({"do": "preload"})
                self._ready.set()
            case ChildDied() | ChildGaveUp():
                self._ready.clear()
                if isinstance(news, ChildGaveUp):
                    self._failed = EngineGaveUp(times=news.times, log=news.log)
                if not self._closed and self._listening is None:  # else the generation tells
                    self._on_trouble(engine_ending(news))
            case _:
                pass
        if listening := self._listening:
            listening.put(news)


def engine_ending(news: ChildDied | ChildGaveUp) -> SdcolabError:
    """Why the engine's process ended."""
    if isinstance(news, ChildGaveUp):
        return EngineGaveUp(times=news.times, log=news.log)
    return EngineKilled() if was_killed(news.code) else EngineCrashed(ending=ending(news.code))
