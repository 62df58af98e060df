"""The list of jobs that both faces show, and how it steers the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.queues import queue_of

from sdcolab.core.errors import StrangeQuestion, UnknownName
from sdcolab.core.events import CancelToken, Listener, PauseChanged, Phase, PhaseStarted, StepDone
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.rooms import ask
from sdcolab.core.tasks import Generate, Origin, Place, Task, TaskRow, TaskTable
from sdcolab.studio.job import Job, JobSnapshot
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.queue_room import MOST_PROMPT, QueueRoom

SECONDS = 10.0


class Held:
    """Waits at step 3 of 10 until ``go``; a prompt "mal" fails."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.made: list[str] = []

    def generate(
        self, request: GenerationRequest, listener: Listener, cancel: CancelToken, *, save: bool = True
    ) -> GenerationResult:
        self.made.append(request.prompt)
        listener(PhaseStarted(Phase.SAMPLING))
        listener(StepDone(3, 10, 1, 1))
        while not self.go.wait(0.005):
            cancel.raise_if_cancelled()
        if request.prompt == "mal":
            raise UnknownName(kind="sampler", name="x")
        return GenerationResult(request, ())


def test_news_are_told_though_jobs_were_forgotten() -> None:
    def news(*known: tuple[int, int]) -> object:
        jobs = [Job(number, Generate(GenerationRequest())) for number, _ in known]
        for job, (_, version) in zip(jobs, known, strict=True):
            for _ in range(version):
                job.notify(StepDone(1, 2, 1, 1))
        seen: Any = SimpleNamespace(jobs=lambda: jobs)
        return ask({"cola": QueueRoom(seen)}, "cola", "news", {})["number"]

    assert news((1, 7), (2, 3)) == news((1, 7), (2, 3))
    assert news((1, 7), (2, 3)) != news((2, 3), (3, 5))


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def jobs(held: Held) -> Iterator[JobQueue]:
    queue = queue_of(held)
    yield queue
    held.go.set()
    queue.close(SECONDS)


def look(jobs: JobQueue, question: str = "look", **said: Any) -> dict[str, Any]:
    told: dict[str, Any] = ask({"cola": QueueRoom(jobs)}, "cola", question, said)
    return told


def until(job: Job, wanted: Callable[[JobSnapshot], bool]) -> None:
    """Wait for news of ``job`` until they are as ``wanted``."""
    end = time.monotonic() + SECONDS
    while not wanted(job.snapshot):
        assert time.monotonic() < end, job.snapshot
        job.wait(job.snapshot.version, 0.05)


def begin(jobs: JobQueue, *prompts: str) -> list[int]:
    """Queue ``prompts`` and wait until the first one is at its third step; the numbers of the jobs."""
    asked = [jobs.submit(Generate(GenerationRequest(prompt=prompt)), Origin.API) for prompt in prompts]
    until(asked[0], lambda snapshot: snapshot.step > 0)
    return [job.id for job in asked]


def test_what_runs_waits_and_is_done_is_told(jobs: JobQueue, held: Held) -> None:
    begin(jobs, "un zorro", "x" * 500, "mal")
    seen = look(jobs)
    (running,) = seen["running"]
    assert (running["name"], running["about"], running["fraction"]) == ("Generar imágenes", "un zorro", 0.3)
    assert running["state"] == "Generando · paso 3 de 10"
    assert running["by"] == "Lo pidió otro programa (API)"
    assert [job["state"] for job in seen["waiting"]] == ["El siguiente", "En espera"]
    assert len(seen["waiting"][0]["about"]) == MOST_PROMPT
    held.go.set()
    until(jobs.jobs()[-1], lambda snapshot: snapshot.ended)
    done = look(jobs)["ended"]
    assert [job["failed"] for job in done] == [True, False, False]
    assert "sampler" in done[0]["state"]
    assert done[1]["state"] == "Terminado"


def test_jobs_are_moved_cancelled_and_dropped(jobs: JobQueue) -> None:
    first, second, third, fourth = begin(jobs, "a", "b", "c", "d")
    assert [job["id"] for job in look(jobs, "move", id=fourth, places=-(10**6))["waiting"]] == [fourth, second, third]
    assert [job["id"] for job in look(jobs, "move", id=fourth, places=1)["waiting"]] == [second, fourth, third]
    seen = look(jobs, "cancel", id=second)
    assert [job["id"] for job in seen["waiting"]] == [fourth, third]
    assert (seen["ended"][0]["id"], seen["ended"][0]["state"]) == (second, "Cancelado")
    assert look(jobs, "cancel", id=999)["running"][0]["id"] == first
    assert look(jobs, "empty")["waiting"] == []


def test_it_is_paused_and_goes_on(jobs: JobQueue, held: Held) -> None:
    assert look(jobs, "pause", on=True)["paused"]
    job = jobs.submit(Generate(GenerationRequest(prompt="luego")))
    assert [one["id"] for one in look(jobs)["waiting"]] == [job.id]
    assert held.made == []
    held.go.set()
    assert not look(jobs, "pause", on=False)["paused"]
    until(job, lambda snapshot: snapshot.ended)
    assert held.made == ["luego"]


def test_the_last_generation_is_repeated_until_somebody_has_enough(jobs: JobQueue, held: Held) -> None:
    begin(jobs, "otra vez")
    assert look(jobs, "repeat", on=True)["repeating"]
    held.go.set()
    until(jobs.jobs()[0], lambda _: len(held.made) > 2)
    assert not look(jobs, "repeat", on=False)["repeating"]
    assert set(held.made) == {"otra vez"}


@pytest.mark.parametrize(
    ("question", "said"),
    [("cancel", {}), ("cancel", {"id": "1"}), ("move", {"id": 1}), ("pause", {"on": 1}), ("repeat", {"on": "sí"})],
)
def test_strange_questions_are_refused(jobs: JobQueue, question: str, said: dict[str, Any]) -> None:
    with pytest.raises(StrangeQuestion):
        look(jobs, question, **said)


def test_work_that_can_wait_is_held_and_goes_on() -> None:
    heard: list[bool] = []

    class Waits:
        def run(self, _task: Task, listener: Listener, cancel: CancelToken) -> None:
            for wanted in (True, False):
                while cancel.held is not wanted:
                    cancel.raise_if_cancelled()
                    time.sleep(0.005)
                heard.append(wanted)
                listener(PauseChanged(wanted))

    table = TaskTable([TaskRow(Generate, Place.ENGINE, lambda *_asked: None, pauses=True)])
    jobs = JobQueue(table, {Place.ENGINE: [Waits()], Place.HERE: []})
    try:
        job = jobs.submit(Generate(GenerationRequest()))
        until(job, lambda _snapshot: job.started is not None)
        told = look(jobs, "hold", id=job.id, on=True)["running"][0]
        assert (told["pauses"], told["held"]) == (True, True)
        until(job, lambda snapshot: snapshot.paused)
        assert look(jobs)["running"][0]["state"].startswith("⏸️ En pausa")
        look(jobs, "hold", id=job.id, on=False)
        until(job, lambda snapshot: snapshot.ended)
        assert heard == [True, False]
        assert not job.snapshot.paused
        look(jobs, "hold", id=999, on=True)  # gone: nothing to hold
    finally:
        jobs.close(SECONDS)
