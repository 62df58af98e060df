"""What a page is told of the queue and of the downloads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.queues import downloads_of
from web_fakes import Bench, FakeDownload, make_bench

from sdcolab.colab.panel_jobs import state_line
from sdcolab.core.errors import (
    Cancelled,
    CannotWrite,
    CellFailed,
    DepthFileMissing,
    ModelFamilyUnsupported,
    ModelUnreadable,
)
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Ended,
    FileMade,
    Listener,
    PauseChanged,
    Phase,
    PhaseStarted,
    StepDone,
    StepLearnt,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import Grid, XyzPlot
from sdcolab.core.tasks import Generate, Place, Task, TaskRow, TaskTable
from sdcolab.core.thumbnails import ThumbnailFolder
from sdcolab.core.words.queue import HELD
from sdcolab.studio import ledger
from sdcolab.studio.desk import DeskSnapshot, DownloadDesk
from sdcolab.studio.job import JobSnapshot, after
from sdcolab.studio.jobs import JobQueue
from sdcolab.web import fragments
from sdcolab.web.bridge import JobView, Pace, Watch, problems_of, progress_of, seconds_left, see_desk, see_job
from sdcolab.web.edge import attempt
from sdcolab.web.results import shown_images

SNAPSHOT = JobSnapshot(id=1, task=Generate(GenerationRequest()))


def clock() -> float:
    return 100.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def ended(bench: Bench) -> None:
    for job in bench.studio.jobs.jobs():
        while not job.snapshot.ended:
            job.wait(job.snapshot.version, 5)


def test_nothing_to_say_before_the_first_job(bench: Bench) -> None:
    assert see_job(Watch(), bench.studio.jobs, clock) == (Watch(), None)


def test_a_job_that_waits_for_a_paused_queue_says_where_it_is_let_go(bench: Bench) -> None:
    jobs = bench.studio.jobs
    jobs.pause()
    jobs.submit(Generate(GenerationRequest(prompt="gato", steps=2)))
    watch, view = see_job(Watch(), jobs, clock)
    assert view is not None
    assert HELD in view.progress
    assert see_job(watch, jobs, clock) == (watch, None)
    jobs.resume()
    ended(bench)
    _, view = see_job(watch, jobs, clock)
    assert view is not None
    assert HELD not in view.progress


def test_a_new_page_is_told_everything_of_a_job_that_ended(bench: Bench) -> None:
    bench.studio.jobs.submit(Generate(GenerationRequest(prompt="gato", steps=2, batch_size=2)))
    ended(bench)
    watch, view = see_job(Watch(), bench.studio.jobs, clock)
    assert view is not None
    assert view.pictures is not None
    assert [image.index for image in view.pictures] == [0, 1]
    assert (view.running, view.preview, view.problems) == (False, "", "")
    assert "2 imágenes guardadas" in view.progress
    assert see_job(watch, bench.studio.jobs, clock) == (watch, None)


def test_a_picture_is_shown_though_another_was_forgotten_for_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_REMEMBERED", 1)
    watch = Watch()
    for prompt in ("uno", "dos", "tres"):
        bench.studio.jobs.submit(Generate(GenerationRequest(prompt=prompt, steps=2)))
        ended(bench)
        watch, view = see_job(watch, bench.studio.jobs, clock)
        assert view is not None
        assert view.pictures is not None
        assert [image.infotext.partition("\n")[0] for image in view.pictures] == [prompt]


def test_a_sheet_that_is_drawn_again_under_its_name_is_shown_anew(bench: Bench, tmp_path: Path) -> None:
    job = bench.studio.jobs.submit(Generate(GenerationRequest(steps=2)))
    ended(bench)
    thumbnails = ThumbnailFolder(tmp_path / "miniaturas")
    (before,) = shown_images([job], thumbnails.file)
    path = job.snapshot.images[0].path
    Image.new("RGB", (64, 64), "red").save(path)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    (now,) = shown_images([job], thumbnails.file)
    assert before["name"] == now["name"]
    assert before["url"] != now["url"]
    assert before["thumb"] != now["thumb"]


def test_a_page_follows_a_held_job_and_then_the_next(bench: Bench) -> None:
    bench.hold(2)
    first = bench.studio.jobs.submit(Generate(GenerationRequest(prompt="uno", steps=3)))
    bench.studio.jobs.submit(Generate(GenerationRequest(prompt="dos", steps=3)))
    while first.snapshot.step < 1:
        first.wait(first.snapshot.version, 5)
    watch, view = see_job(Watch(), bench.studio.jobs, clock)
    assert view is not None
    assert view.running
    assert "paso 1 de 3" in view.progress
    assert "1 trabajo más en espera" in view.progress
    assert view.preview is not None
    assert "data:image/webp" in view.preview
    bench.let_go()
    ended(bench)
    watch, view = see_job(watch, bench.studio.jobs, clock)
    assert watch.job == 2
    assert view is not None
    assert view.pictures is not None
    assert view.pictures[-1].infotext.startswith("dos")


def test_another_program_s_job_is_seen_while_it_runs_and_then_gone(bench: Bench) -> None:
    bench.hold(2)
    job, outcome = bench.studio.jobs.order(Generate(GenerationRequest(prompt="api", steps=3), save=False), keep=False)
    while job.snapshot.step < 1:
        job.wait(job.snapshot.version, 5)
    watch, view = see_job(Watch(), bench.studio.jobs, clock)
    assert view is not None
    assert view.running
    bench.let_go()
    outcome.result(5)
    watch, view = see_job(watch, bench.studio.jobs, clock)
    assert view == JobView(False, 0, "", "", "", "", "", ())
    assert see_job(watch, bench.studio.jobs, clock) == (watch, None)


def test_the_gallery_and_the_preview_are_sent_only_when_they_change(bench: Bench) -> None:
    bench.hold(2)
    job = bench.studio.jobs.submit(Generate(GenerationRequest(steps=3)))
    while job.snapshot.step < 1:
        job.wait(job.snapshot.version, 5)
    watch, _ = see_job(Watch(), bench.studio.jobs, clock)
    job.notify(PhaseStarted(Phase.DECODING))
    _, view = see_job(watch, bench.studio.jobs, clock)
    bench.finish_jobs()
    assert view is not None
    assert (view.pictures, view.preview) == (None, None)
    assert "Convirtiendo a imagen (VAE)…" in view.progress


def test_progress_says_the_phase_and_what_it_works_on() -> None:
    loading = after(SNAPSHOT, PhaseStarted(Phase.LOADING_MODEL, "demo.safetensors"))
    said = progress_of(loading, 0, None)
    assert "Cargando modelo… demo.safetensors" in said
    assert "aria-valuenow" not in said
    sampling = after(after(loading, PhaseStarted(Phase.SAMPLING)), StepDone(5, 20, 0, 1))
    said = progress_of(sampling, 2, 95)
    assert 'aria-valuenow="25"' in said
    assert "paso 5 de 20 · quedan 1 min 35 s · 2 trabajos más en espera" in said
    assert "En espera<" in progress_of(SNAPSHOT, 0, None)


def test_a_script_that_made_nothing_is_not_told_as_done() -> None:
    ended = JobSnapshot(1, Grid(GenerationRequest(), XyzPlot()), ended=True)
    told = replace(ended, warnings=(CellFailed(cell="Seed: 1", detail="x"),))
    assert "No salió ninguna imagen" in progress_of(told, 0, None)
    assert "No salió ninguna imagen" in state_line(told, 0)
    assert "Listo" in progress_of(ended, 0, None)


class Trains:
    """Learns a step, waits until it is let go, and makes a file."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def run(self, _task: Task, listener: Listener, _cancel: CancelToken) -> None:
        for event in (PhaseStarted(Phase.TRAINING), StepLearnt(1, 4, 0.25, 1e-3), StepDone(1, 4, 1, 1)):
            listener(event)
        listener(PauseChanged(True))
        self.go.wait(10)
        listener(FileMade(Path("a.safetensors")))


def test_a_training_shows_its_curve_can_wait_and_its_files_are_looked_for() -> None:
    table, trains = TaskTable([TaskRow(Generate, Place.ENGINE, lambda *_asked: None, pauses=True)]), Trains()
    jobs = JobQueue(table, {Place.ENGINE: [trains], Place.HERE: []})
    try:
        job = jobs.submit(Generate(GenerationRequest()))
        while not job.snapshot.paused:
            job.wait(job.snapshot.version, 5)
        watch, view = see_job(Watch(), jobs, clock)
        assert view is not None
        assert (view.pauses, view.paused, view.refresh) == (True, True, False)
        assert "En pausa" in view.progress
        assert "paso 1 de 4" in view.progress
        assert 'aria-label="Pérdida 0.2500' in view.report
        trains.go.set()
        while not job.snapshot.ended:
            job.wait(job.snapshot.version, 5)
        _, view = see_job(watch, jobs, clock)
        assert view is not None
        assert (view.pauses, view.paused, view.refresh) == (False, False, True)
        _, view = see_job(Watch(), jobs, clock)
        assert view is not None
        assert not view.refresh  # a page that opens has looked already
    finally:
        trains.go.set()
        jobs.close(10)


def test_time_left_follows_the_pace() -> None:
    at_five = after(SNAPSHOT, StepDone(5, 20, 0, 1))
    assert seconds_left(None, at_five, 10) is None
    assert seconds_left(Pace(10, 5), at_five, 10) is None
    assert seconds_left(Pace(10, 5), after(at_five, StepDone(10, 20, 0, 1)), 15) == 10


def test_errors_warnings_and_cancelling_look_different(tmp_path: Path) -> None:
    snapshot = after(SNAPSHOT, Warned(CannotWrite(path=tmp_path / "a.png", reason="sin permiso")))
    failed = problems_of(after(snapshot, StepDone(1, 2, 0, 1)))
    assert "sd-warning" in failed
    assert "Comprueba que la carpeta existe" in failed
    broken = problems_of(after(snapshot, Ended(ModelUnreadable(path=Path("/x/roto.safetensors"), reason="truncated"))))
    assert "sd-error" in broken
    assert "roto.safetensors" in broken
    calm = problems_of(after(SNAPSHOT, Ended(Cancelled())))
    assert "sd-calm" in calm
    assert "sd-error" not in calm


def test_what_users_wrote_cannot_become_html() -> None:
    evil = "<img src=x onerror=alert(1)>"
    pieces = (
        fragments.message(evil, fragments.Tone.ERROR, evil),
        fragments.progress_bar(evil, evil, 0.5, evil + '"'),
        fragments.report([evil]),
        fragments.note(evil),
    )
    for piece in pieces:
        assert "<img" not in piece


def test_a_file_that_is_missing_is_one_tap_away(tmp_path: Path) -> None:
    missing = DepthFileMissing(tmp_path / "d.safetensors", "dpt_hybrid-midas-501f0c75.pt", tmp_path, "https://x", 9)
    assert 'class="sd-get" data-name="dpt_hybrid-midas-501f0c75.pt"' in fragments.problem(missing)


def test_previews_are_small() -> None:
    noise = Image.effect_noise((1024, 768), 100).convert("RGB")
    assert len(fragments.preview_address(noise)) < 60_000


def test_a_bug_is_explained_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    result, said = attempt(lambda: 1 // 0, -1)
    assert result == -1
    assert "ZeroDivisionError" in said
    assert "Traceback" in caplog.text


# --- The download desk --------------------------------------------------------------------------------------------


def settle(desk: DownloadDesk) -> DeskSnapshot:
    waiter = threading.Event()
    while desk.snapshot.running:
        waiter.wait(0.01)
    return desk.snapshot


def begun(desk: DownloadDesk) -> None:
    waiter = threading.Event()
    while not desk.snapshot.transfers or not desk.snapshot.transfers[0].received:
        waiter.wait(0.01)


def test_links_are_downloaded_and_reported_in_order(tmp_path: Path) -> None:
    desk = DownloadDesk(downloads_of(FakeDownload(Folders(tmp_path))))
    desk.start("https://a/uno.safetensors, https://a/falla\nhttps://a/dos.safetensors")
    done = settle(desk)
    assert [line.split(":")[0] for line in done.reports] == ["uno.safetensors", "falla", "dos.safetensors"]
    assert (done.finished, done.transfers, done.problems) == (1, (), ())


def test_pages_see_transfers_and_are_told_to_refresh_at_the_end(tmp_path: Path) -> None:
    download = FakeDownload(Folders(tmp_path), hold=True)
    desk = DownloadDesk(downloads_of(download))
    watch, view = see_desk(Watch(), desk.snapshot)
    assert view is not None
    assert not view.refresh
    desk.start("https://a/uno.safetensors")
    begun(desk)
    watch, view = see_desk(watch, desk.snapshot)
    assert view is not None
    assert view.running
    assert "870 MB de 2,0 GB · 25 MB/s · quedan 45 s" in view.progress
    assert see_desk(watch, desk.snapshot) == (watch, None)
    download.release.set()
    settle(desk)
    watch, view = see_desk(watch, desk.snapshot)
    assert view is not None
    assert view.refresh
    assert "guardado en models/Stable-diffusion" in view.report
    assert see_desk(Watch(), desk.snapshot)[1] is not None


def test_a_warning_of_a_download_is_no_error_and_ends_in_its_line(tmp_path: Path) -> None:
    release = threading.Event()

    def download(links: str, listener: Listener, cancel: CancelToken) -> Sequence[str]:
        listener(Warned(ModelFamilyUnsupported(path=Path("x.safetensors"), family="Wan")))
        listener(BytesReceived("x", 1, None, 0.0))
        release.wait(10)
        return [f"{links}: es para modelos Wan"]

    desk = DownloadDesk(downloads_of(download))
    desk.start("x")
    begun(desk)
    view = see_desk(Watch(), desk.snapshot)[1]
    assert view is not None
    assert "sd-warning" in view.report
    assert "sd-error" not in view.report
    release.set()
    settle(desk)
    view = see_desk(Watch(), desk.snapshot)[1]
    assert view is not None
    assert view.report.count("es para modelos Wan") == 1


def test_links_added_while_it_works_wait_for_their_turn(tmp_path: Path) -> None:
    download = FakeDownload(Folders(tmp_path), hold=True)
    desk = DownloadDesk(downloads_of(download))
    desk.start("https://a/uno.safetensors")
    desk.start("https://a/dos.safetensors")
    download.release.set()
    done = settle(desk)
    assert (len(done.reports), done.finished) == (2, 2)
    desk.start("https://a/tres.safetensors")
    assert len(settle(desk).reports) == 1


def test_cancelling_stops_the_running_one_and_forgets_the_rest(tmp_path: Path) -> None:
    desk = DownloadDesk(downloads_of(FakeDownload(Folders(tmp_path), hold=True)))
    desk.start("https://a/uno.safetensors")
    desk.start("https://a/dos.safetensors")
    begun(desk)
    desk.cancel()
    done = settle(desk)
    assert done.reports == ()
    assert [type(error) for error in done.problems] == [Cancelled]


def test_a_bug_in_downloading_is_shown_and_the_desk_lives(tmp_path: Path) -> None:
    def download(links: str, listener: Listener, cancel: CancelToken) -> Sequence[str]:
        listener(BytesReceived("a", 1, None, 0.0))
        if links == "malo":
            raise KeyError("bug")
        return ["bien"]

    desk = DownloadDesk(downloads_of(download))
    desk.start("malo")
    assert [error.code for error in settle(desk).problems] == ["unexpected"]
    desk.start("bueno")
    assert settle(desk).reports == ("bien",)
