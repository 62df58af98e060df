"""A lost session: what was there is offered again, and models on Drive are used from there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from sdcolab.colab import drive_models
from sdcolab.colab.drive_models import DriveModel, ModelCopier, drop_dead_links, link_models, worth_copying
from sdcolab.colab.prepare import Downloaded, remember_downloads
from sdcolab.colab.remembered import FILE_NAME, RememberedDownload, missing, recall, remember
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library

GATO = RememberedDownload("https://civitai.com/models/1", "gato.safetensors", ModelKind.CHECKPOINT)


def put(path: Path, content: bytes = b"modelo") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_downloads_are_remembered_and_offered_on_a_new_machine(tmp_path: Path) -> None:
    old, new = Folders(tmp_path / "vieja"), Folders(tmp_path / "nueva")
    path = put(old.models(ModelKind.LORA) / "pelo" / "rojo.safetensors")
    reports = [
        Downloaded("línea", path, ModelKind.LORA, "https://civitai.com/models/2"),
        Downloaded("falló", None, ModelKind.LORA, "https://civitai.com/models/3"),
    ]
    remember_downloads(old, reports)
    remember(old, [GATO])
    remember(old, [RememberedDownload("https://otro", "gato.safetensors", ModelKind.CHECKPOINT)])
    assert json.loads((old.config / FILE_NAME).read_text()) == [
        {"enlace": "https://civitai.com/models/2", "archivo": "pelo/rojo.safetensors", "tipo": ModelKind.LORA.value},
        {"enlace": "https://otro", "archivo": "gato.safetensors", "tipo": ModelKind.CHECKPOINT.value},
    ]
    assert [one.name for one in missing(recall(old), old)] == ["gato.safetensors"]
    shutil.copytree(old.config, new.config)  # what Drive does
    assert len(missing(recall(new), new)) == 2


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"enlace": 1}]', '[{"enlace":"a","archivo":"b","tipo":"no"}]'])
def test_a_damaged_list_is_nothing(tmp_path: Path, content: str) -> None:
    folders = Folders(tmp_path)
    put(folders.config / FILE_NAME, content.encode())
    assert recall(folders) == ()
    remember(folders, [GATO])
    assert recall(folders) == (GATO,)


def test_models_on_drive_are_used_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_models, "SMALL_BYTES", 100)
    drive, folders = tmp_path / "MyDrive", Folders(tmp_path / "sdcolab")
    there = Folders(drive / "sdcolab")
    small = put(there.models(ModelKind.LORA) / "sub" / "rojo.safetensors")
    big = put(there.models(ModelKind.CHECKPOINT) / "grande.safetensors", b"x" * 1000)
    mine = put(folders.models(ModelKind.CHECKPOINT) / "mio.safetensors", b"mio")
    put(there.models(ModelKind.CHECKPOINT) / "mio.safetensors", b"otro")
    models = link_models(drive, folders)
    library = Library(folders)
    assert [file.name for file in library.files(ModelKind.LORA)] == ["sub/rojo.safetensors"]
    assert [file.name for file in library.files(ModelKind.CHECKPOINT)] == ["grande.safetensors", "mio.safetensors"]
    assert mine.read_bytes() == b"mio"
    assert {model.source for model in models} == {small, big}

    stamp = big.stat().st_mtime_ns
    copier = ModelCopier(models, free=lambda folder: drive_models.DISK_RESERVE + 2000)
    copier.start()
    copier.wait(10)
    here = folders.models(ModelKind.CHECKPOINT) / "grande.safetensors"
    assert not here.is_symlink()
    assert here.read_bytes() == b"x" * 1000
    assert here.stat().st_mtime_ns == stamp  # the engine does not take it for another model
    assert (folders.models(ModelKind.LORA) / "sub" / "rojo.safetensors").is_symlink()

    # Drive is gone: what was copied stays, dead links go; and a second time links only what is missing.
    drive.rename(tmp_path / "lejos")
    drop_dead_links(folders)
    assert not os.path.lexists(folders.models(ModelKind.LORA) / "sub" / "rojo.safetensors")
    assert here.exists()
    (tmp_path / "lejos").rename(drive)
    assert [model.source for model in link_models(drive, folders)] == [small]


def test_copies_leave_room_on_the_disk() -> None:
    model = DriveModel(Path("a"), Path("b"), 7_000_000_000)
    assert worth_copying(model, 20_000_000_000)
    assert not worth_copying(model, 16_000_000_000)
    assert not worth_copying(DriveModel(Path("a"), Path("b"), 144_000_000), 100_000_000_000)


def test_a_copy_that_fails_keeps_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_models, "SMALL_BYTES", 0)
    source, target = put(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    target.symlink_to(source)

    def fail(_source: Path, _target: Path) -> None:
        raise OSError(5, "Input/output error")

    copier = ModelCopier((DriveModel(source, target, 6),), copy=fail, free=lambda folder: 10**12)
    copier.start()
    copier.wait(10)
    assert target.is_symlink()
    assert target.read_bytes() == b"modelo"
