"""The crew: one thread an engine takes orders from the board until none is left."""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from sdcolab.core.errors import (
    Cancelled,
    EngineCrashed,
    EngineGaveUp,
    EngineKilled,
    EngineLost,
    EnginesGone,
    SdcolabError,
)
from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.formats import ImageFormat
from sdcolab.core.outputs import save_options
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.tasks import Generate, Worker
from sdcolab.core.words.console import explain
from sdcolab.fleet.board import Board
from sdcolab.fleet.orders import Order, with_seeds
from sdcolab.fleet.results import Entry, Manifest, Picture, Place, keep_pictures

WAITING_RESULTS = 8
"""Finished requests that may wait to be written: engines go on meanwhile, and memory stays bounded."""

WRITERS = 4
POLL_SECONDS = 0.5


class LostEngine(Exception):
    """The engine died in the midst of a request, and another one may be there for the next. ``forever``: none will."""

    def __init__(self, *, forever: bool = False) -> None:
        super().__init__("the engine died")
        self.forever = forever


class Maker(Protocol):
    """An engine that makes one request at a time."""

    def ready(self, over: Callable[[], bool]) -> bool:
        """Wait until it can make something; False when that will never be, or when ``over`` says that nobody needs it
        any more. Raises ``SdcolabError``."""
        ...

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        """The pictures of ``request``. Raises ``SdcolabError`` for what is wrong with it, ``LostEngine``, and
        ``Cancelled`` soon after it is asked to stop."""
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...


class LocalMaker:
    """A worker of this machine; ``prepare`` completes each request where the models are, and ``end`` ends it."""

    def __init__(
        self,
        worker: Worker,
        prepare: Callable[[GenerationRequest], GenerationRequest] = lambda request: request,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._worker = worker
        self._prepare = prepare
        self.close = end

    def ready(self, _over: Callable[[], bool]) -> bool:
        """As ``Maker.ready``: whoever asks waits for the process."""
        return True

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        """As ``Maker.make``."""
        task = Generate(self._prepare(request), save=False)
        try:
            result = self._worker.run(task, ignore_events, cancel)
        except (EngineKilled, EngineCrashed) as error:
            raise LostEngine from error
        except EngineGaveUp as error:
            raise LostEngine(forever=True) from error
        return () if result is None else pictures_of(result)


def pictures_of(result: GenerationResult) -> tuple[Picture, ...]:
    """The pictures of a generation as PNG files with their infotexts."""
    made = []
    for image in result.images:
        png = io.BytesIO()
        image.image.save(png, **save_options(image.infotext, ImageFormat.PNG))
        made.append(Picture(png.getvalue(), image.seed, image.infotext))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a list is: pictures' requests ``made`` now, ``failed`` ones, of ``total``; ``before``: from last time."""

    total: int
    before: int = 0
    made: int = 0
    failed: int = 0
    engines: int = 0

    @property
    def over(self) -> int:
        """Requests that need nothing more."""
        return self.before + self.made + self.failed


def work_through(
    orders: Sequence[Order],
    makers: Sequence[Maker],
    place: Place,
    tell: Callable[[Tally], None],
    cancel: CancelToken,
) -> Tally:
    """Make what of ``orders`` is not made yet, and keep it in ``place``; ``tell`` hears of each in this thread.

    A request that fails is written down and does not stop the others. Raises ``Cancelled`` when asked to stop,
    ``EnginesGone`` when every engine is lost, and what ``Place`` raises; the manifest is written in any case.
    """
    manifest = Manifest(place)
    done = manifest.done({order.number: order.digest for order in orders})
    board = Board(order for order in orders if order.number not in done)
    crew = _Crew(board, manifest.draws, place, cancel)
    tally = Tally(len(orders), before=len(done), engines=len(makers))
    tell(tally)
    try:
        with contextlib.closing(crew.entries(makers)) as entries:
            for entry in entries:
                manifest.keep(entry)
                made, failed = tally.made + entry.done, tally.failed + (not entry.done)
                tally = replace(tally, made=made, failed=failed, engines=crew.alive)
                tell(tally)
    finally:
        for entry in crew.unheard():
            manifest.keep(entry)
        manifest.write()
    return tally


class _Crew:
    """The threads, and what they have finished."""

    def __init__(self, board: Board, draws: int, place: Place, cancel: CancelToken) -> None:
        self._board = board
        self._draws = draws
        self._place = place
        self._cancel = cancel
        self._news: queue.SimpleQueue[Entry | Exception | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(WAITING_RESULTS)
        self._writers = ThreadPoolExecutor(WRITERS, "escribir")
        self.alive = 0

    def entries(self, makers: Sequence[Maker]) -> Generator[Entry, None, None]:
        """What became of each order, as it happens. Closing the iterator ends everything."""
        threads = [
            threading.Thread(target=self._work, args=(number, maker), name=f"motor-{number}", daemon=True)
            for number, maker in enumerate(makers)
        ]
        self.alive = len(threads)
        try:
            for thread in threads:
                thread.start()
            while self.alive:
                yield from self._heard()
            self._writers.shutdown()
            while not self._news.empty():
                yield from self._heard()
        finally:
            self._board.stop()
            if self._board.left:
                self._cancel.cancel()
            for thread in threads:
                thread.join()
            self._writers.shutdown()
            for maker in makers:
                maker.close()
        if left := self._board.left:
            raise EnginesGone(left=left)

    def unheard(self) -> Iterator[Entry]:
        """What was finished and nobody has heard of, when ``entries`` came to an early end."""
        while not self._news.empty():
            if isinstance(one := self._news.get(), Entry):
                yield one

    def _heard(self) -> Iterator[Entry]:
        self._cancel.raise_if_cancelled()
        try:
            one = self._news.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return
        if isinstance(one, Exception):
            raise one
        if one is None:
            self.alive -= 1
        else:
            yield one

    def _work(self, number: int, maker: Maker) -> None:
        """A thread's life."""
        try:
            while maker.ready(lambda: self._board.over or self._cancel.cancelled):
                order = self._board.take(number)
                if order is None:
                    break
                self._make(order, maker)
        except LostEngine:
            pass  # for ever: the others go on
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001 - a bug in a thread must reach whoever waits for it
            self._news.put(error)
        finally:
            self._board.leave(number)
            self._news.put(None)

    def _make(self, order: Order, maker: Maker) -> None:
        try:
            request = with_seeds(order.load(), self._draws, order.number)
            pictures = maker.make(request, self._cancel)
        except Cancelled:
            raise
        except SdcolabError as error:
            self._failed(order, error)
        except LostEngine as lost:
            if tries := self._board.lost(order):
                self._failed(order, EngineLost(tries=tries), counted=True)
            if lost.forever:
                raise
        else:
            self._room.acquire()
            self._writers.submit(self._write, order, pictures)

    def _failed(self, order: Order, error: SdcolabError, *, counted: bool = False) -> None:
        self._news.put(Entry(order.number, order.digest, error=error.code, reason=str(explain(error))))
        if not counted:
            self._board.finished(order)

    def _write(self, order: Order, pictures: tuple[Picture, ...]) -> None:
        try:
            self._news.put(keep_pictures(self._place, order.number, order.digest, pictures))
            self._board.finished(order)
        except Exception as error:  # noqa: BLE001 - the disk is full: whoever waits must hear of it
            self._news.put(error)
        finally:
            self._room.release()
