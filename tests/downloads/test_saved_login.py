"""The token of whoever logged in to huggingface with its own program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from support.servers import LORA_SHAPES, HubFile, HuggingFaceServer, safetensors_bytes

from sdcolab.core.folders import Folders
from sdcolab.downloads.providers.huggingface import saved_login
from sdcolab.downloads.queue import LinkStatus
from sdcolab.wiring.downloads import HUGGINGFACE_VARIABLE, build_downloads

LINK = "https://huggingface.co/ana/flores/resolve/main/flor.safetensors"


@pytest.fixture
def hub() -> Iterator[HuggingFaceServer]:
    gated = HubFile(safetensors_bytes(LORA_SHAPES), gated=True)
    with HuggingFaceServer({"ana/flores/main/flor.safetensors": gated}) as server:
        yield server


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the login is kept; nobody has logged in yet."""
    path = tmp_path / "token"
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(path))
    return path


def test_a_login_opens_what_asks_for_it(folders: Folders, hub: HuggingFaceServer, login: Path) -> None:
    environment = {HUGGINGFACE_VARIABLE: hub.url}
    (refused,) = build_downloads(folders, environment).run(LINK)
    assert refused.status is LinkStatus.FAILED
    login.write_text(f"{hub.token}\n")
    (report,) = build_downloads(folders, environment).run(LINK)
    assert report.status is LinkStatus.DOWNLOADED


def test_a_token_that_is_given_counts_first(folders: Folders, hub: HuggingFaceServer, login: Path) -> None:
    login.write_text("hf_otro")
    (report,) = build_downloads(folders, {HUGGINGFACE_VARIABLE: hub.url, "HF_TOKEN": hub.token}).run(LINK)
    assert report.status is LinkStatus.DOWNLOADED
    assert "hf_otro" not in hub.seen_headers()


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", None])
def test_a_spoiled_login_is_none(login: Path, content: bytes | None) -> None:
    if content is None:
        login.mkdir()
    else:
        login.write_bytes(content)
    assert saved_login() is None
