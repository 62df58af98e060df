from __future__ import annotations

import datetime
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import Cancelled, JobLost, QueueFull, SdcolabError, Unexpected, UnknownName
from sdcolab.core.events import (
    CancelToken,
    Ended,
    Event,
    ImageReady,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.jobs import MAX_REMEMBERED, MAX_WAITING, Job, JobQueue, JobSnapshot, after
from sdcolab.core.journal import JobJournal
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult

SECONDS = 10.0


class Scripted:
    """A generator that waits for ``go`` and then does what the prompt says."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started: list[str] = []

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        self.started.append(request.prompt)
        listener(PhaseStarted(Phase.SAMPLING))
        while not self.go.wait(0.01):
            cancel.raise_if_cancelled()
        if request.prompt == "error":
            raise UnknownName(kind="sampler", name="x")
        if request.prompt == "bug":
            raise ZeroDivisionError("uy")
        if save:
            listener(ImageSaved(0, Path("x.png"), 1, "info"))
        else:
            listener(ImageReady(0, Image.new("RGB", (8, 8)), 1, "info"))
        if request.prompt == "a medias":
            cancel.cancel()
            cancel.raise_if_cancelled()
        return GenerationResult(request=request, images=())


@pytest.fixture
def generator() -> Scripted:
    return Scripted()


@pytest.fixture
def queue(generator: Scripted) -> Iterator[JobQueue]:
    queue = JobQueue(generator)
    yield queue
    generator.go.set()
    queue.close()


def ask(queue: JobQueue, prompt: str) -> Job:
    return queue.submit(GenerationRequest(prompt=prompt))


def finished(job: Job) -> JobSnapshot:
    snapshot = job.snapshot
    while not snapshot.ended:
        newer = job.wait(snapshot.version, SECONDS)
        assert newer.version > snapshot.version, "the job stopped changing"
        snapshot = newer
    return snapshot


def test_jobs_run_in_order_and_keep_their_results(queue: JobQueue, generator: Scripted) -> None:
    jobs = [ask(queue, name) for name in "abc"]
    generator.go.set()
    assert [finished(job).images[0].infotext for job in jobs] == ["info"] * 3
    assert generator.started == ["a", "b", "c"]
    assert queue.get(jobs[0].id) is jobs[0]
    assert queue.current() is jobs[2]


def test_errors_end_the_job_and_not_the_queue(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    known, bug, good = (ask(queue, name) for name in ("error", "bug", "a"))
    assert isinstance(finished(known).error, UnknownName)
    error = finished(bug).error
    assert isinstance(error, Unexpected)
    assert error.kind == "ZeroDivisionError"
    assert finished(good).error is None


def test_cancel_running_and_waiting(queue: JobQueue, generator: Scripted) -> None:
    running, waiting = ask(queue, "a"), ask(queue, "b")
    while running.snapshot.phase is Phase.WAITING:
        running.wait(running.snapshot.version, SECONDS)
    assert queue.current() is running
    assert (queue.position(running), queue.position(waiting)) == (0, 1)
    waiting.cancel()
    running.cancel()
    assert isinstance(finished(running).error, Cancelled)
    assert isinstance(finished(waiting).error, Cancelled)
    assert generator.started == ["a"]


def test_a_full_queue_says_so(queue: JobQueue) -> None:
    with pytest.raises(QueueFull):
        for _ in range(MAX_WAITING + 2):
            ask(queue, "a")


def test_old_jobs_are_forgotten(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    jobs = [ask(queue, "a")]
    for _ in range(MAX_REMEMBERED + 5):
        finished(jobs[-1])
        jobs.append(ask(queue, "a"))
    finished(jobs[-1])
    assert queue.get(jobs[0].id) is None
    assert queue.get(jobs[-1].id) is jobs[-1]
    assert len(queue.jobs()) <= MAX_REMEMBERED + 1


def test_the_queue_listener_hears_everything(generator: Scripted) -> None:
    heard: list[Event] = []
    queue = JobQueue(generator, heard.append)
    generator.go.set()
    finished(ask(queue, "a"))
    queue.close()
    assert [type(event) for event in heard] == [PhaseStarted, ImageSaved, Ended]


def test_an_order_without_saving_is_told_and_then_forgotten(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    page = queue.submit(GenerationRequest(prompt="página"))
    job, outcome = queue.order(GenerationRequest(prompt="api"), save=False)
    told = outcome.result(SECONDS)
    assert told.result == GenerationResult(GenerationRequest(prompt="api"), ())
    assert [type(image) for image in told.made] == [ImageReady]
    assert told.error is None
    assert job.snapshot.ended
    assert queue.get(job.id) is None
    assert queue.current() is page


def test_an_order_that_ends_early_tells_what_was_made(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    told = queue.order(GenerationRequest(prompt="a medias"))[1].result(SECONDS)
    assert isinstance(told.error, Cancelled)
    assert [image.infotext for image in told.made] == ["info"]


def test_the_queue_keeps_no_pictures(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    job, outcome = queue.order(GenerationRequest(prompt="a"), save=False)
    image = outcome.result(SECONDS).made[0]
    assert isinstance(image, ImageReady)
    picture = weakref.ref(image.image)
    queue.errand(lambda: None).result(SECONDS)  # the worker has let go of the first one by now
    del outcome, image
    gc.collect()
    assert picture() is None
    assert job.snapshot.ended


def test_errands_wait_for_their_turn(queue: JobQueue, generator: Scripted) -> None:
    job = ask(queue, "a")
    errand = queue.errand(lambda: job.snapshot.ended)
    bad = queue.errand(lambda: 1 // 0)
    last = ask(queue, "b")
    assert queue.position(last) == 3
    assert not errand.done()
    generator.go.set()
    assert errand.result(SECONDS) is True
    with pytest.raises(ZeroDivisionError):
        bad.result(SECONDS)
    assert finished(last).error is None


def test_jobs_know_when_they_started(generator: Scripted) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5)
    queue = JobQueue(generator, clock=lambda: now)
    first, second = ask(queue, "a"), ask(queue, "b")
    while first.snapshot.phase is not Phase.SAMPLING:
        first.wait(first.snapshot.version, SECONDS)
    assert (first.started, second.started) == (now, None)
    queue.close()


def test_close_stops_a_running_job(generator: Scripted) -> None:
    queue = JobQueue(generator)
    job = ask(queue, "a")
    queue.close()
    assert isinstance(job.snapshot.error, Cancelled)


def test_snapshots_follow_events() -> None:
    snapshot = JobSnapshot(id=1, request=GenerationRequest())
    problem: SdcolabError = UnknownName(kind="vae", name="x")
    for event in (PhaseStarted(Phase.LOADING_MODEL, "demo"), StepDone(5, 20, 0, 1), Warned(problem)):
        snapshot = after(snapshot, event)
    assert (snapshot.phase, snapshot.detail, snapshot.fraction) == (Phase.LOADING_MODEL, "demo", 0.25)
    assert snapshot.warnings == (problem,)
    assert snapshot.version == 3
    assert after(snapshot, Ended()).fraction == 1.0


def test_other_work_waits_its_turn(queue: JobQueue, generator: Scripted) -> None:
    def work(listener: Listener, cancel: CancelToken) -> None:
        cancel.raise_if_cancelled()
        listener(ImageSaved(0, Path("grande.png"), 0, "info"))

    first, other = ask(queue, "uno"), queue.submit_work(work)
    assert queue.position(other) > 0
    generator.go.set()
    snapshot = finished(other)
    assert snapshot.request is None and snapshot.images[0].path == Path("grande.png")
    assert first.snapshot.ended


def test_emptying_the_queue_leaves_the_one_that_runs(queue: JobQueue, generator: Scripted) -> None:
    running, *waiting = [queue.submit(GenerationRequest(prompt=prompt)) for prompt in "abc"]
    wait_until_started(generator, 1)
    assert queue.drop_waiting() == 2
    assert [type(job.snapshot.error) for job in waiting] == [Cancelled, Cancelled]
    generator.go.set()
    assert end_of(running).error is None
    assert queue.current() is running, "what was dropped must not take the place of what was made"
    assert generator.started == ["a"]
    assert queue.drop_waiting() == 0


def test_a_queue_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "cola.json"
    killed = Scripted()
    dead = JobQueue(killed, journal=JobJournal(path))
    asked = [
        GenerationRequest(prompt="gato ñ", seed=5),
        GenerationRequest(prompt="perro", steps=7, width=64, height=64),
    ]
    for request in (GenerationRequest(prompt="enorme"), *asked):
        dead.submit(request)
    wait_until_started(killed, 1)
    saved = path.read_bytes()

    path.write_bytes(saved)
    generator = Scripted()
    generator.go.set()
    queue = JobQueue(generator, journal=JobJournal(path))
    jobs = queue.jobs()
    assert [job.id for job in jobs] == [1, 2, 3]
    assert isinstance(jobs[0].snapshot.error, JobLost)
    assert [end_of(job).error for job in jobs[1:]] == [None, None]
    assert [job.snapshot.request for job in jobs[1:]] == asked
    assert generator.started == ["gato ñ", "perro"]
    assert queue.submit(GenerationRequest(prompt="otro")).id == 4
    queue.close()
    killed.go.set()
    dead.close()
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b'[{"number": "x"}]', b"\xff", b'[{"number": 1, "request": 3}]', b"[" * 200_000, bytes(50)],
)
def test_a_damaged_journal_is_an_empty_queue(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cola.json"
    path.write_bytes(content)
    queue = JobQueue(Scripted(), journal=JobJournal(path))
    assert queue.jobs() == ()
    assert (tmp_path / "cola.dañada.json").read_bytes() == content
    queue.close()


def wait_until_started(generator: Scripted, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(generator.started) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end_of(job: Job) -> JobSnapshot:
    snapshot = job.snapshot
    while not snapshot.ended:
        newer = job.wait(snapshot.version, SECONDS)
        assert newer.version > snapshot.version
        snapshot = newer
    return snapshot
