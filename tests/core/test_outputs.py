from __future__ import annotations

import datetime
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from sdcolab.core import outputs
from sdcolab.core.errors import CannotWrite
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.infotext import read_bytes
from sdcolab.core.outputs import ImageStore, ImageStores
from sdcolab.core.request import GenerationRequest, InitImage

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


def test_processes_never_take_each_other_s_names(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from PIL import Image
from sdcolab.core.outputs import ImageStore

for _ in range(30):
    ImageStore(Path(sys.argv[1]), today=None).save(Image.new("RGB", (8, 8)), sys.argv[2], 5)
"""
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in "abc"]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    texts = [read_bytes(path.read_bytes(), "") for path in tmp_path.iterdir()]
    assert sorted(texts) == ["a"] * 30 + ["b"] * 30 + ["c"] * 30


def test_names_are_reserved_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(_path: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(outputs, "_next_number", lambda _folder: 0)  # as seen before the others wrote theirs
    names = [ImageStore(tmp_path, today=None).save(PICTURE, "", 1).name for _ in range(3)]
    assert names == ["00000-1.png", "00001-1.png", "00002-1.png"]
    assert len(list(tmp_path.iterdir())) == 3


def test_without_days_images_lie_flat(tmp_path: Path) -> None:
    assert ImageStore(tmp_path, today=None).save(PICTURE, "", 3) == tmp_path / "00000-3.png"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CannotWrite):
        store(tmp_path).save(PICTURE, "", 1)
    assert list((tmp_path / "2026-03-09").iterdir()) == []


# --- Other formats ------------------------------------------------------------------------------------------------

TEXT = "niña, 日本語 🙂\nSteps: 20, Sampler: Euler a, Seed: 1"


@pytest.mark.parametrize("image_format", ImageFormat)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_every_format_carries_its_infotext(image_format: ImageFormat, mode: str, tmp_path: Path) -> None:
    path = ImageStore(tmp_path, today=None, image_format=image_format).save(Image.new(mode, (16, 8)), TEXT, 7)
    assert path == tmp_path / f"00000-7.{image_format}"
    assert read_bytes(path.read_bytes(), path.name) == TEXT
    with Image.open(path) as image:
        assert image.size == (16, 8)
        assert image.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "avif": "AVIF"}[image_format]


def test_the_comment_is_big_endian_as_a1111_writes_it(tmp_path: Path) -> None:
    path = ImageStore(tmp_path, today=None, image_format=ImageFormat.JPEG).save(PICTURE, TEXT, 7)
    assert b"UNICODE\0" + TEXT.encode("utf-16-be") in path.read_bytes()


def test_numbers_go_on_over_formats(tmp_path: Path) -> None:
    names = [
        ImageStore(tmp_path, today=None, image_format=image_format).save(PICTURE, "", 1).name
        for image_format in ImageFormat
    ]
    assert names == ["00000-1.png", "00001-1.jpg", "00002-1.webp", "00003-1.avif"]


@pytest.mark.parametrize(
    ("image_format", "size", "text"),
    [
        (ImageFormat.JPEG, (8, 8), "x" * 40_000),
        (ImageFormat.WEBP, (16_384, 1), TEXT),
        (ImageFormat.JPEG, (65_536, 1), TEXT),
        (ImageFormat.AVIF, (32_769, 1), TEXT),
    ],
)
def test_what_does_not_fit_becomes_a_png(
    image_format: ImageFormat, size: tuple[int, int], text: str, tmp_path: Path
) -> None:
    path = ImageStore(tmp_path, today=None, image_format=image_format).save(Image.new("RGB", size), text, 1)
    assert path.suffix == ".png"
    assert read_bytes(path.read_bytes(), path.name) == text


def test_a_store_for_each_kind_of_picture(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    stores = ImageStores.below(folders, ImageFormat.WEBP)
    assert stores.of(GenerationRequest()).folder == folders.txt2img == tmp_path / "outputs" / "txt2img-images"
    changed = GenerationRequest(init=InitImage((PICTURE,)))
    assert stores.of(changed).folder == folders.img2img == tmp_path / "outputs" / "img2img-images"
    assert stores.of(changed).save(PICTURE, "", 1).suffix == ".webp"
