"""While something is waited for, the cell says so: no silence longer than five seconds, whatever hangs."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from colab.test_session import Cell

from sdcolab.colab import host, prepare
from sdcolab.colab.drive_sync import DriveNews, DriveSync, Rhythm
from sdcolab.colab.host import ColabHost
from sdcolab.colab.notebook import StartOptions
from sdcolab.colab.prepare import Preparation, flush_and_tell
from sdcolab.colab.waiting import muted, telling
from sdcolab.core.errors import DriveFull, DriveNoAnswer
from sdcolab.core.events import CancelToken
from sdcolab.core.folders import Folders
from sdcolab.core.words import explain
from sdcolab.process.supervisor import Roster

LONGEST_SILENCE = 5.0


@dataclass
class Transcript:
    """What a cell says, and when."""

    started: float = field(default_factory=time.monotonic)
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append((time.monotonic() - self.started, line))

    @property
    def text(self) -> str:
        return "\n".join(f"{when:5.1f} {line}" for when, line in self.lines)

    def longest_silence(self) -> float:
        moments = [0.0, *(when for when, _ in self.lines), time.monotonic() - self.started]
        return max(after - before for before, after in itertools.pairwise(moments))


@pytest.fixture
def hung_drive(tmp_path: Path) -> Iterator[Path]:
    """A Drive that is there and whose files never answer: reading a pipe that nobody writes waits as DriveFS does."""
    config = tmp_path / "nube" / "sdcolab" / "config"
    config.mkdir(parents=True)
    os.mkfifo(config / "configuracion.json")
    yield tmp_path / "nube"
    with contextlib.suppress(OSError):  # whoever still reads is let go
        os.close(os.open(config / "configuracion.json", os.O_WRONLY | os.O_NONBLOCK))


def test_a_drive_that_hangs_is_told_and_left_aside(
    tmp_path: Path, hung_drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "PREPARE_SECONDS", 9.0)
    cell, said = Cell(tmp_path), Transcript()
    cell.host.drive = hung_drive

    def slow_mount() -> Path:
        time.sleep(6)  # nobody has looked at the permission dialog yet
        return hung_drive

    monkeypatch.setattr(cell.host, "mount_drive", slow_mount)
    with_all = cell.collaborators(lambda tokens: cell.download)
    object.__setattr__(with_all, "say", said)
    options = StartOptions(images_to_drive=True, settings_to_drive=True)
    news: queue.SimpleQueue[DriveNews] = queue.SimpleQueue()
    preparation = Preparation(options, with_all, Roster(tmp_path / "sesion"), news.put, CancelToken())
    preparation.run()
    preparation.stop()
    assert "acepta la ventana de permisos" in said.text
    assert "Google Drive va lento" in said.text
    assert said.longest_silence() < LONGEST_SILENCE, said.text


def full(source: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_drive_is_told_at_once_when_closing(tmp_path: Path) -> None:
    folders, said = Folders(tmp_path / "sdcolab"), Transcript()
    (tmp_path / "nube").mkdir()
    folders.outputs.mkdir(parents=True)
    (folders.outputs / "00000-1.png").write_bytes(b"imagen")
    sync = DriveSync(folders, tmp_path / "nube", images=True, settings=False, listener=lambda news: None, copy=full)
    sync.start()
    assert flush_and_tell(sync, folders, said, 600.0) == 1
    sync.stop()
    assert said.lines[-1][0] < LONGEST_SILENCE
    assert str(explain(DriveFull(pending=1))) in said.text


def test_a_drive_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    folders, said = Folders(tmp_path / "sdcolab"), Transcript()
    (tmp_path / "nube").mkdir()
    folders.outputs.mkdir(parents=True)
    (folders.outputs / "00000-1.png").write_bytes(b"imagen")

    def hang(source: Path, target: Path) -> None:
        time.sleep(60)

    rhythm = Rhythm(patience=6.0)
    sync = DriveSync(
        folders, tmp_path / "nube", images=True, settings=False, listener=lambda news: None, copy=hang, rhythm=rhythm
    )
    sync.start()
    assert flush_and_tell(sync, folders, said, 600.0) == 1
    sync.stop()
    assert said.lines[-1][0] < 9
    assert said.longest_silence() < LONGEST_SILENCE, said.text


def test_a_refused_drive_says_what_it_costs(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.when("Running on public URL")
    text = cell.run(StartOptions(images_to_drive=True))
    assert "Las imágenes se quedan aquí y se borran al cerrar la sesión" in text


def test_a_mount_that_hangs_is_not_looked_at_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "HUNG_SECONDS", 0.3)
    monkeypatch.setattr("os.path.ismount", lambda path: time.sleep(30))
    with pytest.raises(DriveNoAnswer):
        ColabHost(tmp_path).mount_drive()


def test_only_the_thread_that_is_muted_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    with telling(print, "espero"), muted():
        print("in English")
        time.sleep(4.5)
    assert "English" not in shown.getvalue()
    assert "espero (4 s)" in shown.getvalue()
