"""The downloads among the jobs: what the faces' downloads tab shows and does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sdcolab.core.errors import Cancelled, SdcolabError
from sdcolab.core.events import BytesReceived
from sdcolab.core.tasks import Download, Origin, Place
from sdcolab.studio.job import Job
from sdcolab.studio.jobs import JobQueue


@dataclass(frozen=True, slots=True)
class DeskSnapshot:
    """Everything a page shows of the downloads at one moment. ``version`` grows with each change, ``finished`` with
    each batch of links that ended. ``transfers`` holds the latest news of each file, in order of appearance.
    ``warnings`` are those that no line of ``reports`` tells yet."""

    version: int = 0
    running: bool = False
    finished: int = 0
    transfers: tuple[BytesReceived, ...] = ()
    reports: tuple[str, ...] = ()
    warnings: tuple[SdcolabError, ...] = ()
    problems: tuple[SdcolabError, ...] = ()


def asked_links(written: str | None, chosen: Iterable[str] | None) -> str:
    """The links that somebody wrote and those ``chosen`` in the catalogue, as one text; "" for none."""
    return "\n".join(filter(None, ((written or "").strip(), *(chosen or ()))))


class DownloadDesk:
    """Puts links in the queue and tells how the last ones go: those since nothing was being downloaded."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs
        self._first = 0

    @property
    def snapshot(self) -> DeskSnapshot:
        """The downloads at this moment."""
        every = self._downloads()
        shown = [job.snapshot for job in every if job.id >= self._first]
        problems: list[SdcolabError] = []
        for one in shown:
            if one.error and not (isinstance(one.error, Cancelled) and any(isinstance(p, Cancelled) for p in problems)):
                problems.append(one.error)
        return DeskSnapshot(
            version=(self._first << 32) + sum(one.version + 1 for one in shown),
            running=any(not one.ended for one in shown),
            finished=sum(job.snapshot.ended for job in every),
            transfers=tuple(transfer for one in shown for transfer in one.transfers),
            reports=tuple(note for one in shown for note in one.notes if one.ended),
            warnings=tuple(told for one in shown if one.error or not one.ended for told in one.warnings),
            problems=tuple(problems),
        )

    def start(self, links: str, by: Origin = Origin.PAGE) -> None:
        """Download ``links`` after those already asked for. On an idle desk it clears the previous report.

        Raises ``QueueFull``.
        """
        idle = all(job.snapshot.ended for job in self._downloads())
        job = self._jobs.submit(Download(links), by)
        if idle:
            self._first = job.id

    def cancel(self) -> None:
        """Stop the download that runs and those that wait."""
        for job in self._downloads():
            if not job.snapshot.ended:
                self._jobs.cancel(job)

    def _downloads(self) -> list[Job]:
        return [job for job in self._jobs.jobs(Place.HERE) if isinstance(job.task, Download)]
