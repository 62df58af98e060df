"""Paths in the list of links: files of this computer and of the user's Drive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.servers import LORA_SHAPES, VAE_SHAPES, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DiskFull, ModelUnsafe, NotAModelFile
from sdcolab.core.events import BytesReceived, Event
from sdcolab.core.folders import Folders
from sdcolab.downloads.queue import DownloadQueue, LinkStatus, report_line

LORA, VAE = safetensors_bytes(LORA_SHAPES), safetensors_bytes(VAE_SHAPES)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    root = tmp_path / "drive" / "MyDrive"
    (root / "modelos").mkdir(parents=True)
    (root / "modelos" / "flor.safetensors").write_bytes(LORA)
    (root / "modelos" / "vae.safetensors").write_bytes(VAE)
    return root


def no_links(_source: object, _target: object) -> None:
    raise OSError


def test_files_take_their_place_without_a_copy(folders: Folders, drive: Path) -> None:
    reports = DownloadQueue(folders, drive_root=drive).run("MyDrive/modelos")
    assert [(report.status, report.kind) for report in reports] == [
        (LinkStatus.DOWNLOADED, ModelKind.LORA),
        (LinkStatus.DOWNLOADED, ModelKind.VAE),
    ]
    path = folders.models(ModelKind.LORA) / "flor.safetensors"
    assert reports[0].path == path
    assert path.samefile(drive / "modelos" / "flor.safetensors")
    again = DownloadQueue(folders, drive_root=drive).run("MyDrive/modelos")
    assert [report.status for report in again] == [LinkStatus.ALREADY_HERE] * 2


def test_files_of_another_disk_are_copied(folders: Folders, drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    events: list[Event] = []
    (report,) = DownloadQueue(folders, drive_root=drive).run("modelos/flor.safetensors > rosa", events.append)
    assert report.path == folders.models(ModelKind.LORA) / "rosa.safetensors"
    assert report.path.read_bytes() == LORA
    assert [path.name for path in report.path.parent.iterdir()] == ["rosa.safetensors"]
    assert any(isinstance(event, BytesReceived) and event.received == len(LORA) for event in events)


def test_no_file_is_overwritten_however_many_share_its_name(folders: Folders, drive: Path) -> None:
    folder = folders.models(ModelKind.LORA)
    folder.mkdir(parents=True)
    others = [folder / "flor.safetensors", *(folder / f"flor ({number}).safetensors" for number in range(2, 61))]
    for other in others:
        other.write_bytes(b"otro")
    for _ in range(2):
        (report,) = DownloadQueue(folders, drive_root=drive).run("modelos/flor.safetensors")
        assert report.ok
    assert {other.read_bytes() for other in others} == {b"otro"}


def test_no_room_for_a_copy(folders: Folders, drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    queue = DownloadQueue(folders, drive_root=drive, free_space=lambda _: 1000)
    (report,) = queue.run("modelos/flor.safetensors")
    assert isinstance(report.error, DiskFull)


def test_what_cannot_be_used_stays_where_it_is(folders: Folders, drive: Path) -> None:
    bad, page = drive / "malo.pt", drive / "pagina.safetensors"
    bad.write_bytes(b"\x80\x04c" + b"os\nsystem\n(S'true'\ntR.")
    page.write_bytes(b"x" * 100)
    first, second, third = DownloadQueue(folders, drive_root=drive).run("malo.pt pagina.safetensors MyDrive/nada.pt")
    assert isinstance(first.error, ModelUnsafe)
    assert isinstance(second.error, NotAModelFile)
    assert report_line(third).startswith("❌ No se descargó. No hay ningún archivo de modelo en «MyDrive/nada.pt»")
    assert bad.exists()
    assert page.exists()


def test_a_file_of_our_own_folders_stays(folders: Folders, drive: Path) -> None:
    own = folders.models(ModelKind.LORA) / "sub" / "mio.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(LORA)
    (report,) = DownloadQueue(folders).run(str(own))
    assert (report.status, report.path) == (LinkStatus.ALREADY_HERE, own)
