"""Finished pictures are saved beside the making of the next, in order, and none is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import Cancelled, DiskFull
from sdcolab.core.events import CancelToken, Event, ImageReady, ImageSaved, Phase, PhaseStarted, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.saving import MOST_WAITING, Finished, Saver

WAIT = 20
REQUEST = GenerationRequest(prompt="gato", seed=42, steps=2, width=64, height=64)


class SlowStore(ImageStore):
    """Each picture waits for ``go``; ``fails`` says at which one the disk is full."""

    def __init__(self, folder: Path, fails: int | None = None) -> None:
        super().__init__(folder, None)
        self.go = threading.Event()
        self.saved: list[int] = []
        self._fails = fails

    def save(self, image: Image.Image, infotext: str, seed: int | None) -> Path:
        assert self.go.wait(WAIT)
        if len(self.saved) == self._fails:
            raise DiskFull(folder=self.folder, needed=0, free=0)
        self.saved.append(seed or 0)
        return super().save(image, infotext, seed)


def finished(index: int) -> Finished:
    return Finished(index, Image.new("RGB", (8, 8)), f"Steps: {index}", index)


def test_a_slow_disk_holds_nobody_up_until_too_many_wait(tmp_path: Path) -> None:
    store, heard = SlowStore(tmp_path), []
    with Saver(store, heard.append) as saver:
        futures = [saver.give(finished(index)) for index in range(MOST_WAITING)]
        assert not any(future.done() for future in futures) and not heard
        more = threading.Thread(target=lambda: futures.append(saver.give(finished(MOST_WAITING))))
        more.start()
        more.join(0.2)
        assert more.is_alive(), "memory holds only so many"
        store.go.set()
        more.join(WAIT)
    assert [event.index for event in heard] == [*range(MOST_WAITING + 1)]
    assert store.saved == [*range(MOST_WAITING + 1)] and all(future.result().path for future in futures)


def test_leaving_it_waits_for_all_and_tells_what_failed(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    threading.Timer(0.1, store.go.set).start()
    with pytest.raises(Cancelled), Saver(store, lambda _: None) as saver:
        saver.give(finished(3))
        raise Cancelled
    assert store.saved == [3]
    full = SlowStore(tmp_path, fails=0)
    full.go.set()
    with pytest.raises(DiskFull), Saver(full, lambda _: None) as saver:
        saver.give(finished(1))
        raise Cancelled
    assert full.saved == []


def test_without_a_store_they_are_announced_at_once() -> None:
    heard: list[Event] = []
    with Saver(None, heard.append) as saver:
        made = saver.give(finished(2)).result()
        assert [type(event) for event in heard] == [ImageReady]
    assert (made.path, made.seed) == (None, 2)


def test_the_engine_goes_on_while_a_picture_is_saved(folders: Folders, tmp_path: Path) -> None:
    store, heard = SlowStore(tmp_path), []

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, StepDone) and event.batch == 2:
            store.go.set()  # were the second batch to wait for the first picture, neither would ever come

    result = Engine(Library(folders), store, device="cpu").generate(replace(REQUEST, batch_count=3), hear)
    assert [image.seed for image in result.images] == store.saved == [42, 43, 44]
    assert [event.index for event in heard if isinstance(event, ImageSaved)] == [0, 1, 2]
    assert sum(event == PhaseStarted(Phase.SAVING) for event in heard) == 1, "only the last one is waited for"


def test_a_full_disk_ends_the_generation(folders: Folders, tmp_path: Path) -> None:
    store = SlowStore(tmp_path, fails=0)
    store.go.set()
    with pytest.raises(DiskFull):
        Engine(Library(folders), store, device="cpu").generate(replace(REQUEST, batch_count=2))


def test_cancelling_keeps_what_was_finished(folders: Folders, tmp_path: Path) -> None:
    store, cancel, saved = SlowStore(tmp_path), CancelToken(), []

    def hear(event: Event) -> None:
        if isinstance(event, StepDone) and event.batch == 2:
            cancel.cancel()
            store.go.set()
        if isinstance(event, ImageSaved):
            saved.append(event.path)

    with pytest.raises(Cancelled):
        Engine(Library(folders), store, device="cpu").generate(replace(REQUEST, batch_count=3), hear, cancel)
    assert store.saved == [42] and saved[0].is_file()
