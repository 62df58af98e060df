"""The files that jobs made: where each one lies, and a link that brings it to whoever looks from another machine."""

from __future__ import annotations

import html
import mimetypes
import re
from collections.abc import Iterator, Mapping

from sdcolab.core.rooms import Answer, RoomFile
from sdcolab.core.scripts import PLAN_SUFFIX, Grid
from sdcolab.core.words.base import human_bytes
from sdcolab.core.words.faces import DOWNLOAD_MADE, FILE_MADE
from sdcolab.studio.job import JobSnapshot
from sdcolab.studio.jobs import JobQueue

MADE_ROOM = "archivos"
MOST_IN_A_CELL = 128_000_000
"""Bytes of a file that goes through a notebook's kernel into the browser: a LoRA does, a checkpoint lies in Drive."""

_KEY = re.compile(r"(?P<job>[0-9]{1,9})-(?P<place>[0-9]{1,9})")


class MadeRoom:
    """Gives the files of ``jobs`` by ``JOB-PLACE``; there is nothing to ask (``rooms/archivos.js``)."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs

    @property
    def answers(self) -> Mapping[str, Answer]:
        """None."""
        return {}

    def file(self, kind: str, name: str) -> RoomFile | None:
        """A file that a job made, to be saved."""
        match = _KEY.fullmatch(name) if kind == "made" else None
        job = self._jobs.get(int(match["job"])) if match else None
        place = int(match["place"]) if match else 0
        if job is None or place >= len(job.snapshot.files):
            return None
        path = job.snapshot.files[place]
        media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return RoomFile(path, media, path.name) if path.is_file() else None


def made_lines(snapshot: JobSnapshot, address: str, most: int | None = None) -> Iterator[str]:
    """A line of HTML for each file of a job, with a link to ``address`` (``{key}`` is the file's) unless it has more
    than ``most`` bytes. The file of a plan is nobody's to open: what is left of it is offered (``studio.plans``)."""
    for place, path in enumerate(snapshot.files):
        if isinstance(snapshot.task, Grid) and path.suffix == PLAN_SUFFIX:
            continue
        said = html.escape(FILE_MADE.format(path=path))
        try:
            size = path.stat().st_size
        except OSError:
            yield said
            continue
        if most is not None and size > most:
            yield said
            continue
        key, name = f"{snapshot.id}-{place}", html.escape(path.name, quote=True)
        label = html.escape(DOWNLOAD_MADE.format(name=path.name, size=human_bytes(size)))
        link = f'<a class="sd-made" data-key="{key}" download="{name}" href="{address.format(key=key)}">{label}</a>'
        yield f"{link}<br>{said}"
