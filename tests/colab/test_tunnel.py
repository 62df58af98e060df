"""The public link, with a stand-in for gradio's helper program where gradio looks for it (hechos/lanzadores.md 7a)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdcolab.colab.tunnel import is_public, tunnel_command

Environ = Callable[..., dict[str, str]]


def open_tunnel(environ: dict[str, str], folder: Path, code: str = "") -> subprocess.Popen[str]:
    """The tunnel's process. ``code`` runs before it, to change a limit."""
    command = list(tunnel_command(7860))
    if code:
        command = [
            sys.executable,
            "-c",
            f"import sys\nfrom sdcolab.colab import tunnel\n{code}\nsys.exit(tunnel.main(['7860']))",
        ]
    with (folder / "registro.log").open("w") as log:
        return subprocess.Popen(
            command, env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )


def next_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    for line in process.stdout:
        if line.startswith("{"):
            event: dict[str, Any] = json.loads(line)
            return event
    raise AssertionError("terminó sin decir nada")


def helper_pid(folder: Path) -> int:
    return int((folder / "frpc.log").read_text().splitlines()[-1].split()[0])


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_link_and_its_loss(frpc: Environ, tmp_path: Path) -> None:
    process = open_tunnel(frpc("short"), tmp_path)
    try:
        assert next_event(process) == {"event": "public_url", "url": "http://prueba.gradio.example"}
        assert next_event(process) == {"event": "lost"}
        assert process.wait(10) == 1
    finally:
        finish(process)
    log = (tmp_path / "frpc.log").read_text()
    assert "-l 7860 -i 127.0.0.1" in log


@pytest.mark.parametrize("ending", ["sigterm", "stdin"])
def test_the_helper_goes_with_us(frpc: Environ, tmp_path: Path, ending: str) -> None:
    process = open_tunnel(frpc("chatty"), tmp_path)
    try:
        assert next_event(process)["event"] == "public_url"
        helper = helper_pid(tmp_path)
        for _ in range(100):
            if (tmp_path / "frpc.log.chatty").exists():
                break
            time.sleep(0.1)
        else:
            pytest.fail("el programa se quedó bloqueado escribiendo")
        if ending == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            assert process.stdin
            process.stdin.close()
            process.stdin = None
        assert process.wait(10) == 0
        assert gone(helper)
    finally:
        finish(process)


def test_service_that_refuses(frpc: Environ, tmp_path: Path) -> None:
    process = open_tunnel(frpc("refuse"), tmp_path)
    try:
        event = next_event(process)
        assert (event["event"], event["reason"]) == ("failed", "service")
        assert "login to server failed" in event["detail"]
    finally:
        finish(process)


def test_a_silent_helper_is_not_waited_for_ever(frpc: Environ, tmp_path: Path) -> None:
    code = "from gradio import tunneling\ntunneling.TUNNEL_TIMEOUT_SECONDS = 1\ntunnel.START_SECONDS = 2"
    process = open_tunnel(frpc("silent"), tmp_path, code)
    try:
        event = next_event(process)
        assert (event["event"], event["reason"]) == ("failed", "service")
        assert gone(helper_pid(tmp_path))
    finally:
        finish(process)


def test_a_private_address_is_never_called_public(frpc: Environ, tmp_path: Path) -> None:
    process = open_tunnel(frpc("", "http://127.0.0.1:7860"), tmp_path)
    try:
        event = next_event(process)
        assert event["event"] == "failed"
        assert gone(helper_pid(tmp_path))
    finally:
        finish(process)


def test_a_damaged_helper_is_thrown_away(frpc: Environ, tmp_path: Path) -> None:
    environ = frpc()
    helper = next(Path(environ["HF_HOME"]).rglob("frpc_*"))
    helper.write_bytes(b"\x00<html>")
    process = open_tunnel(environ, tmp_path)
    try:
        event = next_event(process)
        assert (event["event"], event["reason"]) == ("failed", "program")
        assert not helper.exists()
    finally:
        finish(process)


def test_no_internet_for_the_helper(frpc: Environ, tmp_path: Path) -> None:
    environ = frpc()
    next(Path(environ["HF_HOME"]).rglob("frpc_*")).unlink()
    environ |= {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    process = open_tunnel(environ, tmp_path)
    try:
        event = next_event(process)
        assert (event["event"], event["reason"]) == ("failed", "program")
    finally:
        finish(process)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://abc123.gradio.live", True),
        ("http://34.120.1.2:8080", True),
        ("http://127.0.0.1:7860", False),
        ("http://localhost:7860", False),
        ("http://[::1]:7860", False),
        ("http://192.168.1.5", False),
        ("http://10.0.0.3", False),
        ("http://x.localhost", False),
        ("", False),
        ("ftp://abc.gradio.live", False),
    ],
)
def test_what_is_public(url: str, public: bool) -> None:
    assert is_public(url) is public


def test_importing_it_loads_no_gradio() -> None:
    modules = "sdcolab.colab.notebook, sdcolab.colab.tunnel"
    code = f"import sys, {modules}; print('gradio' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split() == ["False", "False"]
