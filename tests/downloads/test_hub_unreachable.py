"""What a tagger's files say where there is no connection."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sdcolab.core.errors import HostUnreachable
from sdcolab.downloads.hub import fetch_files


def test_no_connection_is_told_once_and_by_us_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def nobody(*_args: object, **_more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # between its retries
    with pytest.raises(HostUnreachable) as caught:
        fetch_files("ana/nada", ["model.onnx"], tmp_path)
    assert caught.value.reason == "dns"
    said = capfd.readouterr()
    assert "Retrying" not in said.out + said.err
