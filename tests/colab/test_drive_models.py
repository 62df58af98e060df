"""Models that the user keeps on Drive are used from there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcolab.colab import drive_models
from sdcolab.colab.drive_models import DriveModel, ModelCopier, drop_dead_links, link_models, worth_copying
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, activation_words
from sdcolab.studio.cards import picture_of


def put(path: Path, content: bytes = b"modelo") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


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


def test_what_is_beside_a_model_on_drive_comes_with_it(tmp_path: Path) -> None:
    drive, folders = tmp_path / "MyDrive", Folders(tmp_path / "sdcolab")
    there = Folders(drive / "sdcolab").models(ModelKind.LORA) / "sub"
    for name, content in (
        ("rojo.safetensors", b"modelo"),
        ("rojo.civitai.info", b'{"trainedWords": ["zorp"]}'),
        ("rojo.preview.png", b"png"),
        ("rojo.yaml", b"parameterization: v"),
        ("ajeno.txt", b"nada"),
    ):
        put(there / name, content)
    put(folders.models(ModelKind.LORA) / "sub" / "rojo.yaml", b"mio")
    link_models(drive, folders)
    (file,) = Library(folders).files(ModelKind.LORA)
    assert activation_words(file.path) == ("zorp",)
    assert picture_of(file.path) == file.path.with_name("rojo.preview.png")
    assert file.path.with_suffix(".yaml").read_bytes() == b"mio"
    assert not file.path.with_name("ajeno.txt").exists()

    drive.rename(tmp_path / "lejos")
    drop_dead_links(folders)
    assert [path.name for path in file.path.parent.iterdir()] == ["rojo.yaml"]


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
