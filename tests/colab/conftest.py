"""Stand-ins that the Colab tests share: google.colab, a host, and gradio's helper program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.frpc import install_frpc

REPOSITORY = Path(__file__).parents[2]
GOOGLE_COLAB = REPOSITORY / "tests" / "support" / "google_colab"


@pytest.fixture
def google_colab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The stand-in google.colab on the path; yields the folder that plays the user's Drive."""

    def forget() -> None:
        for name in [name for name in sys.modules if name == "google" or name.startswith("google.colab")]:
            del sys.modules[name]

    forget()
    monkeypatch.syspath_prepend(str(GOOGLE_COLAB))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_de-pruebas")
    drive = tmp_path / "nube"
    monkeypatch.setenv("STANDIN_DRIVE_FOLDER", str(drive))
    yield drive
    forget()


@pytest.fixture
def child_environ() -> dict[str, str]:
    """An environment in which child processes find the package."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture
def frpc(tmp_path: Path, child_environ: dict[str, str]) -> Callable[..., dict[str, str]]:
    """Puts a stand-in helper where gradio looks for its own; returns the environment to run the tunnel in."""

    def make(mode: str = "", url: str = "http://prueba.gradio.example") -> dict[str, str]:
        home = tmp_path / "hf"
        install_frpc(home)
        return {
            **child_environ,
            "HF_HOME": str(home),
            "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:7000",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "STANDIN_FRPC": mode,
            "STANDIN_FRPC_URL": url,
            "STANDIN_FRPC_LOG": str(tmp_path / "frpc.log"),
        }

    return make
