"""Lists worked through by several engines, some of which die."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from sdcolab.core.errors import BatchPlaceTaken, BatchPlaceWrong, Cancelled, CannotWrite, EnginesGone, OutOfMemory
from sdcolab.core.events import CancelToken
from sdcolab.core.request import GenerationRequest
from sdcolab.fleet.board import MAX_TRIES
from sdcolab.fleet.crew import LostEngine, Tally, work_through
from sdcolab.fleet.orders import Order, setup_of
from sdcolab.fleet.results import MANIFEST, Picture, Place, names_of


class Painter:
    """A maker of small files that tells their request; ``deaths`` are the calls at which it dies."""

    def __init__(self, *deaths: int, forever: bool = False) -> None:
        self._calls = itertools.count()
        self._deaths = deaths
        self._forever = forever
        self.made: list[str] = []
        self.closed = False

    def ready(self, over: Callable[[], bool]) -> bool:
        return not over()

    def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
        if next(self._calls) in self._deaths or request.prompt == "muere":
            raise LostEngine(forever=self._forever)
        if request.prompt == "falla":
            raise OutOfMemory(width=1, height=1, batch_size=1, device="cpu")
        self.made.append(request.prompt)
        return tuple(
            Picture(f"{request.prompt} {request.seed_of(index)}".encode(), request.seed_of(index), request.prompt)
            for index in range(request.image_count)
        )

    def close(self) -> None:
        self.closed = True


def orders(*prompts: str, **fields: object) -> list[Order]:
    requests = [GenerationRequest(prompt=prompt, **fields) for prompt in prompts]
    return [
        Order(number, setup_of(request), prompt, lambda request=request: request)
        for number, (prompt, request) in enumerate(zip(prompts, requests, strict=True))
    ]


def entries(place: Place) -> list[dict[str, object]]:
    written = place.read(MANIFEST)
    assert written is not None
    return [json.loads(line) for line in written.splitlines()[1:]]


def run(wanted: list[Order], target: str | Path, *makers: Painter, cancel: CancelToken | None = None) -> Tally:
    told: list[Tally] = []
    tally = work_through(wanted, makers, Place(str(target)), told.append, cancel or CancelToken())
    assert told[-1] == tally
    assert all(maker.closed for maker in makers)
    return tally


@pytest.fixture(params=["carpeta", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "carpeta":
        yield str(tmp_path / "lote")
    else:
        yield f"memory://{tmp_path.name}/lote"
        fsspec.filesystem("memory").store.clear()


def test_every_picture_once_whatever_dies(target: str) -> None:
    wanted = orders(*(f"imagen {number}" for number in range(60)))
    tally = run(wanted, target, Painter(3, 6, 11), Painter(), Painter(0, forever=True))
    assert (tally.made, tally.failed, tally.total) == (60, 0, 60)
    place = Place(target)
    assert place.names() == {MANIFEST, *(names_of(number, 1)[0] for number in range(60))}
    assert [entry["request"] for entry in entries(place)] == list(range(60))


def test_the_same_files_however_often_it_is_interrupted(target: str, tmp_path: Path) -> None:
    wanted = orders(*(f"imagen {number}" for number in range(30)), batch_count=2)
    cancel = CancelToken()

    class Impatient(Painter):
        def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
            if len(self.made) == 7:
                cancel.cancel()
                raise Cancelled
            return super().make(request, cancel)

    with pytest.raises(Cancelled):
        run(wanted, target, Impatient(), cancel=cancel)
    place = Place(target)
    before = len(entries(place))
    assert before <= 7
    seeds = {entry["request"]: entry["images"] for entry in entries(place)}
    again = Painter()
    tally = run(wanted, target, again)
    assert (tally.before, tally.made) == (before, 30 - before)
    assert len(place.names()) == 61
    after = {entry["request"]: entry["images"] for entry in entries(place)}
    assert {number: after[number] for number in seeds} == seeds
    assert run(wanted, target, Painter()).before == 30


def test_a_picture_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    wanted = orders("uno", "dos", "tres")
    run(wanted, tmp_path, Painter())
    lost = tmp_path / names_of(1, 1)[0]
    written = lost.read_bytes()
    lost.unlink()
    painter = Painter()
    assert run(wanted, tmp_path, painter).made == 1
    assert painter.made == ["dos"]
    assert lost.read_bytes() == written


def test_a_list_that_grows_goes_on_and_another_one_is_refused(tmp_path: Path) -> None:
    run(orders("uno", "dos"), tmp_path, Painter())
    assert run(orders("uno", "dos", "tres"), tmp_path, Painter()).made == 1
    with pytest.raises(BatchPlaceTaken):
        run(orders("otra", "dos", "tres"), tmp_path)


@pytest.mark.parametrize(
    "written", [b"", b"{}", b"\xff\xfe", b"[1]\n", b'{"sdcolab": 1, "draws": -5}', b'{"sdcolab": 9}']
)
def test_a_manifest_that_is_none_is_never_written_over(written: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(written)
    with pytest.raises(BatchPlaceTaken):
        run(orders("uno"), tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == written


def test_lines_of_a_manifest_that_make_no_sense_do_not_count(tmp_path: Path) -> None:
    run(orders("uno", "dos"), tmp_path, Painter())
    head, one, _two = (tmp_path / MANIFEST).read_text().splitlines()
    bad = '{"request": 1, "digest": "dos", "images": [{"file": "../otro.png", "seed": 1, "infotext": ""}]}'
    (tmp_path / MANIFEST).write_text("\n".join([head, one, bad, "{"]))
    assert run(orders("uno", "dos"), tmp_path, Painter()).made == 1


def test_what_fails_is_told_and_tried_again_next_time(tmp_path: Path) -> None:
    tally = run(orders("uno", "falla", "muere", "dos"), tmp_path, Painter(), Painter())
    assert (tally.made, tally.failed) == (2, 2)
    failed = {entry["request"]: entry for entry in entries(Place(str(tmp_path))) if "error" in entry}
    assert failed[1]["error"] == OutOfMemory.code
    assert f"murió {MAX_TRIES} veces" in str(failed[2]["reason"])
    assert run(orders("uno", "falla", "muere", "dos"), tmp_path, Painter()).before == 2


def test_when_every_engine_is_gone(tmp_path: Path) -> None:
    with pytest.raises(EnginesGone) as gone:
        run(orders(*"abcd"), tmp_path, Painter(1, forever=True), Painter(1, forever=True))
    assert gone.value.left == 2
    assert run(orders(*"abcd"), tmp_path, Painter()).before == 2


def test_a_bug_of_an_engine_reaches_whoever_waits(tmp_path: Path) -> None:
    class Odd(Painter):
        def make(self, request: GenerationRequest, cancel: CancelToken) -> tuple[Picture, ...]:
            raise ZeroDivisionError

    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        run(orders(*"abcd"), tmp_path, Odd(), Painter())
    assert threading.active_count() <= threads


@pytest.mark.parametrize("target", ["nada://cubo/lote", "/dev/null/lote"])
def test_places_that_cannot_be(target: str) -> None:
    with pytest.raises((BatchPlaceWrong, CannotWrite)):
        Place(target)
