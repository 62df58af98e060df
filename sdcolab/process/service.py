"""The engine's process, seen from inside: it does the tasks that arrive on its stdin and tells of them on its stdout.

``core.wire`` says how messages travel. Orders: ``{"do": "task", "id": 1, "task": {...}}``, ``cancel``, ``skip``,
``hold``, and ``ask``, which is answered at once. Answers: ``{"event": "progress", "id": 1, "what": {...}}``, ``done``,
``answer``.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdcolab.core.codec import to_json
from sdcolab.core.errors import SdcolabError, Unexpected
from sdcolab.core.events import CancelToken, Ended, Event
from sdcolab.core.result import GenerationResult
from sdcolab.core.tasks import Task, TaskTable, Worker
from sdcolab.core.wire import Message, Packing, event_to_json, message_from, unpacking

_log = logging.getLogger(__name__)
Answers = Mapping[str, Callable[[], Any]]
"""What can be asked at any time, and what gives the answer (JSON values) without waiting for the work."""


class Channel:
    """The pipes to whoever started this process. Safe to use from several threads."""

    def __init__(self, orders: int, events: int) -> None:
        """``orders`` and ``events`` are file descriptors."""
        self._orders = orders
        self._events = events
        self._saying = threading.Lock()

    @classmethod
    def standard(cls) -> Channel:
        """Our stdin and stdout. From then on, whatever libraries print goes to stderr: it must not mix with ours."""
        events = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        if sys.platform == "win32":
            import msvcrt

            for descriptor in (0, events):
                msvcrt.setmode(descriptor, os.O_BINARY)
        return cls(0, events)

    def say(self, message: Message) -> None:
        """Tell it. Raises ``OSError`` when nobody listens any more."""
        rest = memoryview(message.encoded())
        with self._saying:
            while rest:
                rest = rest[os.write(self._events, rest) :]

    def messages(self) -> Iterator[Message]:
        """What we are told, until the pipe ends."""
        stream = _Stream(self._orders)
        while line := stream.line():
            message = message_from(line, stream.read)
            if message is None:
                _log.error("orden ilegible: %r", line[:200])
            else:
                yield message


class _Stream:
    """A file descriptor to read. Not Python's stream: a daemon thread that holds one's lock aborts the exit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = bytearray()

    def line(self) -> bytes:
        """Up to the next line's end; empty at the end of all."""
        looked = 0
        while (end := self._rest.find(b"\n", looked)) < 0:
            looked = len(self._rest)
            if not self._more():
                return b""
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises ``EOFError``."""
        while len(self._rest) < size:
            if not self._more():
                raise EOFError
        return self._take(size)

    def _more(self) -> bool:
        block = os.read(self._descriptor, 1 << 20)
        self._rest += block
        return bool(block)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


def serve(worker: Worker, table: TaskTable, channel: Channel, answers: Answers | None = None) -> None:
    """Do what arrives, one task at a time, until the orders end. Who hangs up stops what runs."""
    desk = _Desk(table, channel, answers or {})
    threading.Thread(target=desk.receive, name="sdcolab-ordenes", daemon=True).start()
    channel.say(Message({"event": "ready"}))
    while (order := desk.take()) is not None:
        try:
            _do(worker, order, channel)
        except OSError:  # nobody listens any more
            return
        desk.forget(order)


@dataclass(frozen=True, slots=True)
class _Order:
    """A task, and its number among those of whoever asked."""

    id: int
    task: Task
    cancel: CancelToken = field(default_factory=CancelToken)


class _Desk:
    """Where orders wait. A thread reads them; cancelling reaches the one that runs too."""

    def __init__(self, table: TaskTable, channel: Channel, answers: Answers) -> None:
        self._table = table
        self._channel = channel
        self._answers = answers
        self._waiting: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._known: dict[int, _Order] = {}
        self._lock = threading.Lock()

    def receive(self) -> None:
        """Read orders until they end: then nobody is interested any more."""
        try:
            for message in self._channel.messages():
                self._hear(message)
        finally:
            with self._lock:
                for order in self._known.values():
                    order.cancel.cancel()
            self._waiting.put(None)

    def _hear(self, message: Message) -> None:
        match message.values:
            case {"do": "task", "id": int(number), "task": task}:
                order = _Order(number, self._table.from_json(task, unpacking(message.blobs)))
                with self._lock:
                    self._known[number] = order
                self._waiting.put(order)
            case {"do": "cancel", "id": int(number)}:
                if known := self._find(number):
                    known.cancel.cancel()
            case {"do": "skip", "id": int(number)}:
                if known := self._find(number):
                    known.cancel.skip()
            case {"do": "hold", "id": int(number), "on": bool(on)}:
                if known := self._find(number):
                    known.cancel.hold(on)
            case {"do": "ask", "what": str(what)} if what in self._answers:
                self._channel.say(Message({"event": "answer", "what": what, "value": self._answers[what]()}))
            case other:
                _log.error("orden desconocida: %s", json.dumps(other)[:200])

    def _find(self, number: int) -> _Order | None:
        with self._lock:
            return self._known.get(number)

    def take(self) -> _Order | None:
        """The next order, or None at the end."""
        return self._waiting.get()

    def forget(self, order: _Order) -> None:
        """``order`` is done."""
        with self._lock:
            self._known.pop(order.id, None)


def _do(worker: Worker, order: _Order, channel: Channel) -> None:
    def tell(event: Event) -> None:
        packing = Packing()
        what = event_to_json(event, packing)
        channel.say(packing.message({"event": "progress", "id": order.id, "what": what}))

    result: GenerationResult | None = None
    error: SdcolabError | None = None
    try:
        order.cancel.raise_if_cancelled()
        result = worker.run(order.task, tell, order.cancel)
    except SdcolabError as failure:
        error = failure
    except BrokenPipeError:
        raise
    except Exception as failure:  # noqa: BLE001 - an edge: a bug must not end the service; its traceback is logged
        _log.exception("tarea %s", order.id)
        error = Unexpected(kind=type(failure).__name__, detail=str(failure))
    packing = Packing()
    settled = None if result is None else to_json(result.request, packing)
    what = event_to_json(Ended(error))
    channel.say(packing.message({"event": "done", "id": order.id, "what": what, "request": settled}))
