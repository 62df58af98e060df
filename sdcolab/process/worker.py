"""An engine in a process of its own, seen from outside: it works like one that is here, and comes back when it dies.

The page and the notebook's kernel must survive when memory runs out, and must not load torch.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sdcolab.core.codec import from_json
from sdcolab.core.errors import Cancelled, EngineCrashed, EngineGaveUp, EngineKilled, SdcolabError
from sdcolab.core.events import CancelToken, Ended, ImageReady, Listener
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.tasks import Task, TaskTable
from sdcolab.core.wire import Message, Packing, event_from_json, unpacking
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
FIRST = 0
"""Number of the task that a process begins with."""


class _DiedBefore(Exception):
    """The process died before it had said anything about the order."""

    def __init__(self, reason: SdcolabError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class ProcessWorker:
    """A ``core.tasks.Worker`` whose work is done in a child process.

    When the process dies, the task that ran fails with the reason, and the next one waits for the new process. The
    process begins with the task ``first``, but only in its first life: a model that exhausts the memory would do so
    again and again. ``on_trouble`` hears of deaths that no task reports.
    """

    def __init__(
        self,
        spec: ChildSpec,
        table: TaskTable,
        roster: Roster | None = None,
        on_trouble: Callable[[SdcolabError], None] = lambda _error: None,
        first: Task | None = None,
    ) -> None:
        self._spec = spec
        self._table = table
        self._roster = roster
        self._on_trouble = on_trouble
        self._first = first
        self._numbers = itertools.count(FIRST + 1)
        self._listening: queue.SimpleQueue[ChildNews] | None = None
        self._answers: dict[str, queue.SimpleQueue[Any]] = {}
        self._ready = threading.Event()
        self._failed: EngineGaveUp | None = None
        self._closed = False
        self._supervisor = self._new_supervisor()

    @property
    def pid(self) -> int | None:
        """Number of the process, or None between two lives."""
        return self._supervisor.pid

    def start(self) -> None:
        """Start the process."""
        self._supervisor.start()

    def stop(self, seconds: float = END_SECONDS) -> None:
        """End the process."""
        self._closed = True
        self._supervisor.stop(seconds)

    def ask(self, what: str, seconds: float = 2.0) -> Any:
        """The process's answer to a question of ``service.Answers``; None when it has none in time."""
        answers = self._answers.setdefault(what, queue.SimpleQueue())
        while not answers.empty():  # of a question whose answer came too late
            answers.get_nowait()
        if not self._ready.is_set() or not self._supervisor.send(Message({"do": "ask", "what": what})):
            return None
        try:
            return answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def run(self, task: Task, listener: Listener, cancel: CancelToken) -> GenerationResult | None:
        """As ``core.tasks.Worker``; also raises ``EngineKilled``, ``EngineCrashed`` or ``EngineGaveUp``.

        Saved pictures are not in the result: a thousand open files are too many. The events say where they lie.
        """
        if self._failed and not self._closed:
            self._supervisor = self._new_supervisor()
            self._supervisor.start()
        number = next(self._numbers)
        try:
            try:
                return self._follow(number, self._send(number, task, cancel), listener, cancel)
            except _DiedBefore as death:  # of something else: the order gets a second chance
                self._on_trouble(death.reason)
            return self._follow(number, self._send(number, task, cancel), listener, cancel)
        except _DiedBefore as death:
            raise death.reason from None
        finally:
            self._listening = None
            self._supervisor.send(Message({"do": "cancel", "id": number}))  # in case that it still runs

    def _order(self, number: int, task: Task) -> Message:
        packing = Packing()
        values = self._table.to_json(task, packing)
        return packing.message({"do": "task", "id": number, "task": values})

    def _send(self, number: int, task: Task, cancel: CancelToken) -> queue.SimpleQueue[ChildNews]:
        """Give ``task`` to a process that is ready; the news from then on."""
        order = self._order(number, task)
        while True:
            self._wait_until_ready(cancel)
            news = self._listening = queue.SimpleQueue()
            if self._supervisor.send(order):
                return news
            self._listening = None
            cancel.wait(POLL_SECONDS)

    def _wait_until_ready(self, cancel: CancelToken) -> None:
        ready = False
        while not ready:
            cancel.raise_if_cancelled()
            self._raise_if_closed()  # whose process was ready says nothing when it ends
            if self._failed:
                raise self._failed
            ready = self._ready.wait(POLL_SECONDS)

    def _follow(
        self, number: int, news: queue.SimpleQueue[ChildNews], listener: Listener, cancel: CancelToken
    ) -> GenerationResult | None:
        images: list[GeneratedImage] = []
        begun = told = held = False
        while True:
            if cancel.held != held and self._supervisor.send(Message({"do": "hold", "id": number, "on": cancel.held})):
                held = not held
            if cancel.cancelled and not told:
                told = self._supervisor.send(Message({"do": "cancel", "id": number}))
            if cancel.take_skip():
                self._supervisor.send(Message({"do": "skip", "id": number}))
            try:
                one = news.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._raise_if_closed()
                continue
            match one:
                case ChildDied() | ChildGaveUp():
                    raise engine_ending(one) if begun else _DiedBefore(engine_ending(one))
                case ChildSaid({"event": "progress", "id": said, "what": what}, blobs) if said == number:
                    begun = True
                    event = event_from_json(what, unpacking(blobs))
                    if isinstance(event, ImageReady):
                        images.append(GeneratedImage(event.image, event.infotext, event.seed, None))
                    listener(event)
                case ChildSaid({"event": "done", "id": said, "what": what, "request": settled}, blobs) if (
                    said == number
                ):
                    event = event_from_json(what)
                    if isinstance(event, Ended) and event.error:
                        raise event.error
                    return _result(settled, blobs, images)
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
                if first := self._first:
                    self._first = None
                    self._supervisor.send(self._order(FIRST, first))
                self._ready.set()
            case ChildSaid({"event": "answer", "what": what, "value": value}):
                self._answers.setdefault(what, queue.SimpleQueue()).put(value)
            case ChildDied() | ChildGaveUp():
                self._ready.clear()
                if isinstance(news, ChildGaveUp):
                    self._failed = EngineGaveUp(times=news.times, log=news.log)
                if not self._closed and self._listening is None:  # else the task tells
                    self._on_trouble(engine_ending(news))
            case _:
                pass
        if listening := self._listening:
            listening.put(news)


def _result(
    settled: Mapping[str, Any] | None, blobs: tuple[bytes, ...], images: list[GeneratedImage]
) -> GenerationResult | None:
    if settled is None:
        return None
    return GenerationResult(from_json(GenerationRequest, settled, unpacking(blobs)), tuple(images))


def engine_ending(news: ChildDied | ChildGaveUp) -> SdcolabError:
    """Why the engine's process ended."""
    if isinstance(news, ChildGaveUp):
        return EngineGaveUp(times=news.times, log=news.log)
    return EngineKilled() if was_killed(news.code) else EngineCrashed(ending=ending(news.code))
