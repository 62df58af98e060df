"""Pictures from outside: opened upright and within bounds, or refused."""

from __future__ import annotations

import base64
import contextlib
import io
import os
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from sdcolab.core import pictures
from sdcolab.core.codec import png_text
from sdcolab.core.errors import (
    InfotextEncoding,
    InfotextUnreadable,
    PicturesTooLarge,
    PictureTooLarge,
    PictureUnreadable,
)
from sdcolab.core.infotext import read_bytes
from sdcolab.core.pictures import check_pixels, for_browsers, measured, open_picture, size_in_text
from sdcolab.core.thumbnails import thumbnail
from sdcolab.gallery.facts import read_facts


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif"])
def test_known_formats_open(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"imagen{suffix}"
    Image.new("RGB", (12, 8), "red").save(path)
    assert open_picture(path).size == (12, 8)


def test_photos_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "foto.jpg"
    Image.new("RGB", (12, 8)).save(path, exif=exif)
    assert open_picture(path).size == (8, 12)


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"BM" + bytes(100)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mala.png"
    path.write_bytes(content)
    with pytest.raises(PictureUnreadable) as caught:
        open_picture(path)
    assert caught.value.path == path


def test_a_cut_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cortada.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PictureUnreadable):
        open_picture(path)


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 90)
    path = tmp_path / "grande.png"
    Image.new("RGB", (12, 8)).save(path)
    with pytest.raises(PictureTooLarge):
        open_picture(path)


def test_too_many_pixels_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_REQUEST_PIXELS", 200)
    check_pixels([(12, 8), (12, 8)])
    with pytest.raises(PicturesTooLarge):
        check_pixels([(12, 8)] * 3)


def test_files_too_large_for_a_picture_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 1000)
    path = tmp_path / "grande.png"
    path.write_bytes(bytes(1001))
    with pytest.raises(PictureTooLarge):
        open_picture(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tubo.png")
    with pytest.raises(PictureUnreadable):
        open_picture(tmp_path / "tubo.png")


def test_sizes_in_texts_are_read_from_the_header() -> None:
    out = io.BytesIO()
    Image.new("1", (3000, 2000)).save(out, "PNG")
    text = base64.b64encode(out.getvalue()).decode()
    assert size_in_text(text) == size_in_text(f"data:image/png;base64,{text}") == (3000, 2000)
    assert size_in_text(f"\n DATA:image/png;base64,{text}") == (3000, 2000)
    assert size_in_text("gato") is None


def test_what_a_request_weighs() -> None:
    out = io.BytesIO()
    Image.new("1", (8000, 6000)).save(out, "PNG", optimize=True)
    bomb = base64.b64encode(out.getvalue()).decode()
    assert len(bomb) < 10_000
    value = {"prompt": "gato", "images": [bomb, {"image": f" {bomb}"}], "n": 3}
    assert measured(value) == (len("promptgatoimagesimagen") + 1, [(8000, 6000), (8000, 6000)])


def test_a_spoiled_avif_is_refused_everywhere(tmp_path: Path) -> None:
    """Its decoder raises what no other does."""
    out = io.BytesIO()
    Image.effect_noise((40, 40), 50).convert("RGB").save(out, "AVIF")
    whole, path = out.getvalue(), tmp_path / "a.avif"
    for place in range(0, len(whole), 7):
        data = whole[:place] + b"\xff" + whole[place + 1 :]
        path.write_bytes(data)
        for read in (lambda: open_picture(path), lambda: read_bytes(data, "a")):  # noqa: B023
            with contextlib.suppress(PictureUnreadable, PictureTooLarge, InfotextUnreadable, InfotextEncoding):
                read()
        measured(base64.b64encode(data).decode())
        thumbnail(path)
        read_facts(path)


@pytest.mark.parametrize(
    ("mode", "colour", "ending", "found"),
    [
        ("CMYK", (0, 255, 255, 0), "jpg", ("RGB", 0.3)),
        ("CMYK", (0, 0, 0, 0), "tif", ("RGB", 1.0)),
        ("YCbCr", (255, 128, 128), "jpg", ("RGB", 1.0)),
        ("I;16", 32768, "png", ("L", 0.5)),
        ("I;16", 65535, "tif", ("L", 1.0)),
        ("I", 32768, "tif", ("L", 0.5)),
        ("I", 128, "tif", ("L", 0.5)),
        ("F", 0.5, "tif", ("L", 0.5)),
        ("F", 128.0, "tif", ("L", 0.5)),
        ("LA", (255, 0), "png", ("LA", 1.0)),
        ("1", 1, "png", ("1", 1.0)),
    ],
)
def test_every_kind_of_pixels_becomes_one_that_is_known(
    mode: str, colour: object, ending: str, found: tuple[str, float], tmp_path: Path
) -> None:
    path = tmp_path / f"x.{ending}"
    Image.new(mode, (64, 64), colour).save(path)  # type: ignore[arg-type]
    picture = open_picture(path)
    grey = picture.convert("RGB").convert("L").getpixel((32, 32))
    assert isinstance(grey, int)
    assert (picture.mode, round(grey / 255, 1)) == found
    assert png_text(picture)["png"]


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "I;16"])
def test_what_browsers_do_not_show_is_shown_as_png(mode: str) -> None:
    data = io.BytesIO()
    Image.new(mode, (30, 20)).save(data, "TIFF")
    with Image.open(io.BytesIO(for_browsers(data.getvalue()))) as shown:
        assert (shown.format, shown.size) == ("PNG", (30, 20))
    for other in (b"", b"II*\0 roto", b"\x89PNG"):
        assert for_browsers(other) == other
