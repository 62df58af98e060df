"""Copies to Drive: nothing overwritten, nothing lost, nothing waits."""

from __future__ import annotations

import datetime
import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdcolab.colab.drive_sync import (
    TEMPORARY_SUFFIX,
    DriveNews,
    DriveRecovered,
    DriveSync,
    DriveTrouble,
    Rhythm,
    as_drive_error,
    copy_in_one_piece,
    free_name,
    reserve_numbers,
)
from sdcolab.core.errors import DriveFull, DriveLost
from sdcolab.core.folders import Folders
from sdcolab.core.kept import MAX_KEPT_BYTES
from sdcolab.core.outputs import ImageStore
from sdcolab.core.prompt import Style
from sdcolab.core.settings import SettingsFile

FAST = Rhythm(interval=0.05, retries=(0.05,))
DAY = "2026-11-22"


class Machine:
    """A machine with images, a Drive, and a sync between them that notes what it says."""

    def __init__(self, folder: Path, name: str = "vm") -> None:
        self.folders = Folders(folder / name)
        self.drive = folder / "MyDrive"
        self.drive.mkdir(exist_ok=True)
        self.news: list[DriveNews] = []
        self.sync: DriveSync | None = None

    def start(self, images: bool = True, settings: bool = True, copy: object = copy_in_one_piece) -> DriveSync:
        self.sync = DriveSync(
            self.folders,
            self.drive,
            images=images,
            settings=settings,
            listener=self.news.append,
            copy=copy,  # type: ignore[arg-type]
            rhythm=FAST,
        )
        self.sync.prepare(lambda: datetime.date.fromisoformat(DAY))
        self.sync.start()
        return self.sync

    def image(self, name: str, content: bytes = b"imagen") -> Path:
        path = self.folders.txt2img / DAY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def on_drive(self) -> dict[str, bytes]:
        folder = self.drive / "sdcolab" / "outputs" / "txt2img-images" / DAY
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(name: str = "vm") -> Machine:
        made.append(Machine(tmp_path, name))
        return made[-1]

    yield make
    for machine in made:
        if machine.sync:
            machine.sync.stop()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "no ocurrió a tiempo"
        time.sleep(0.02)


def test_images_reach_drive_under_the_same_path(machines: Callable[..., Machine]) -> None:
    vm = machines()
    vm.image("00000-1.png", b"uno")
    sync = vm.start()
    vm.image("00001-2.png", b"dos")
    sync.poke()
    assert sync.flush(5) == 0
    assert vm.on_drive() == {"00000-1.png": b"uno", "00001-2.png": b"dos"}
    assert not vm.news


def test_half_written_files_are_left_alone(machines: Callable[..., Machine]) -> None:
    vm = machines()
    vm.image(".00000-1.png.abc.tmp")
    assert vm.start().flush(5) == 0
    assert vm.on_drive() == {}


def test_a_fresh_machine_never_overwrites(machines: Callable[..., Machine]) -> None:
    first, second = machines("vm1"), machines("vm2")
    first.image("00000-7.png", b"ayer")
    first.image("00001-8.png", b"ayer tambien")
    assert first.start(settings=False).flush(5) == 0
    second.image("00000-7.png", b"hoy")
    sync = second.start(settings=False)
    assert sync.flush(5) == 0
    expected = {"00000-7.png": b"ayer", "00001-8.png": b"ayer tambien", "00002-7.png": b"hoy"}
    assert second.on_drive() == expected
    sync.stop()
    assert second.start(settings=False).flush(5) == 0  # a new run on the same machine knows its copies
    assert second.on_drive() == expected


def test_a_fresh_machine_goes_on_with_drives_numbers(machines: Callable[..., Machine]) -> None:
    first, second = machines("vm1"), machines("vm2")
    first.image("00041-7.png")
    assert first.start().flush(5) == 0
    sync = second.start()
    from PIL import Image

    store = ImageStore(second.folders.txt2img, lambda: datetime.date.fromisoformat(DAY))
    saved = store.save(Image.new("RGB", (8, 8)), "gato", 9)
    assert saved.name == "00042-9.png"
    assert sync.flush(5) == 0
    assert set(second.on_drive()) == {"00041-7.png", "00042-9.png"}  # the note stays on the machine


def test_numbers_are_reserved_for_today_only(tmp_path: Path) -> None:
    for day in (DAY, "2026-11-21"):
        (tmp_path / "drive" / "txt2img-images" / day).mkdir(parents=True)
        (tmp_path / "drive" / "txt2img-images" / day / "00003-1.png").touch()
    reserve_numbers(tmp_path / "drive", tmp_path / "local", datetime.date.fromisoformat(DAY))
    assert [path.relative_to(tmp_path / "local").parts[1] for path in (tmp_path / "local").rglob("*.txt")] == [DAY]


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("00000-1.png", set(), "00000-1.png"),
        ("00000-1.png", {"00000-1.png", "00012-4.png"}, "00013-1.png"),
        ("gato.png", {"gato.png", "gato-2.png"}, "gato-3.png"),
        ("LEEME", {"LEEME"}, "LEEME-2"),
        ("Gato.png", {"gato.png", "GATO-2.png"}, "Gato-3.png"),
        ("00000-1.png", {"00000-1.PNG", "9" * 200 + "-1.png"}, "00001-1.png"),
    ],
)
def test_free_names(name: str, taken: set[str], free: str) -> None:
    assert free_name(name, taken) == free


def test_a_drive_too_full_for_the_settings_has_a_file_to_take() -> None:
    error = as_drive_error(OSError(errno.ENOSPC, "No space left on device"), 0)
    assert isinstance(error, DriveFull) and error.pending == 1


def test_full_drive_says_so_once_and_catches_up(machines: Callable[..., Machine]) -> None:
    vm = machines()
    full = [True]
    attempts: list[Path] = []

    def copy(source: Path, target: Path) -> None:
        attempts.append(source)
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        copy_in_one_piece(source, target)

    vm.image("00000-1.png", b"uno")
    vm.image("00001-2.png", b"dos")
    sync = vm.start(copy=copy)
    until(lambda: len(attempts) > 3)
    assert sync.left() == 2
    assert [type(news) for news in vm.news] == [DriveTrouble]
    assert isinstance(vm.news[0], DriveTrouble)
    assert isinstance(vm.news[0].error, DriveFull)
    assert vm.news[0].error.pending == 2
    full[0] = False
    assert sync.flush(5) == 0
    assert vm.on_drive() == {"00000-1.png": b"uno", "00001-2.png": b"dos"}
    assert isinstance(vm.news[-1], DriveRecovered)
    assert len(vm.news) == 2


def test_drive_unplugged_and_back(machines: Callable[..., Machine], tmp_path: Path) -> None:
    vm = machines()
    sync = vm.start()
    away = vm.drive.rename(tmp_path / "lejos")
    vm.image("00000-1.png", b"uno")
    until(lambda: vm.news)
    assert not vm.drive.exists(), "nothing may be created where Drive is mounted"
    assert isinstance(vm.news[0], DriveTrouble)
    assert isinstance(vm.news[0].error, DriveLost)
    assert sync.flush(0.3) == 1
    away.rename(vm.drive)
    assert sync.flush(5) == 0
    assert vm.on_drive() == {"00000-1.png": b"uno"}


def test_one_bad_file_does_not_stop_the_rest(machines: Callable[..., Machine]) -> None:
    vm = machines()

    def copy(source: Path, target: Path) -> None:
        if source.name.startswith("00000"):
            raise OSError(errno.EIO, "Input/output error")
        copy_in_one_piece(source, target)

    for number in range(3):
        vm.image(f"0000{number}-1.png", bytes([number]))
    sync = vm.start(copy=copy)
    until(lambda: sync.left() == 1)  # a copy is noted down after it has arrived
    assert len(vm.on_drive()) == 2


def test_a_stuck_drive_blocks_nobody(machines: Callable[..., Machine]) -> None:
    vm = machines()

    def copy(source: Path, target: Path) -> None:
        time.sleep(60)

    vm.image("00000-1.png")
    sync = vm.start(copy=copy)
    started = time.monotonic()
    assert sync.flush(0.5) == 1
    sync.stop()
    assert time.monotonic() - started < 2


def test_copies_are_whole_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"x" * 3_000_000)

    def cut(reading: object, writing: object, length: int) -> None:
        writing.write(b"x" * 1000)  # type: ignore[attr-defined]

    monkeypatch.setattr("shutil.copyfileobj", cut)
    with pytest.raises(OSError, match="incompleta"):
        copy_in_one_piece(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_stale_half_copies_are_removed(machines: Callable[..., Machine]) -> None:
    vm = machines()
    vm.image("00000-1.png")
    folder = vm.drive / "sdcolab" / "outputs" / "txt2img-images" / DAY
    folder.mkdir(parents=True)
    old, new = (folder / f".{name}{TEMPORARY_SUFFIX}" for name in ("viejo", "nuevo"))
    old.touch()
    new.touch()
    os.utime(old, (1, 1))
    assert vm.start().flush(5) == 0
    assert not old.exists()
    assert new.exists()


def test_settings_travel_both_ways(machines: Callable[..., Machine]) -> None:
    first, second = machines("vm1"), machines("vm2")
    first.start(images=False)
    write_settings(first, {"pasos": 30})
    until(lambda: (first.drive / "sdcolab" / "config" / "configuracion.json").exists())
    assert first.sync is not None
    first.sync.stop()
    second.start(images=False)
    assert read_settings(second) == {"pasos": 30}
    write_settings(second, {"pasos": 20})
    assert second.sync is not None
    second.sync.flush(5)
    assert json.loads((second.drive / "sdcolab" / "config" / "configuracion.json").read_text()) == {"pasos": 20}
    assert not list((second.drive / "sdcolab" / "config").glob("*.bak"))


def test_what_is_no_settings_on_drive_stops_nothing(machines: Callable[..., Machine], tmp_path: Path) -> None:
    vm = machines()
    config = vm.drive / "sdcolab" / "config"
    (config / "configuracion.json").mkdir(parents=True)
    (config / "enlace.json").symlink_to(tmp_path / "nada.json")
    with (config / "enorme.json").open("wb") as file:
        file.truncate(MAX_KEPT_BYTES + 1)
    write_settings(vm, {"pasos": 20})
    vm.image("00000-1.png")
    sync = vm.start()
    until(lambda: vm.on_drive() == {"00000-1.png": b"imagen"})
    until(lambda: sync.trouble is not None)  # its settings have no place there, and it says so
    assert {path.name for path in vm.folders.config.glob("*.json")} == {"configuracion.json"}


def test_newer_local_settings_win_and_drives_are_kept_aside(machines: Callable[..., Machine]) -> None:
    vm = machines()
    saved = vm.drive / "sdcolab" / "config" / "configuracion.json"
    saved.parent.mkdir(parents=True)
    saved.write_text('{"estilos": "de otra vez"}')
    os.utime(saved, (1, 1))
    write_settings(vm, {"pasos": 20})
    sync = vm.start(images=False)
    sync.flush(5)
    assert json.loads(saved.read_text()) == {"pasos": 20}
    sync.stop()
    # Drive was away when the session began, and something else had written there.
    late = DriveSync(vm.folders, vm.drive, images=False, settings=True, listener=vm.news.append, rhythm=FAST)
    saved.write_text('{"estilos": "de otra maquina"}')
    late.start()
    late.flush(5)
    late.stop()
    assert json.loads(saved.read_text()) == {"pasos": 20}
    assert "otra maquina" in saved.with_suffix(".anterior.json.bak").read_text()
    # And once more: what was kept aside before stays too.
    saved.write_text('{"estilos": "de una tercera"}')
    third = DriveSync(vm.folders, vm.drive, images=False, settings=True, listener=vm.news.append, rhythm=FAST)
    third.start()
    third.flush(5)
    third.stop()
    assert "otra maquina" in saved.with_suffix(".anterior.json.bak").read_text()
    assert "una tercera" in saved.with_suffix(".anterior-2.json.bak").read_text()


def test_styles_travel_and_begin_with_those_of_the_notebooks_of_before(machines: Callable[..., Machine]) -> None:
    first, second = machines("vm1"), machines("vm2")
    old = first.drive / "WebUI" / "configs" / "styles.csv"
    old.parent.mkdir(parents=True)
    old.write_text("name,prompt,negative_prompt\nmío,gato,\n")
    sync = first.start(images=False)
    styles = SettingsFile(first.folders.config)
    assert [style.name for style in styles.load().styles] == ["mío"]
    styles.change(lambda settings: settings.with_style(Style("nuevo", "perro")))
    sync.flush(5)
    sync.stop()
    second.start(images=False)
    assert [style.name for style in SettingsFile(second.folders.config).load().styles] == ["mío", "nuevo"]
    assert old.read_text().count("\n") == 2


def write_settings(vm: Machine, values: dict[str, object]) -> None:
    vm.folders.config.mkdir(parents=True, exist_ok=True)
    (vm.folders.config / "configuracion.json").write_text(json.dumps(values))


def read_settings(vm: Machine) -> object:
    return json.loads((vm.folders.config / "configuracion.json").read_text())
