"""While something is waited for, the cell says so: no silence longer than five seconds, whatever hangs."""

from __future__ import annotations

import functools
import io
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from colab.test_panel import Desk
from colab.test_session import TUNNEL_DOWN, Cell

from sdcolab.colab import drive_sync, host, prepare, waiting
from sdcolab.colab.drive_sync import DriveNews, DriveSync, Rhythm
from sdcolab.colab.host import ColabHost
from sdcolab.colab.notebook import StartOptions
from sdcolab.colab.prepare import Downloaded, Preparation, flush_and_tell, remember_drive
from sdcolab.colab.waiting import muted, telling
from sdcolab.core.errors import DriveFull, DriveNoAnswer, SecretTimeout
from sdcolab.core.events import CancelToken
from sdcolab.core.folders import Folders
from sdcolab.core.words import explain
from sdcolab.core.words.notebook import CLOSE_AGAIN
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
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silences so short that a test need not wait for them."""
    monkeypatch.setattr(waiting, "SILENCE_SECONDS", 0.1)


@pytest.fixture
def hung_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Drive that is there and whose files never answer, not even how large they are, as DriveFS when it hangs."""
    config = tmp_path / "nube" / "sdcolab" / "config"
    config.mkdir(parents=True)
    (config / "configuracion.json").write_text("{}", encoding="utf-8")
    answer = threading.Event()
    monkeypatch.setattr(drive_sync, "_size", lambda _path: int(answer.wait(60)))
    yield tmp_path / "nube"
    answer.set()  # whoever still waits is let go


def test_a_drive_that_hangs_is_told_and_left_aside(
    tmp_path: Path, hung_drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "PREPARE_SECONDS", 5.0)
    cell, said = Cell(tmp_path), Transcript()
    cell.host.drive = hung_drive

    def slow_mount() -> Path:
        time.sleep(5)  # nobody has looked at the permission dialog yet
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


def test_the_closing_cell_tells_a_full_drive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(tmp_path)
    cell.host.drive = tmp_path / "nube"
    cell.host.drive.mkdir()
    cell.folders.outputs.mkdir(parents=True)
    (cell.folders.outputs / "00000-1.png").write_bytes(b"imagen")
    remember_drive(cell.folders, images=True, settings=False)
    monkeypatch.setattr("sdcolab.colab.notebook.DriveSync", functools.partial(DriveSync, copy=full))
    text = cell.close()
    assert text.count(str(explain(DriveFull(pending=1)))) == 1, text
    assert "1 imagen no está todavía en tu Drive" in text
    assert text.splitlines()[-1] == CLOSE_AGAIN


@pytest.mark.usefixtures("impatient")
def test_a_drive_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    folders, said = Folders(tmp_path / "sdcolab"), Transcript()
    (tmp_path / "nube").mkdir()
    folders.outputs.mkdir(parents=True)
    (folders.outputs / "00000-1.png").write_bytes(b"imagen")

    def hang(source: Path, target: Path) -> None:
        time.sleep(60)

    rhythm = Rhythm(patience=1.0)
    sync = DriveSync(
        folders, tmp_path / "nube", images=True, settings=False, listener=lambda news: None, copy=hang, rhythm=rhythm
    )
    sync.start()
    assert flush_and_tell(sync, folders, said, 600.0) == 1
    sync.stop()
    assert said.lines[-1][0] < LONGEST_SILENCE
    assert "   ⏳ Guardando en Google Drive (" in said.text


def slowly(answer: object) -> Callable[..., Any]:
    """Something that answers when it has been waited for."""

    def work(*_said: object) -> object:
        time.sleep(0.4)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return work


@pytest.mark.usefixtures("impatient")
def test_closing_waits_for_drive_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(tmp_path)
    (tmp_path / "nube").mkdir()
    cell.folders.outputs.mkdir(parents=True)
    remember_drive(cell.folders, images=True, settings=False)
    monkeypatch.setattr(cell.host, "mount_drive", slowly(tmp_path / "nube"))
    monkeypatch.setattr(cell.host, "flush_drive", slowly(True))
    text = cell.close()
    assert "   ⏳ Esperando a Google Drive; si ves su ventana de permisos, acéptala (0 s)" in text
    assert "   ⏳ Google Drive sigue subiendo lo que tiene (0 s)" in text


@pytest.mark.usefixtures("impatient")
def test_colab_is_waited_for_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(tmp_path)
    cell.tunnel = TUNNEL_DOWN
    monkeypatch.setattr(cell.host, "gpu", slowly("Tesla T4, 15360 MiB"))
    monkeypatch.setattr(cell.host, "secret", slowly(SecretTimeout(name="HF_TOKEN")))
    monkeypatch.setattr(cell.host, "proxy_url", slowly("https://7860-x.prod.colab.dev/"))
    cell.download = slowly((Downloaded("✅ gato"),))
    cell.when("Mientras tanto")
    text = cell.run(StartOptions(links="https://civitai.com/models/1"))
    for waited in (
        "Mirando todavía",
        "Preguntando a Colab por tus claves",
        "Descargando",
        "Pidiendo a Colab su propio",
    ):
        assert f"   ⏳ {waited}" in text


@pytest.mark.usefixtures("impatient")
def test_what_moves_needs_no_words() -> None:
    said = Transcript()
    with telling(said, "la descarga", time.monotonic):
        time.sleep(0.4)
    assert said.lines == []


@pytest.mark.usefixtures("impatient")
def test_play_again_closes_the_former_panel_aloud(
    tmp_path: Path, child_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, said = Desk(tmp_path, child_environ), Transcript()
    desk.host.drive = tmp_path / "MyDrive"
    desk.host.drive.mkdir()
    desk.options = StartOptions(images_to_drive=True)
    panel = desk.open()
    monkeypatch.setattr(DriveSync, "flush", slowly(1))
    panel.close(said)
    assert "   ⏳ Guardando en Google Drive (0 s)" in said.text
    assert "1 imagen no está todavía en tu Drive" in said.text


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


@pytest.mark.usefixtures("impatient")
def test_only_the_thread_that_is_muted_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    with telling(print, "espero"), muted():
        print("in English")
        time.sleep(0.4)
    assert "English" not in shown.getvalue()
    assert "espero (0 s)" in shown.getvalue()
