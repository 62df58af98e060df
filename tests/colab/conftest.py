"""Stand-ins that the Colab tests share: google.colab, a host, and gradio's helper program."""

from __future__ import annotations

import os
import platform
import stat
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


FRPC = """\
#!{python}
import os, sys, time
mode = os.environ.get("STANDIN_FRPC", "")
assert sys.argv[1] == "http" and "--server_addr" in sys.argv, sys.argv
with open(os.environ["STANDIN_FRPC_LOG"], "a") as log:
    log.write(str(os.getpid()) + " " + " ".join(sys.argv[1:]) + chr(10))
def say(text):
    sys.stdout.write("2026/11/22 10:00:00 [I] [control.go:172] " + text + chr(10)); sys.stdout.flush()
if mode == "refuse":
    say("login to server failed: dial tcp 127.0.0.1:7000: connect: connection refused")
    sys.exit(1)
if mode == "silent":
    time.sleep(600)
say("start proxy success: " + os.environ.get("STANDIN_FRPC_URL", "http://prueba.gradio.example"))
if mode == "chatty":
    for _ in range(20000):
        say("x" * 60)
    open(os.environ["STANDIN_FRPC_LOG"] + ".chatty", "w").close()
if mode == "short":
    time.sleep(1)
    sys.exit(1)
time.sleep(600)
"""


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


def install_frpc(hf_home: Path, python: str = sys.executable) -> Path:
    """Write the stand-in helper where gradio 6 would download its own (gradio/tunneling.py BINARY_PATH)."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = hf_home / "gradio" / "frpc" / f"frpc_{platform.system().lower()}_{machine}_v0.3"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(FRPC.format(python=python)), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path
