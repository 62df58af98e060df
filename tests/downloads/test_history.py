"""``descargas.json`` remembers files, and no secrets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.downloads import HURRY
from support.servers import CHECKPOINT_SHAPES, LORA_SHAPES, CivitaiFile, CivitaiServer, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.downloads.history import HISTORY_FILE, DownloadHistory, Remembered, remembered_text
from sdcolab.downloads.http import Tokens
from sdcolab.downloads.links import Link, LocalFile, parse_links
from sdcolab.downloads.queue import DownloadQueue
from sdcolab.downloads.report import LinkReport, LinkStatus

LORA, CHECKPOINT = safetensors_bytes(LORA_SHAPES), safetensors_bytes(CHECKPOINT_SHAPES)


def test_a_later_session_gets_the_same_files(folders: Folders, tmp_path: Path) -> None:
    history = DownloadHistory(folders.config)
    files = {5: CivitaiFile("flor.safetensors", LORA, needs_token=True), 6: CivitaiFile("m.safetensors", CHECKPOINT)}
    with CivitaiServer(files) as civitai:
        queue = DownloadQueue(
            folders, civitai_url=civitai.url, tokens=Tokens(civitai=civitai.token), patience=HURRY, history=history
        )
        key = civitai.token
        text = (
            f"https://civitai.com/api/download/models/5?token={key} > rosa, civitai.com/models/1?modelVersionId=6 nada"
        )
        queue.run(text)
        queue.run(text)
        assert {(entry.name, entry.kind) for entry in history.entries()} == {
            ("rosa.safetensors", ModelKind.LORA),
            ("m.safetensors", ModelKind.CHECKPOINT),
        }
        assert history.missing(folders) == ()
        later = Folders(tmp_path / "otra")
        links = ", ".join(entry.link for entry in history.missing(later))
        again = DownloadQueue(later, civitai_url=civitai.url, tokens=Tokens(civitai=key), patience=HURRY)
        assert [report.ok for report in again.run(links)] == [True, True]
    assert (later.models(ModelKind.LORA) / "rosa.safetensors").read_bytes() == LORA
    assert key not in (folders.config / HISTORY_FILE).read_text(encoding="utf-8")


def test_programs_that_download_at_once_remember_all_of_it(folders: Folders) -> None:
    def remember(site: str) -> None:
        history = DownloadHistory(folders.config)
        for number in range(20):
            link = Link(f"https://{site}.example/{number}.pt")
            report = LinkReport(link.shown, LinkStatus.DOWNLOADED, kind=ModelKind.LORA, path=Path(f"{number}.pt"))
            history.remember(link, report)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remember, ("a", "b")))
    assert len(DownloadHistory(folders.config).entries()) == 40


@pytest.mark.parametrize(
    ("text", "remembered"),
    [
        (
            "https://u:clave@civitai.com/models/5?modelVersionId=6&token=clave#AOM3",
            "https://civitai.com/models/5?modelVersionId=6#AOM3",
        ),
        ("lora:https://a.example/x?api_key=clave > mi flor", "lora:https://a.example/x > mi flor"),
        ("https://a.example/x?X-Amz-Signature=clave", ""),
        ("https://cdn.discordapp.com/x.pt?ex=1&is=2&hm=clave", ""),
        ("https://www.dropbox.com/s/x.pt?rlkey=abc&dl=0", "https://www.dropbox.com/s/x.pt?rlkey=abc&dl=0"),
        ("https://a.example/x#access_token=clave", "https://a.example/x"),
    ],
)
def test_links_are_kept_without_secrets(text: str, remembered: str) -> None:
    (entry,) = parse_links(text)
    assert isinstance(entry, Link)
    assert remembered_text(entry) == remembered
    if remembered:
        (again,) = parse_links(remembered)
        assert isinstance(again, Link)
        assert remembered_text(again) == remembered


def test_local_files_are_kept() -> None:
    assert remembered_text(LocalFile(Path("/d/x.pt"), ModelKind.VAE)) == "vae:/d/x.pt"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"descargas": 5}',
        '{"descargas": [5, {}, {"enlace": "https://a", "archivo": "../x", "tipo": "lora"}]}',
        '{"descargas": [{"enlace": "https://a", "archivo": "x", "tipo": ["lora"]}]}',
        "[" * 90_000,
    ],
)
def test_damaged_lists_are_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / HISTORY_FILE).write_text(text)
    assert DownloadHistory(tmp_path).entries() == ()


def test_a_damaged_list_is_kept_aside_when_there_is_something_to_add(tmp_path: Path) -> None:
    (tmp_path / HISTORY_FILE).write_text('{"descargas": [{"enlace"')
    history = DownloadHistory(tmp_path)
    report = LinkReport("x", LinkStatus.DOWNLOADED, path=tmp_path / "x.pt", kind=ModelKind.VAE)
    history.remember(LocalFile(Path("/d/x.pt"), ModelKind.VAE), report)
    assert [entry.link for entry in history.entries()] == ["vae:/d/x.pt"]
    assert (tmp_path / "descargas.dañada.json").read_text() == '{"descargas": [{"enlace"'


def test_a_folder_that_cannot_be_written_costs_nothing(folders: Folders) -> None:
    folders.root.mkdir()
    folders.config.write_text("no es una carpeta")
    with CivitaiServer({5: CivitaiFile("flor.safetensors", LORA)}) as civitai:
        history = DownloadHistory(folders.config)
        queue = DownloadQueue(folders, civitai_url=civitai.url, patience=HURRY, history=history)
        (report,) = queue.run("https://civitai.com/api/download/models/5")
    assert report.ok
    assert history.entries() == ()
    assert Remembered("x", "y", ModelKind.LORA).size is None
