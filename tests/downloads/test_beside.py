"""What civitai tells about a file is kept beside it, and never costs the file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from support.downloads import HURRY
from support.servers import LORA_SHAPES, CivitaiFile, CivitaiServer, FileServer, safetensors_bytes

from sdcolab.core import pictures
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import PREVIEW_SUFFIX, activation_words
from sdcolab.downloads.http import Tokens
from sdcolab.downloads.queue import DownloadQueue, LinkReport, LinkStatus

LORA = safetensors_bytes(LORA_SHAPES)


def picture(size: tuple[int, int] = (1200, 800), kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind)
    return out.getvalue()


def run(folders: Folders, file: CivitaiFile, link: str = "https://civitai.com/api/download/models/5") -> LinkReport:
    with CivitaiServer({5: file}) as civitai:
        queue = DownloadQueue(folders, civitai_url=civitai.url, tokens=Tokens(civitai=civitai.token), patience=HURRY)
        (report,) = queue.run(link)
        assert "Authorization" not in next((seen.headers for seen in civitai.seen if "imagen" in seen.path), {})
    return report


@pytest.mark.parametrize("link", ["https://civitai.com/api/download/models/5", "https://civitai.com/models/1"])
def test_words_and_picture_are_kept(folders: Folders, link: str) -> None:
    file = CivitaiFile(
        "flor v1.5.safetensors", LORA, words=["flor, pétalos ", "flor, pétalos", " rosa"], picture=picture()
    )
    report = run(folders, file, link)
    assert report.path
    assert activation_words(report.path) == ("flor, pétalos", "rosa")
    info = json.loads((report.path.parent / "flor v1.5.civitai.info").read_bytes())
    assert (info["id"], info["modelId"], info["model"]["type"]) == (5, 1, "LORA")
    shown = report.path.parent / "flor v1.5.preview.png"
    with Image.open(shown) as image:
        assert (image.format, image.size) == ("PNG", (768, 512))


def test_they_are_added_to_a_file_that_was_there(folders: Folders) -> None:
    assert run(folders, CivitaiFile("flor.safetensors", LORA)).path
    (folders.models(ModelKind.LORA) / "flor.civitai.info").unlink()
    report = run(folders, CivitaiFile("flor.safetensors", LORA, words=["flor"]))
    assert report.status is LinkStatus.ALREADY_HERE
    assert report.path
    assert activation_words(report.path) == ("flor",)


@pytest.mark.parametrize(
    "bad", [b"", b"<html>no</html>", b"GIF89a", picture()[:200], b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"x" * 11_000_000]
)
def test_what_is_no_picture_is_left_out(folders: Folders, bad: bytes) -> None:
    report = run(folders, CivitaiFile("flor.safetensors", LORA, picture=bad))
    assert report.ok
    assert report.path
    assert not report.path.with_name(report.path.stem + PREVIEW_SUFFIX).exists()


ODD_PREVIEWS = (
    *("http://127.0.0.2:{port}/x.png", "http://localhost:{port}/x.png", "http://[::1]:{port}/x.png"),
    *("http://0.0.0.0:{port}/x.png", "http://2130706433:{port}/x.png", "http://0x7f.2:{port}/x.png"),
    *("http://[::ffff:127.0.0.2]:{port}/x.png", "http://127.0.0.1:80@127.0.0.2:{port}/x.png"),
    *("//127.0.0.2:{port}/x.png", "file:///etc/passwd", "ftp://127.0.0.2:{port}/x", "http://169.254.169.254/latest/"),
    *("{trusted}/r", "gopher://127.0.0.2:{port}/x", "http://metadata.google.internal/x"),
)
"""Where a hostile or broken site might send this program for a card's picture; the one that is trusted passes on."""


@pytest.mark.parametrize("address", ODD_PREVIEWS)
def test_no_preview_leads_into_the_own_network(folders: Folders, address: str) -> None:
    class Canary(FileServer):
        listens_on = "0.0.0.0"

    with Canary({"/x.png": picture(kind="PNG")}) as canary:
        port = int(canary.url.rpartition(":")[2])
        inside = f"http://127.0.0.2:{port}/x.png"
        with FileServer({}, redirects={"/r": inside}) as passing_on:
            odd = address.format(port=port, trusted=passing_on.url)
            report = run(folders, CivitaiFile("flor.safetensors", LORA, picture=picture(), picture_at=odd))
        assert (report.ok, canary.seen) == (True, [])


def test_huge_pictures_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    assert pictures.small_png(picture((100, 100), "PNG"), 50) is None


def test_the_key_is_never_written(folders: Folders) -> None:
    with CivitaiServer({}) as civitai:
        key = civitai.token
    report = run(folders, CivitaiFile("flor.safetensors", LORA, words=[f"palabra {key}"]))
    assert report.path
    assert not any(key.encode() in path.read_bytes() for path in folders.root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"trainedWords": 5}', '{"trainedWords": [1, null, "", " , "]}', "[" * 90_000]
)
def test_odd_notes_have_no_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.civitai.info").write_text(text)
    assert activation_words(tmp_path / "x.safetensors") == ()
