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
from support.queues import queue_of

from sdcolab.core.errors import (
    Cancelled,
    CellFailed,
    CellsFailed,
    DatasetMissing,
    JobLost,
    QueueClosed,
    QueueFull,
    QueueUnreadable,
    SdcolabError,
    Unexpected,
    UnknownName,
)
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Ended,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    Listener,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.result import GenerationResult
from sdcolab.core.tasks import Download, Enlarge, Generate, Origin, Place, Preload, Task, Unload
from sdcolab.core.training import PreparePictures
from sdcolab.core.upscaling import Enlargement
from sdcolab.studio.job import Job, JobSnapshot, after
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.journal import JobJournal, JournalEntry
from sdcolab.studio.ledger import MAX_REMEMBERED, MAX_WAITING
from sdcolab.wiring.tasks import TASKS

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
    queue = queue_of(generator)
    yield queue
    generator.go.set()
    queue.close()


def ask(queue: JobQueue, prompt: str) -> Job:
    return queue.submit(Generate(GenerationRequest(prompt=prompt)))


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


def test_what_works_beside_the_engine_is_shown_too(generator: Scripted) -> None:
    queue = queue_of(generator, download=lambda *_asked: iter(()))
    drawn = ask(queue, "a")
    while drawn.snapshot.phase is Phase.WAITING:
        drawn.wait(drawn.snapshot.version, SECONDS)
    assert queue.shown() is drawn
    told = queue.submit(PreparePictures(project="no_esta"))
    assert isinstance(finished(told).error, DatasetMissing)
    assert queue.shown() is drawn, "it still runs"
    generator.go.set()
    finished(drawn)
    assert queue.shown() is told, "asked for last"
    finished(queue.submit(Download(("https://a",))))
    assert queue.shown() is told, "downloads have a tab of their own"
    queue.close(SECONDS)


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


def test_a_closed_queue_says_so(queue: JobQueue) -> None:
    queue.close(0)
    with pytest.raises(QueueClosed):
        ask(queue, "a")
    assert queue.jobs() == ()


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
    queue = queue_of(generator, heard.append)
    generator.go.set()
    finished(ask(queue, "a"))
    queue.close()
    assert [type(event) for event in heard] == [PhaseStarted, ImageSaved, Ended]


def test_an_order_without_saving_is_told_and_then_forgotten(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    page = queue.submit(Generate(GenerationRequest(prompt="página")))
    job, outcome = queue.order(Generate(GenerationRequest(prompt="api"), save=False), keep=False)
    told = outcome.result(SECONDS)
    assert told.result == GenerationResult(GenerationRequest(prompt="api"), ())
    assert [type(image) for image in told.made] == [ImageReady]
    assert told.error is None
    assert job.snapshot.ended
    assert queue.get(job.id) is None
    assert queue.current() is page


def test_an_order_that_ends_early_tells_what_was_made(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    told = queue.order(Generate(GenerationRequest(prompt="a medias")))[1].result(SECONDS)
    assert isinstance(told.error, Cancelled)
    assert [image.infotext for image in told.made] == ["info"]


def test_the_queue_keeps_no_pictures(queue: JobQueue, generator: Scripted) -> None:
    generator.go.set()
    job, outcome = queue.order(Generate(GenerationRequest(prompt="a"), save=False), keep=False)
    image = outcome.result(SECONDS).made[0]
    assert isinstance(image, ImageReady)
    picture = weakref.ref(image.image)
    queue.order(Unload())[1].result(SECONDS)  # the worker has let go of the first one by now
    del outcome, image
    gc.collect()
    assert picture() is None
    assert job.snapshot.ended


class Errands:
    """Models that tell whether ``job`` had ended when they were asked for."""

    job: Job | None = None
    seen: bool | None = None

    def preload(self, checkpoint: str = "") -> None:
        if checkpoint:
            raise ZeroDivisionError
        assert self.job
        self.seen = self.job.snapshot.ended

    def unload(self) -> None: ...


def test_errands_wait_for_their_turn(generator: Scripted) -> None:
    errands = Errands()
    queue = queue_of(generator, models=errands)
    errands.job = ask(queue, "a")
    _, errand = queue.order(Preload())
    _, bad = queue.order(Preload("malo"))
    last = ask(queue, "b")
    assert queue.position(last) == 3
    assert [job.snapshot.request.prompt for job in queue.jobs() if job.snapshot.request] == ["a", "b"]
    assert not errand.done()
    generator.go.set()
    assert errand.result(SECONDS).error is None
    assert errands.seen is True
    error = bad.result(SECONDS).error
    assert isinstance(error, Unexpected) and error.kind == "ZeroDivisionError"
    assert finished(last).error is None
    queue.close()


def test_jobs_know_when_they_started(generator: Scripted) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5)
    queue = queue_of(generator, clock=lambda: now)
    first, second = ask(queue, "a"), ask(queue, "b")
    while first.snapshot.phase is not Phase.SAMPLING:
        first.wait(first.snapshot.version, SECONDS)
    assert (first.started, second.started) == (now, None)
    queue.close()


def test_close_stops_a_running_job(generator: Scripted) -> None:
    queue = queue_of(generator)
    job = ask(queue, "a")
    queue.close()
    assert isinstance(job.snapshot.error, Cancelled)


def test_snapshots_follow_events() -> None:
    snapshot = JobSnapshot(id=1, task=Generate(GenerationRequest()))
    problem: SdcolabError = UnknownName(kind="vae", name="x")
    for event in (PhaseStarted(Phase.LOADING_MODEL, "demo"), StepDone(5, 20, 0, 1), Warned(problem)):
        snapshot = after(snapshot, event)
    assert (snapshot.phase, snapshot.detail, snapshot.fraction) == (Phase.LOADING_MODEL, "demo", 0.25)
    assert snapshot.warnings == (problem,)
    assert snapshot.version == 3
    assert after(snapshot, Ended()).fraction == 1.0


def test_a_warning_that_says_more_takes_the_place_of_the_one_before() -> None:
    snapshot = JobSnapshot(id=1, task=Generate(GenerationRequest()))
    first, other = CellFailed(cell="a", detail="roto"), CellFailed(cell="b", detail="otro motivo")
    total = CellsFailed(cell="a", count=3, detail="roto")
    for warning in (first, other, total):
        snapshot = after(snapshot, Warned(warning))
    assert snapshot.warnings == (other, total)


class Doubling:
    def names(self) -> tuple[str, ...]:
        return ("Lanczos",)

    def upscale(self, picture: Image.Image, *_: object) -> Image.Image:
        return picture.resize((picture.width * 2, picture.height * 2))


def test_other_work_waits_its_turn(generator: Scripted, tmp_path: Path) -> None:
    queue = queue_of(generator, upscaling=Doubling(), folders=Folders(tmp_path))
    wanted = Enlargement(upscaler="Lanczos", scale=2.0)
    first = ask(queue, "uno")
    other = queue.submit(Enlarge((Image.new("RGB", (4, 4)),), wanted, ("un gato",)))
    assert queue.position(other) > 0
    generator.go.set()
    snapshot = finished(other)
    assert snapshot.request is None
    assert snapshot.images[0].path.is_file()
    assert snapshot.images[0].infotext.startswith("un gato, Postprocess upscale by: 2")
    assert first.snapshot.ended
    queue.close()


def running(job: Job) -> Job:
    """``job`` once it has begun."""
    while job.snapshot.phase is Phase.WAITING:
        job.wait(job.snapshot.version, SECONDS)
    return job


def test_a_job_that_waits_can_be_taken_out_or_moved(queue: JobQueue, generator: Scripted) -> None:
    first = running(ask(queue, "a"))
    b, c, d = (ask(queue, name) for name in "bcd")
    queue.move(d, -2)
    queue.move(b, 9)
    queue.move(first, -1)
    assert queue.waiting() == (d, c, b)
    queue.cancel(c)
    assert isinstance(c.snapshot.error, Cancelled), "at once, not when its turn comes"
    queue.cancel(first)
    generator.go.set()
    finished(b)
    assert generator.started == ["a", "d", "b"]


def test_a_paused_queue_begins_nothing(queue: JobQueue, generator: Scripted) -> None:
    first = running(ask(queue, "a"))
    queue.pause()
    second = ask(queue, "b")
    generator.go.set()
    finished(first)
    assert second.wait(0, 0.1).version == 0
    assert queue.paused()
    queue.resume()
    assert finished(second).error is None
    assert not queue.paused()


def test_the_last_generation_is_repeated_until_one_is_cancelled(queue: JobQueue, generator: Scripted) -> None:
    queue.repeat(True)
    running(ask(queue, "a"))
    ask(queue, "b")
    generator.go.set()
    wait_until_started(generator, 6)
    assert generator.started[:2] == ["a", "b"]
    assert set(generator.started[2:]) == {"b"}
    assert queue.repeating
    generator.go.clear()
    current = queue.current()
    while current is None or current.snapshot.ended or current.snapshot.phase is Phase.WAITING:
        time.sleep(0.01)
        current = queue.current()
    queue.cancel(current)
    finished(current)
    assert not queue.repeating
    count = len(generator.started)
    queue.order(Unload())[1].result(SECONDS)
    assert len(generator.started) == count


def test_downloads_run_beside_generations(generator: Scripted) -> None:
    def download(links: str, listener: Listener, _cancel: CancelToken) -> list[str]:
        listener(BytesReceived("a", 1, 2, 0.5))
        listener(FileMade(Path("a.safetensors")))
        return [f"bien: {links}"]

    queue = queue_of(generator, download=download)
    slow = running(ask(queue, "a"))
    beside = queue.submit(Download("https://a"), Origin.API)
    done = finished(beside)
    assert (done.notes, done.files, done.transfers) == (("bien: https://a",), (Path("a.safetensors"),), ())
    assert done.by is Origin.API
    assert not slow.snapshot.ended
    assert queue.current() is slow
    assert queue.current(Place.HERE) is beside
    assert queue.jobs() == (slow, beside)
    queue.close()


def test_emptying_the_queue_leaves_the_one_that_runs(queue: JobQueue, generator: Scripted) -> None:
    running, *waiting = [queue.submit(Generate(GenerationRequest(prompt=prompt))) for prompt in "abc"]
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
    dead = queue_of(killed, journal=JobJournal(path, TASKS))
    asked = [
        GenerationRequest(prompt="gato ñ", seed=5),
        GenerationRequest(prompt="perro", steps=7, width=64, height=64),
    ]
    for request in (GenerationRequest(prompt="enorme"), *asked):
        dead.submit(Generate(request))
    wait_until_started(killed, 1)
    saved = path.read_bytes()

    path.write_bytes(saved)
    generator = Scripted()
    generator.go.set()
    queue = queue_of(generator, journal=JobJournal(path, TASKS))
    jobs = queue.jobs()
    assert [job.id for job in jobs] == [1, 2, 3]
    assert isinstance(jobs[0].snapshot.error, JobLost)
    assert [end_of(job).error for job in jobs[1:]] == [None, None]
    assert [job.snapshot.request for job in jobs[1:]] == asked
    assert generator.started == ["gato ñ", "perro"]
    assert queue.submit(Generate(GenerationRequest(prompt="otro"))).id == 4
    queue.close()
    killed.go.set()
    dead.close()
    assert not path.exists()


def test_every_kind_of_work_outlives_its_process(tmp_path: Path) -> None:
    """Downloads that had begun go on; pictures travel whole; the order is that of the queue."""
    journal = JobJournal(tmp_path / "cola.json", TASKS)
    picture = Image.linear_gradient("L").convert("RGB")
    tasks: list[Task] = [
        Download("https://a"),
        Enlarge((picture,), Enlargement(scale=3.0), ("un gato",)),
        Generate(GenerationRequest(prompt="perro", init=InitImage((picture,)))),
    ]
    entries = [
        JournalEntry(number, task, Origin.API, begun=number == 1, written=journal.written(task))
        for number, task in enumerate(tasks, 1)
    ]
    journal.write(entries)
    assert [(one.number, one.task, one.by, one.begun) for one in journal.read()] == [
        (one.number, one.task, one.by, one.begun) for one in entries
    ]
    generator = Scripted()
    generator.go.set()
    queue = queue_of(
        generator,
        journal=journal,
        upscaling=Doubling(),
        folders=Folders(tmp_path),
        download=lambda links, listener, cancel: [links],
    )
    assert [finished(job).error for job in queue.jobs()] == [None, None, None]
    queue.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b'[{"number": "x"}]', b"\xff", b'[{"number": 1, "request": 3}]', b"[" * 200_000, bytes(50)],
)
def test_a_damaged_journal_is_an_empty_queue(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cola.json"
    path.write_bytes(content)
    queue = queue_of(Scripted(), journal=JobJournal(path, TASKS))
    assert queue.jobs() == ()
    assert (tmp_path / "cola.dañada.json").read_bytes() == content
    assert isinstance(queue.take_trouble(), QueueUnreadable)
    assert queue.take_trouble() is None
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


def test_a_job_says_what_each_phase_took() -> None:
    job = Job(1, Generate(GenerationRequest()))
    for event in (PhaseStarted(Phase.WAITING), PhaseStarted(Phase.SAMPLING), PhaseStarted(Phase.SAVING)):
        job.notify(event)
    assert job.seconds == {}
    job.notify(Ended())
    assert list(job.seconds) == [Phase.SAMPLING, Phase.SAVING]
    assert all(spent >= 0 for spent in job.seconds.values())


# --- What comes next --------------------------------------------------------------------------------------------------


def with_checkpoint(queue: JobQueue, name: str) -> Job:
    return queue.submit(Generate(GenerationRequest(prompt=name, checkpoint=name)))


def test_the_next_checkpoint_is_told_while_another_is_at_work(generator: Scripted) -> None:
    told: list[str] = []
    queue = queue_of(generator, soon=told.append)
    first = with_checkpoint(queue, "uno")
    first.wait(first.snapshot.version, SECONDS)
    with_checkpoint(queue, "uno")
    assert told == []
    queue.move(with_checkpoint(queue, "dos"), -1)
    assert told == ["dos"]
    queue.move(with_checkpoint(queue, "tres"), -2)
    assert told == ["dos", "tres"]
    generator.go.set()
    finished(queue.jobs()[1])
    queue.close()
    assert generator.started == ["uno", "tres", "dos", "uno"]
    assert told == ["dos", "tres", "dos", "uno"]
