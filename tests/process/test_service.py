"""The engine in a child process: real processes, with an engine that paints flat pictures."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import Cancelled, EngineGaveUp, EngineKilled, OutOfMemory, SdcolabError, Unexpected
from sdcolab.core.events import CancelToken, Event, ImageReady, ImageSaved, Phase, PhaseStarted, StepDone, ignore_events
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint
from sdcolab.core.tasks import Generate, Place, Preload, Unload
from sdcolab.process.supervisor import ChildSpec, RestartPolicy
from sdcolab.process.worker import ProcessWorker
from sdcolab.studio.jobs import JobQueue
from sdcolab.wiring.tasks import TASKS

OPEN_FILES = Path("/proc/self/fd")
PAINTER = Path(__file__).parents[1] / "support" / "engine_service.py"


@dataclass
class Studio:
    engine: ProcessWorker
    folder: Path
    troubles: list[SdcolabError] = field(default_factory=list)

    def lives(self) -> int:
        return len((self.folder / "vidas.txt").read_text().split())

    def preloads(self) -> int:
        return len((self.folder / "precargas.txt").read_text().split())


@pytest.fixture
def open_studio(tmp_path: Path, child_environ: dict[str, str]) -> Iterator[Callable[..., Studio]]:
    made: list[Studio] = []

    def start(command: tuple[str, ...] | None = None, restart: RestartPolicy | None = None) -> Studio:
        spec = ChildSpec(
            name="motor",
            command=command or (sys.executable, str(PAINTER), str(tmp_path / "motor")),
            log=tmp_path / "motor.log",
            folder=tmp_path / "motor",
            environ=child_environ,
            restart=restart or RestartPolicy((0.1,), 20.0, 4),
            death_signal=signal.SIGKILL,
        )
        troubles: list[SdcolabError] = []
        engine = ProcessWorker(spec, TASKS, on_trouble=troubles.append, first=Preload())
        studio = Studio(engine, tmp_path / "motor", troubles)
        studio.engine.start()
        made.append(studio)
        return studio

    yield start
    for studio in made:
        studio.engine.stop(1)


def test_a_generation_like_any_engines(open_studio: Callable[..., Studio], tmp_path: Path) -> None:
    studio = open_studio()
    events: list[Event] = []
    request = GenerationRequest(prompt="un gató", steps=3, width=64, height=64, batch_count=2, seed=2**63)
    result = studio.engine.run(Generate(request), events.append, CancelToken())
    assert events[0] == PhaseStarted(Phase.LOADING_MODEL)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[0].preview
    saved = [event for event in events if isinstance(event, ImageSaved)]
    assert [one.seed for one in saved] == [2**63, 2**63 + 1]
    assert saved[0].infotext.startswith("un gató\n")
    assert result.request.checkpoint == "pintor"
    assert [Image.open(one.path).size for one in saved] == [(64, 64)] * 2
    assert "algo que imprime una biblioteca" in (tmp_path / "motor.log").read_text()
    assert studio.preloads() == 1


def test_saved_pictures_are_not_held_open(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    request = GenerationRequest(steps=1, width=64, height=64)
    studio.engine.run(Generate(request), ignore_events, CancelToken())
    before = len([*OPEN_FILES.iterdir()])
    many = replace(request, batch_count=50)
    result = studio.engine.run(Generate(many), ignore_events, CancelToken())
    assert result
    assert len([*OPEN_FILES.iterdir()]) < before + 10


def test_errors_arrive_as_they_are(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    with pytest.raises(OutOfMemory):
        studio.engine.run(Generate(GenerationRequest(prompt="falla")), ignore_events, CancelToken())
    with pytest.raises(Unexpected) as caught:
        studio.engine.run(Generate(GenerationRequest(prompt="error")), ignore_events, CancelToken())
    assert caught.value.kind == "ZeroDivisionError"
    assert studio.lives() == 1


def test_cancelling_stops_within_a_step(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    cancel = CancelToken()

    def stop_at_third(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            cancel.cancel()

    started = time.monotonic()
    with pytest.raises(Cancelled):
        studio.engine.run(Generate(GenerationRequest(prompt="lento", width=64, height=64)), stop_at_third, cancel)
    assert time.monotonic() - started < 8


def test_killed_with_its_queue_intact(open_studio: Callable[..., Studio]) -> None:
    """The one that ran fails with the reason; the ones that waited are made by the next process, within 10 s."""
    studio = open_studio()
    jobs = JobQueue(TASKS, {Place.ENGINE: (studio.engine,)})
    try:
        killed = jobs.submit(Generate(GenerationRequest(prompt="muere")))
        after = [jobs.submit(Generate(GenerationRequest(prompt=f"gato {n}", width=64, height=64))) for n in range(2)]
        started = time.monotonic()
        while not after[-1].snapshot.ended:
            assert time.monotonic() - started < 30
            time.sleep(0.05)
        print(f"cola terminada {time.monotonic() - started:.1f} s después de pedirla")
        assert isinstance(killed.snapshot.error, EngineKilled)
        assert [len(job.snapshot.images) for job in after] == [1, 1]
        assert not studio.troubles  # the generation itself told
        assert studio.lives() == 2
        assert studio.preloads() == 1
    finally:
        jobs.close(1)


def test_killed_while_idle(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    studio.engine.run(Generate(GenerationRequest(width=64, height=64)), ignore_events, CancelToken())
    first = studio.engine.pid
    assert first
    os.kill(first, signal.SIGKILL)
    assert studio.engine.run(Generate(GenerationRequest(width=64, height=64)), ignore_events, CancelToken())
    assert studio.engine.pid != first


def test_giving_up_and_trying_again(open_studio: Callable[..., Studio], tmp_path: Path) -> None:
    script = tmp_path / "roto.py"
    script.write_text("import sys; sys.exit('ModuleNotFoundError: torch')")
    studio = open_studio((sys.executable, str(script), str(tmp_path / "motor")), RestartPolicy((0.1,), 20.0, 2))
    with pytest.raises(EngineGaveUp) as caught:
        studio.engine.run(Generate(GenerationRequest()), ignore_events, CancelToken())
    assert caught.value.times == 2
    script.write_text(f"import runpy; runpy.run_path({str(PAINTER)!r}, run_name='__main__')")
    assert studio.engine.run(Generate(GenerationRequest(width=64, height=64)), ignore_events, CancelToken())


def test_cancelling_while_it_cannot_start(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio((sys.executable, "-c", "import time; time.sleep(600)"))
    cancel = CancelToken()
    threading.Timer(0.5, cancel.cancel).start()
    with pytest.raises(Cancelled):
        studio.engine.run(Generate(GenerationRequest()), ignore_events, cancel)


def test_stopping_ends_what_runs(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    jobs = JobQueue(TASKS, {Place.ENGINE: (studio.engine,)})
    job = jobs.submit(Generate(GenerationRequest(prompt="lento", width=64, height=64)))
    deadline = time.monotonic() + 30
    while not job.snapshot.step and time.monotonic() < deadline:
        time.sleep(0.05)
    studio.engine.stop(1)
    jobs.close(5)
    assert isinstance(job.snapshot.error, Cancelled)


def test_work_that_comes_after_the_end_is_over_at_once(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    studio.engine.run(Generate(GenerationRequest(width=64, height=64)), ignore_events, CancelToken())
    studio.engine.stop(1)

    def work() -> None:
        with pytest.raises(Cancelled):
            studio.engine.run(Preload(), ignore_events, CancelToken())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_pictures_travel_as_they_are(open_studio: Callable[..., Studio]) -> None:
    """Those to start from, those that are not saved, and the previews: without PNG, JPEG or base64 on the way."""
    studio = open_studio()
    source = Image.linear_gradient("L")
    request = GenerationRequest(
        prompt="gato", steps=2, width=256, height=256, init=InitImage((source.convert("RGB"),), inpaint=Inpaint(source))
    )
    heard: list[Event] = []
    result = studio.engine.run(Generate(request, save=False), heard.append, CancelToken())
    assert result
    assert result.request.init == request.init
    (ready,) = [event for event in heard if isinstance(event, ImageReady)]
    assert ready.image == Image.new("RGB", (256, 256), "green")
    assert result.images[0].image is ready.image


def test_other_work_and_skipping(open_studio: Callable[..., Studio], tmp_path: Path) -> None:
    studio = open_studio()
    cancel = CancelToken()
    steps: list[int] = []

    def skip_at_second(event: Event) -> None:
        if isinstance(event, StepDone):
            steps.append(event.step)
            if event.step == 2:
                cancel.skip()

    slow = GenerationRequest(prompt="lento", width=64, height=64)
    assert studio.engine.run(Generate(slow), skip_at_second, cancel)
    assert len(steps) < 50
    assert studio.engine.run(Unload(), ignore_events, CancelToken()) is None


def test_questions_are_answered_while_it_works(open_studio: Callable[..., Studio]) -> None:
    studio = open_studio()
    asked: list[object] = []

    def ask(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            asked.append(studio.engine.ask("card"))

    studio.engine.run(Generate(GenerationRequest(prompt="gato", width=64, height=64)), ask, CancelToken())
    assert asked == [{"cuánta": 7}]
    assert studio.engine.ask("nadie", 0.1) is None
