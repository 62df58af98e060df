"""Cells of a sheet that can be opened: while it fills up, when it is finished, and by strange keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.queues import queue_of

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.events import CancelToken, CellMade, ImageSaved, Listener, Portion, SheetDrawn
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.rooms import ask
from sdcolab.core.tasks import Generate
from sdcolab.studio import sheets
from sdcolab.studio.job import Job
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.queue_room import QueueRoom
from sdcolab.studio.sheets import Sheets

LEFT: Portion = (0.0, 0.0, 0.5, 1.0)
RIGHT: Portion = (0.5, 0.0, 1.0, 1.0)
SHEET = Path("/hojas/hoja.png")


class Nobody:
    """Makes nothing."""

    def generate(
        self, request: GenerationRequest, _listener: Listener, _cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        return GenerationResult(request, ())


@pytest.fixture
def jobs() -> Iterator[JobQueue]:
    queue = queue_of(Nobody())
    yield queue
    queue.close(10)


@pytest.fixture
def job(jobs: JobQueue, tmp_path: Path) -> Job:
    made = jobs.submit(Generate(GenerationRequest()))
    for number, box in ((1, RIGHT), (0, LEFT)):
        made.notify(
            CellMade(number, box, f"Steps: {number}", tmp_path / f"{number}.jpg", 7 + number, f"texto {number}")
        )
    made.notify(ImageSaved(100_000, tmp_path / "0.jpg", 7, "texto 0"))
    made.notify(SheetDrawn(SHEET, ((0, (0.2, 0.1, 0.6, 1.0)), (1, (0.6, 0.1, 1.0, 1.0)), (5, LEFT))))
    made.notify(ImageSaved(0, SHEET, 7, "hoja"))
    return made


def test_cells_lie_where_they_are_on_the_preview_and_on_the_sheet(jobs: JobQueue, job: Job) -> None:
    room = {"cola": QueueRoom(jobs)}
    assert ask(room, "cola", "sheet", {"key": str(job.id)}) == [
        {"key": f"{job.id}-c0", "name": "Steps: 0", "box": LEFT},
        {"key": f"{job.id}-c1", "name": "Steps: 1", "box": RIGHT},
    ]
    laid = ask(room, "cola", "sheet", {"key": f"{job.id}-1"})
    assert [(cell["key"], cell["box"][0]) for cell in laid] == [(f"{job.id}-c0", 0.2), (f"{job.id}-c1", 0.6)]
    assert ask(room, "cola", "sheet", {"key": f"{job.id}-0"}) == [], "a picture is no sheet"


def test_a_cell_is_a_picture_with_its_own_data(jobs: JobQueue, job: Job, tmp_path: Path) -> None:
    known = Sheets(jobs)
    cell = known.picture(f"{job.id}-c1")
    assert cell is not None
    assert (cell.path, cell.seed, cell.infotext) == (tmp_path / "1.jpg", 8, "texto 1")
    assert known.picture(f"{job.id}-1") == job.snapshot.images[1]
    given = QueueRoom(jobs).file("cell", f"{job.id}-c1")
    assert given is not None
    assert (given.content, given.media) == (tmp_path / "1.jpg", "image/jpeg")
    assert QueueRoom(jobs).file("picture", f"{job.id}-c1") is None
    assert known.are_of_one_job(f"{job.id}-c1", job.snapshot.images[0])
    assert not known.are_of_one_job("99-c1", job.snapshot.images[0])


@pytest.mark.parametrize(
    "key", ["", "x", "1", "1-", "-1", "1-c", "1-c9", "1-9", "99-c0", "٣-c٠", "9" * 400, "1-c0 ", "../1"]
)
def test_keys_that_mean_nothing_find_nothing(jobs: JobQueue, job: Job, key: str) -> None:
    assert Sheets(jobs).picture(key) is None
    assert QueueRoom(jobs).file("cell", key) is None


@pytest.mark.parametrize("said", [{}, {"key": 3}, {"key": "1" * 1000}])
def test_questions_without_a_key_are_refused(jobs: JobQueue, said: dict[str, object]) -> None:
    with pytest.raises(StrangeQuestion):
        ask({"cola": QueueRoom(jobs)}, "cola", "sheet", said)


def test_too_many_cells_cannot_be_pressed(jobs: JobQueue, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_SPOTS", 1)
    assert Sheets(jobs).growing(str(job.id)) == ()
