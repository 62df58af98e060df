"""Tasks by the names that clients give them (``force_task_id``), so that they can ask after each."""

from __future__ import annotations

import datetime
import threading
from collections import OrderedDict
from typing import Any

from sdcolab.api import answers
from sdcolab.studio.job import Job

MAX_NAMED = 100
"""Tasks whose names are remembered, and as many again that have ended."""

MAX_NAME = 200
"""Characters of a name; a task with a longer one has none."""


class NamedTasks:
    """Of those that have ended only the name is kept: a job holds its pictures. Safe to use from several threads."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, name: object, job: Job) -> None:
        """Remember ``job`` under ``name``, if that is one."""
        if isinstance(name, str) and 0 < len(name) <= MAX_NAME:
            with self._lock:
                self._settle()
                self._jobs[name] = job
                self._ended.pop(name, None)
                _shorten(self._jobs)

    def progress(self, name: object, now: datetime.datetime, *, with_image: bool) -> dict[str, Any]:
        """A1111's answer about the task called ``name``, which may never have existed."""
        if not isinstance(name, str):
            name = ""  # which nobody's is
        with self._lock:
            self._settle()
            job, ended = self._jobs.get(name), name in self._ended
        return answers.progress_of(job, now, ended=ended, with_image=with_image)

    def pending(self) -> list[str]:
        """The names of those that have not ended."""
        with self._lock:
            self._settle()
            return list(self._jobs)

    def _settle(self) -> None:
        for name in [name for name, job in self._jobs.items() if job.snapshot.ended]:
            del self._jobs[name]
            self._ended[name] = None
        _shorten(self._ended)


def _shorten(names: OrderedDict[str, Any]) -> None:
    while len(names) > MAX_NAMED:
        names.popitem(last=False)
