"""The room of the queue (``rooms/cola.js``): what runs, what waits and what is done, and how to steer it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdcolab.core.errors import Cancelled
from sdcolab.core.events import Phase
from sdcolab.core.formats import ImageFormat
from sdcolab.core.rooms import MAX_WORD, Answer, RoomFile, number, text, yes
from sdcolab.core.tasks import Place
from sdcolab.core.words import ORIGIN_NAMES, PHASE_LABELS, TASK_NAMES, explain
from sdcolab.core.words import queue as words
from sdcolab.core.words.tasks import how_far
from sdcolab.studio.job import Job, JobSnapshot
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.sheets import Sheets

MOST_ENDED = 12
"""Jobs that are done and still shown."""

MOST_PROMPT = 160
MOST_PLACES = 100


class QueueRoom:
    """Shows ``jobs`` to whoever asks; every face has the same ones."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs
        self._sheets = Sheets(jobs)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it. Those that change something answer with what there is then."""
        return {
            "words": lambda _said: dict(words.QUEUE_WORDS),
            "look": lambda _said: self._look(),
            "news": lambda _said: self._news(),
            "sheet": self._sheet,
            "cancel": self._cancel,
            "hold": self._hold,
            "move": self._move,
            "pause": self._pause,
            "repeat": self._repeat,
            "empty": self._empty,
        }

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The picture of a cell, by its key."""
        found = self._sheets.picture(name) if kind == "cell" else None
        return None if found is None else RoomFile(found.path, ImageFormat(found.path.suffix[1:]).media)

    def _sheet(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The cells that can be opened on the sheet with this key, or on the preview of the job that makes one."""
        key = text(said, "key", most=MAX_WORD)
        sheet = self._sheets.picture(key)
        spots = self._sheets.growing(key) if sheet is None else self._sheets.on(sheet.path)
        return [{"key": spot.key, "name": spot.name, "box": spot.box} for spot in spots]

    def _news(self) -> dict[str, Any]:
        """A number that changes with whatever happens to a job, and whether any of them runs or waits."""
        jobs = [job.snapshot for job in self._jobs.jobs()]
        return {
            "number": str(hash(tuple((job.id, job.version) for job in jobs))),
            "busy": any(not job.ended for job in jobs),
        }

    def _look(self) -> dict[str, Any]:
        """Jobs that run, then those that wait in their order, then the last ones that ended, the newest first."""
        waiting = [job for place in Place for job in self._jobs.waiting(place)]
        running = [job for place in Place for job in self._jobs.running(place)]
        there = {job.id for job in (*waiting, *running)}
        ended = [job for job in reversed(self._jobs.jobs()) if job.snapshot.ended and job.id not in there]
        return {
            "running": [_told(job) for job in running],
            "waiting": [_told(job, place) for place, job in enumerate(waiting)],
            "ended": [_told(job) for job in ended[:MOST_ENDED]],
            "paused": self._jobs.paused(),
            "repeating": self._jobs.repeating,
        }

    def _job(self, said: Mapping[str, Any]) -> Job | None:
        """The job that is meant; one that is gone has nothing left to steer."""
        return self._jobs.get(number(said, "id"))

    def _cancel(self, said: Mapping[str, Any]) -> dict[str, Any]:
        if job := self._job(said):
            self._jobs.cancel(job)
        return self._look()

    def _hold(self, said: Mapping[str, Any]) -> dict[str, Any]:
        if job := self._job(said):
            job.pause(yes(said, "on"))
        return self._look()

    def _move(self, said: Mapping[str, Any]) -> dict[str, Any]:
        places = max(-MOST_PLACES, min(number(said, "places"), MOST_PLACES))
        if job := self._job(said):
            self._jobs.move(job, places)
        return self._look()

    def _pause(self, said: Mapping[str, Any]) -> dict[str, Any]:
        for place in Place:
            (self._jobs.pause if yes(said, "on") else self._jobs.resume)(place)
        return self._look()

    def _repeat(self, said: Mapping[str, Any]) -> dict[str, Any]:
        self._jobs.repeat(yes(said, "on"))
        return self._look()

    def _empty(self, _said: Mapping[str, Any]) -> dict[str, Any]:
        for place in Place:
            self._jobs.drop_waiting(place)
        return self._look()


def _told(job: Job, place: int | None = None) -> dict[str, Any]:
    """What is shown of a job; ``place`` from 0 for one that waits."""
    snapshot = job.snapshot
    return {
        "id": job.id,
        "name": TASK_NAMES.get(job.task.code, job.task.code),
        "about": about(snapshot),
        "by": words.ASKED_BY.format(who=ORIGIN_NAMES[snapshot.by]),
        "state": state_of(snapshot, place),
        "failed": snapshot.error is not None and not isinstance(snapshot.error, Cancelled),
        "pauses": snapshot.pauses,
        "held": job.cancel_token.held,
        "fraction": snapshot.fraction if snapshot.total and not snapshot.ended else None,
    }


def about(snapshot: JobSnapshot) -> str:
    """What tells a job from others of its kind: the prompt of a generation, the files of a download."""
    request = getattr(snapshot.task, "request", None)
    text = getattr(request, "prompt", "") or ", ".join(transfer.name for transfer in snapshot.transfers)
    return text if len(text) <= MOST_PROMPT else f"{text[: MOST_PROMPT - 1]}…"


def state_of(snapshot: JobSnapshot, place: int | None) -> str:
    """Where a job is, in a line."""
    made = [words.images_made(len(snapshot.images))] if snapshot.images else []
    made += [words.files_made(len(snapshot.files))] if snapshot.files else []
    if place is not None:
        return words.WAITING if place else words.NEXT
    if isinstance(snapshot.error, Cancelled):
        return " · ".join((words.CANCELLED, *made))
    if snapshot.error:
        return str(explain(snapshot.error))
    if snapshot.ended:
        return " · ".join((words.DONE, *made))
    steps = [how_far(snapshot.task, snapshot.step, snapshot.total)] if snapshot.total else []
    detail = [snapshot.detail] if snapshot.detail and snapshot.phase is not Phase.WAITING else []
    doing = words.PAUSED if snapshot.paused else PHASE_LABELS[snapshot.phase]
    return " · ".join((doing, *detail, *steps, *made))
