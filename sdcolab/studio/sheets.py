"""Sheets of pictures whose cells can be opened: where each one lies, on the finished sheet and while it fills up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.events import CellMade, ImageSaved, Portion
from sdcolab.core.sheets import MOST_SPOTS
from sdcolab.studio.jobs import JobQueue

_NUMBER = re.compile(r"[0-9]{1,9}")
_KEY = re.compile(r"(?P<job>[0-9]{1,9})-(?P<cell>c?)(?P<place>[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell that can be opened: the ``key`` of its picture, what it is called, and where it lies."""

    key: str
    name: str
    box: Portion


class Sheets:
    """Finds cells and pictures of ``jobs``. The key of a picture is ``JOB-PLACE``, that of a cell ``JOB-cNUMBER``."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs

    def on(self, sheet: Path) -> tuple[Spot, ...]:
        """The cells of the sheet at a path; none where it is no sheet of this session."""
        for job in self._jobs.jobs():
            snapshot = job.snapshot
            if (laid := snapshot.sheets.get(sheet)) is not None:
                known = ((snapshot.cells.get(number), box) for number, box in laid)
                return _spots(job.id, ((cell, box) for cell, box in known if cell is not None))
        return ()

    def growing(self, job: str) -> tuple[Spot, ...]:
        """The cells that the live preview of the job with this number shows."""
        found = self._jobs.get(int(job)) if _NUMBER.fullmatch(job) else None
        if found is None:
            return ()
        return _spots(found.id, ((cell, cell.box) for cell in found.snapshot.cells.values()))

    def picture(self, key: str) -> ImageSaved | None:
        """The picture of a job, or of one cell; None where there is none."""
        match = _KEY.fullmatch(key)
        job = self._jobs.get(int(match["job"])) if match else None
        if match is None or job is None:
            return None
        place = int(match["place"])
        if match["cell"]:
            cell = job.snapshot.cells.get(place)
            return ImageSaved(cell.cell, cell.path, cell.seed, cell.infotext) if cell else None
        images = job.snapshot.images
        return images[place] if place < len(images) else None

    def are_of_one_job(self, key: str, image: ImageSaved) -> bool:
        """Whether ``image`` was made by the job that the picture with this key is of."""
        match = _KEY.fullmatch(key)
        job = self._jobs.get(int(match["job"])) if match else None
        return job is not None and image in job.snapshot.images


def _spots(job: int, cells: Iterator[tuple[CellMade, Portion]]) -> tuple[Spot, ...]:
    """In the order in which people read; none where they are too many."""
    found = sorted(cells, key=lambda entry: entry[0].cell)
    if len(found) > MOST_SPOTS:
        return ()
    return tuple(Spot(f"{job}-c{cell.cell}", cell.name, box) for cell, box in found)
