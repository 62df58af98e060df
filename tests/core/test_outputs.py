from __future__ import annotations

import datetime
import os
import threading
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from sdcolab.core.errors import CannotWrite
from sdcolab.core.outputs import ImageStore

DAY = datetime.date(2026, 3, 9)
PICTURE = Image.new("RGB", (8, 8), "red")


def store(folder: Path) -> ImageStore:
    return ImageStore(folder, today=lambda: DAY)


@pytest.mark.parametrize("infotext", ["gato\nSteps: 20", "corazón rojo ❤\nSteps: 20"])
def test_png_carries_its_infotext(tmp_path: Path, infotext: str) -> None:
    path = store(tmp_path).save(PICTURE, infotext, seed=42)
    assert path == tmp_path / "2026-03-09" / "00000-42.png"
    with Image.open(path) as image:
        assert isinstance(image, PngImageFile)
        assert image.text["parameters"] == infotext
        assert image.convert("RGB").tobytes() == PICTURE.tobytes()


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    store(tmp_path).save(PICTURE, "", 1)
    (tmp_path / "2026-03-09" / "00041-7.png").write_bytes(b"")
    (tmp_path / "2026-03-09" / "otra cosa.png").write_bytes(b"")
    assert store(tmp_path).save(PICTURE, "", 2).name == "00042-2.png"


def test_threads_never_share_a_number(tmp_path: Path) -> None:
    shared = store(tmp_path)
    threads = [threading.Thread(target=shared.save, args=(PICTURE, "", 5)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(path.name for path in (tmp_path / "2026-03-09").iterdir())
    assert names == [f"{number:05}-5.png" for number in range(8)]


def test_without_days_images_lie_flat(tmp_path: Path) -> None:
    assert ImageStore(tmp_path, today=None).save(PICTURE, "", 3) == tmp_path / "00000-3.png"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CannotWrite):
        store(tmp_path).save(PICTURE, "", 1)
    assert list((tmp_path / "2026-03-09").iterdir()) == []
