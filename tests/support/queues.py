"""Job queues around stand-ins: the kinds of work as in ``wiring.tasks``, each with what the test gives for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sdcolab.core.events import CancelToken, Listener, Note
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.result import GenerationResult, Generator
from sdcolab.core.tasks import Download, LocalWorker, Place, TaskRow, TaskTable, Tools, Worker
from sdcolab.studio.jobs import JobQueue
from sdcolab.wiring.tasks import TASKS

LinkDownload = Callable[[str, Listener, CancelToken], Sequence[str]]
"""Links in, report lines out."""


class Stand:
    """An engine made of parts."""

    def __init__(self, generator: Generator, upscaling: Any = None, models: Any = None) -> None:
        self._generator, self._upscaling, self._models = generator, upscaling, models

    def generate(self, *values: Any, **options: Any) -> GenerationResult:
        return self._generator.generate(*values, **options)

    def names(self) -> tuple[str, ...]:
        return tuple(self._upscaling.names())

    def upscale(self, *values: Any) -> Any:
        return self._upscaling.upscale(*values)

    def preload(self, checkpoint: str = "") -> None:
        self._models.preload(checkpoint)

    def unload(self) -> None:
        self._models.unload()


def table_with(download: LinkDownload | None = None) -> TaskTable:
    """The kinds of work, with ``download`` in the place of the real one."""

    def run(task: Download, _tools: Tools, listener: Listener, cancel: CancelToken) -> None:
        assert download, "this test downloads nothing"
        for line in download(task.links, listener, cancel):
            listener(Note(line))

    return TaskTable((*TASKS.values(), TaskRow(Download, Place.HERE, run, resumes=True, apart=True)))


def worker_of(
    generator: Generator,
    *,
    download: LinkDownload | None = None,
    upscaling: Any = None,
    models: Any = None,
    folders: Folders | None = None,
) -> Worker:
    """A worker in this process."""
    folders = folders or Folders(Path("/no/existe"))
    stand = Stand(generator, upscaling, models)
    return LocalWorker(table_with(download), Tools(folders, Library(folders), stand))


def queue_of(generator: Generator, listener: Listener | None = None, **options: Any) -> JobQueue:
    """A queue with one worker a place. ``clock``, ``journal`` and ``soon`` are its own, the rest is ``worker_of``'s."""
    own = {name: options.pop(name) for name in ("clock", "journal", "soon") if name in options}
    worker = worker_of(generator, **options)
    return JobQueue(TASKS, dict.fromkeys(Place, (worker,)), listener, **own)


class _NoEngine:
    """Generates nothing."""

    def generate(self, *_values: Any, **_options: Any) -> GenerationResult:
        raise AssertionError("nothing is generated here")


def downloads_of(download: LinkDownload) -> JobQueue:
    """A queue for downloads alone."""
    return queue_of(_NoEngine(), download=download)
