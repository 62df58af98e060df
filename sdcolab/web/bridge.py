"""From the state of the studio to what a page shows.

Each page keeps a ``Watch``: what it has already shown. A pulse compares it with the job queue and the download desk and
says only what changed, so that many pages and slow phones cost little. Jobs belong to the queue: a page that goes away
and comes back starts with an empty ``Watch`` and is shown everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from PIL import Image

from sdcolab.core.curve import chart_svg
from sdcolab.core.events import BytesReceived, ImageSaved, Phase
from sdcolab.core.tasks import Place
from sdcolab.core.words import PHASE_LABELS, human_bytes
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import READING_LINKS
from sdcolab.core.words.queue import HELD, PAUSED
from sdcolab.core.words.tasks import how_far
from sdcolab.studio.desk import DeskSnapshot
from sdcolab.studio.job import JobSnapshot
from sdcolab.studio.jobs import JobQueue, behind, is_held
from sdcolab.studio.made import MADE_ROOM, made_lines
from sdcolab.studio.maps import figures
from sdcolab.web import fragments

COUNTED = (Phase.SAMPLING, Phase.UPSCALING, Phase.DECODING, Phase.SAVING, Phase.TRAINING, Phase.LOOKING)
"""What a job does step by step."""

Clock = Callable[[], float]
"""Seconds that only grow, as ``time.monotonic``."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When and at which step a page first saw a job advance: what the time left is estimated from."""

    seconds: float
    step: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What a page has shown so far. ``job`` 0 means none; ``held``: it waits for a queue that is paused; ``made`` are
    the pictures of all jobs."""

    job: int = 0
    version: int = -1
    waiting: int = 0
    held: bool = False
    made: tuple[ImageSaved, ...] = ()
    preview: Image.Image | None = None
    pace: Pace | None = None
    desk_version: int = -1
    desk_finished: int | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """What to change on the page for its job. None in ``preview`` or ``pictures`` means: leave it as it is. ``now`` is
    the preview's address at this moment, "" without one; ``report`` the files and lines of a tool's work. ``pauses``:
    it can wait, and ``paused``: it does. ``refresh``: it has just ended and made files, so look for them. ``work``: the
    code of its task, and ``painted``: it has shown pictures. ``growing``: the job whose preview is a sheet that fills
    up, and how many of its cells there are."""

    running: bool
    waiting: int
    progress: str
    problems: str
    report: str
    preview: str | None
    now: str
    pictures: tuple[ImageSaved, ...] | None
    pauses: bool = False
    paused: bool = False
    refresh: bool = False
    work: str = ""
    painted: bool = False
    growing: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeskView:
    """What to change on the page for the downloads. ``refresh``: a batch has just ended, so look for new files."""

    running: bool
    progress: str
    report: str
    refresh: bool


def see_job(watch: Watch, jobs: JobQueue, clock: Clock) -> tuple[Watch, JobView | None]:
    """The news of the job that runs, waits or ended last; None when the page is up to date."""
    job = jobs.shown()
    if job is None:
        if not watch.job:
            return watch, None
        # The job on show left nothing behind (another program asked for it), and there is no older one.
        nothing = replace(watch, job=0, version=-1, waiting=0, made=(), preview=None, pace=None)
        return nothing, JobView(False, 0, "", "", "", "", "", ())
    snapshot = job.snapshot
    waiting = behind(job, jobs)
    held = is_held(job, jobs)
    if (snapshot.id, snapshot.version, waiting, held) == (watch.job, watch.version, watch.waiting, watch.held):
        return watch, None
    made = tuple(image for one in jobs.jobs(Place.ENGINE) for image in one.snapshot.images)
    return _see(replace(watch, held=held), snapshot, waiting, made, clock())


def _see(
    watch: Watch, snapshot: JobSnapshot, waiting: int, made: tuple[ImageSaved, ...], now: float
) -> tuple[Watch, JobView]:
    fresh = snapshot.id != watch.job
    before = replace(watch, preview=None, pace=None) if fresh else watch
    pace = before.pace or (Pace(now, snapshot.step) if snapshot.step else None)
    after = replace(
        before,
        job=snapshot.id,
        version=snapshot.version,
        waiting=waiting,
        made=made,
        preview=snapshot.preview,
        pace=pace,
    )
    side = fragments.SHEET_SIDE if snapshot.cells else fragments.PREVIEW_SIDE
    address = "" if snapshot.preview is None else fragments.preview_address(snapshot.preview, side)
    view = JobView(
        running=not snapshot.ended,
        waiting=waiting,
        progress=progress_of(snapshot, waiting, seconds_left(pace, snapshot, now), held=watch.held),
        problems=problems_of(snapshot),
        report=report_of(snapshot),
        preview=_preview_change(fresh, before.preview, snapshot, address),
        now=address,
        pictures=made if made != watch.made or watch.version < 0 else None,
        pauses=snapshot.pauses and not snapshot.ended and snapshot.phase is not Phase.WAITING,
        paused=snapshot.paused,
        refresh=not fresh and snapshot.ended and bool(snapshot.files),
        work=snapshot.task.code,
        growing={"job": snapshot.id, "cells": len(snapshot.cells)} if snapshot.cells else {},
        painted=bool(snapshot.images) or snapshot.preview is not None,
    )
    return after, view


def _preview_change(fresh: bool, shown: Image.Image | None, snapshot: JobSnapshot, address: str) -> str | None:
    if snapshot.preview is None:
        return "" if fresh or shown else None
    return address if snapshot.preview is not shown else None


def report_of(snapshot: JobSnapshot) -> str:
    """The lines of a tool's report and the files it made."""
    files = made_lines(snapshot, f"sdcolab/file/{MADE_ROOM}/made/{{key}}")
    told = fragments.report(snapshot.notes, words.JOB_REPORT, links=files)
    return chart_svg(snapshot.curve) + told + figures(snapshot.maps)


def seconds_left(pace: Pace | None, snapshot: JobSnapshot, now: float) -> float | None:
    """Estimate from the steps seen so far; None while there is nothing to go by."""
    if pace is None or snapshot.step <= pace.step or snapshot.ended:
        return None
    return (now - pace.seconds) / (snapshot.step - pace.step) * (snapshot.total - snapshot.step)


def progress_of(snapshot: JobSnapshot, waiting: int, left: float | None, *, held: bool = False) -> str:
    """The progress bar of a job, which ``held`` says waits for a paused queue; once it has ended well, how many images
    it made."""
    if snapshot.ended:
        made = len(snapshot.images)
        done = words.images_saved(made) if made else words.IN_VAIN if snapshot.is_in_vain else words.DONE
        return "" if snapshot.error else fragments.note(done)
    label = PHASE_LABELS[snapshot.phase] + ("…" if snapshot.phase is not Phase.WAITING else "")
    if held:
        label = HELD
    if snapshot.paused:
        label = PAUSED
    if snapshot.detail:
        label = f"{label} {snapshot.detail}"
    details = []
    if snapshot.total and snapshot.phase in COUNTED:
        details.append(how_far(snapshot.task, snapshot.step, snapshot.total))
    if left is not None:
        details.append(words.time_left(left))
    if waiting:
        details.append(words.more_waiting(waiting))
    return fragments.progress_bar(label, " · ".join(details), snapshot.fraction if snapshot.total else None)


def problems_of(snapshot: JobSnapshot) -> str:
    """The boxes for a job's warnings and for its error."""
    boxes = [fragments.problem(warning, warning=True) for warning in snapshot.warnings]
    if snapshot.error:
        boxes.append(fragments.problem(snapshot.error))
    return "".join(boxes)


def see_desk(watch: Watch, snapshot: DeskSnapshot) -> tuple[Watch, DeskView | None]:
    """The news of the downloads; None when the page is up to date."""
    if snapshot.version == watch.desk_version:
        return watch, None
    refresh = watch.desk_finished is not None and snapshot.finished != watch.desk_finished
    boxes = [fragments.problem(warning, warning=True) for warning in snapshot.warnings]
    boxes += [fragments.problem(error) for error in snapshot.problems]
    view = DeskView(
        running=snapshot.running,
        progress=_transfers(snapshot),
        report=fragments.report(snapshot.reports) + "".join(boxes),
        refresh=refresh,
    )
    return replace(watch, desk_version=snapshot.version, desk_finished=snapshot.finished), view


def _transfers(snapshot: DeskSnapshot) -> str:
    if snapshot.running and not snapshot.transfers:
        return fragments.progress_bar(READING_LINKS, "", None, words.DOWNLOADS)
    return "".join(_transfer(transfer) for transfer in snapshot.transfers)


def _transfer(transfer: BytesReceived) -> str:
    parts = [human_bytes(transfer.received)]
    fraction = None
    if transfer.total:
        parts = [words.received_of(transfer.received, transfer.total)]
        fraction = transfer.received / transfer.total
    if transfer.bytes_per_second > 0:
        parts.append(f"{human_bytes(transfer.bytes_per_second)}/s")
        if transfer.total and transfer.received < transfer.total:
            parts.append(words.time_left((transfer.total - transfer.received) / transfer.bytes_per_second))
    said = words.DOWNLOAD_OF.format(name=transfer.name)
    return fragments.progress_bar(transfer.name, " · ".join(parts), fraction, said)
