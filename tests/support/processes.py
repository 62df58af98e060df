"""What tests of child processes share: their environment, and gradio's helper program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.frpc import install_frpc

REPOSITORY = Path(__file__).parents[2]


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


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
