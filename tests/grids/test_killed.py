"""A process killed in the middle of a 5x5 plot, by the system and not by an exception, and the plan gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from support.queues import worker_of

from sdcolab.core.events import CancelToken, Event, ImageSaved, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, write
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStores
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.scripts import AFTER_SHEETS, Grid, XyzPlot
from sdcolab.wiring.grids import PlanFolder

CELLS_BEFORE = 12
FACTS = EngineFacts(version="1", schedule="Automatic", model="m")
TASK = Grid(
    GenerationRequest(prompt="un gato", seed=7, width=64, height=64),
    XyzPlot("Steps", "1-5", "Seed", "1-5"),
    name="cinco",
)
CHILD = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from grids.test_killed import Painter, TASK, run
run(TASK, {folder!r}, Painter({folder!r}, hang_after={cells}))
"""


class Painter:
    """Paints each picture in the colour of its steps and seed, and hangs in the cell after ``hang_after``."""

    def __init__(self, folder: str, hang_after: int = 10_000) -> None:
        self._store = ImageStores.below(Folders(Path(folder)))
        self._hang_after = hang_after
        self.made: list[GenerationRequest] = []

    def generate(
        self, request: GenerationRequest, _listener: Listener, _cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        assert save
        while len(self.made) >= self._hang_after:
            time.sleep(1)
        request = request.resolved(checkpoint="m", native_size=64)
        self.made.append(request)
        picture = Image.new("RGB", (64, 64), (request.steps * 40, request.seed * 40, 100))
        text = write(request, FACTS, 0)
        path = self._store.of(request).save(picture, text, request.seed)
        return GenerationResult(request, (GeneratedImage(picture, text, request.seed, path),))


def run(task: Grid, folder: str, painter: Painter) -> list[Event]:
    events: list[Event] = []
    worker_of(painter, folders=Folders(Path(folder))).run(task, events.append, CancelToken())
    return events


def test_only_the_missing_cells_are_made_after_kill_9(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    code = CHILD.format(root=str(tests.parent), tests=str(tests), folder=str(tmp_path), cells=CELLS_BEFORE)
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        plan = wait_for_cells(tmp_path, child)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    folders = Folders(tmp_path)
    settled: list[str] = []
    plans = PlanFolder(Library(folders), folders, settled.append)
    (left,) = plans.unfinished()
    assert (left.done, left.total, left.job) == (CELLS_BEFORE, 25, "cinco")
    assert folders.outputs / left.name == plan
    painter = Painter(str(tmp_path))
    events = run(plans.continued(left.name), str(tmp_path), painter)
    assert settled == ["cinco"]
    assert [(one.steps, one.seed) for one in painter.made] == [(n % 5 + 1, n // 5 + 1) for n in range(CELLS_BEFORE, 25)]
    (sheet,) = [event for event in events if isinstance(event, ImageSaved) and event.index < AFTER_SHEETS]
    with Image.open(sheet.path) as picture:
        assert picture.getpixel((picture.width - 1, picture.height - 1)) == (200, 200, 100)
    assert plans.unfinished() == ()


def wait_for_cells(folder: Path, child: subprocess.Popen[bytes]) -> Path:
    """The plan's file, once it says that the child hangs in the cell after the last one it makes."""
    until = time.monotonic() + 60
    while time.monotonic() < until and child.poll() is None:
        for plan in folder.glob("outputs/txt2img-grids/*/*.jsonl"):
            if plan.read_text("utf-8").count('"begun"') > CELLS_BEFORE:
                return plan
        time.sleep(0.02)
    raise AssertionError("the child made nothing")
