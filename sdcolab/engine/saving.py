"""Finished pictures on their way to the disk, while the next ones are made."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from PIL import Image

from sdcolab.core.events import ImageReady, ImageSaved, Listener
from sdcolab.core.outputs import ImageStore
from sdcolab.core.result import GeneratedImage

MOST_WAITING = 4
"""Pictures that wait in memory for a slow disk before the engine waits too."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Picture number ``index`` of a generation, described."""

    index: int
    picture: Image.Image
    infotext: str
    seed: int


class Saver:
    """Saves pictures one after another in a thread of its own and announces each in it; without a ``store`` it only
    announces them, at once.

    Leaving it waits for all that were given, also when something else went wrong since. Raises ``DiskFull`` or
    ``CannotWrite`` where one could not be saved.
    """

    def __init__(self, store: ImageStore | None, listener: Listener) -> None:
        """``listener`` hears from two threads, so it must take one event at a time (``core.events.in_turns``)."""
        self._store = store
        self._listener = listener
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sdcolab-save")
        self._waiting: deque[Future[GeneratedImage]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        for saved in self._waiting:
            saved.result()

    def give(self, finished: Finished) -> Future[GeneratedImage]:
        """Save and announce it soon. Raises ``DiskFull`` or ``CannotWrite`` where one before it could not be saved."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= MOST_WAITING):
            self._waiting.popleft().result()
        if self._store is None:
            return _done(self._ready(finished))
        self._waiting.append(self._thread.submit(self._saved, finished, self._store))
        return self._waiting[-1]

    def _saved(self, one: Finished, store: ImageStore) -> GeneratedImage:
        path = store.save(one.picture, one.infotext, one.seed)
        self._listener(ImageSaved(one.index, path, one.seed, one.infotext))
        return GeneratedImage(image=one.picture, infotext=one.infotext, seed=one.seed, path=path)

    def _ready(self, one: Finished) -> GeneratedImage:
        self._listener(ImageReady(one.index, one.picture, one.seed, one.infotext))
        return GeneratedImage(image=one.picture, infotext=one.infotext, seed=one.seed, path=None)


def _done(image: GeneratedImage) -> Future[GeneratedImage]:
    future: Future[GeneratedImage] = Future()
    future.set_result(image)
    return future
