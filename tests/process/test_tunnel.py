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
from support.processes import gone

from sdcolab.process.public_link import is_public
from sdcolab.process.tunnel import Rhythm, Verdict, hold, judge, status_of, tunnel_command

Environ = Callable[..., dict[str, str]]


def open_tunnel(environ: dict[str, str], folder: Path, code: str = "") -> subprocess.Popen[str]:
    """The tunnel's process. ``code`` runs before it, to change a limit."""
    command = list(tunnel_command(7860))
    if code:
        command = [
            sys.executable,
            "-c",
            f"import sys\nfrom sdcolab.process import gradio_share, tunnel\n{code}\nsys.exit(tunnel.main(['7860']))",
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


def finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_link_and_its_loss(frpc: Environ, tmp_path: Path) -> None:
    process = open_tunnel(frpc("short"), tmp_path)
    try:
        url = "http://prueba.gradio.example"
        assert next_event(process) == {"event": "public_url", "service": "gradio", "url": url}
        assert next_event(process) == {"event": "lost", "service": "gradio"}
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
    code = "from gradio import tunneling\ntunneling.TUNNEL_TIMEOUT_SECONDS = 1\ngradio_share.START_SECONDS = 2"
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
    modules = "sdcolab.colab.notebook, sdcolab.process.tunnel"
    code = f"import sys, {modules}; print('gradio' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("local", "outside", "seen_alive", "verdict"),
    [
        (303, 303, False, Verdict.ALIVE),
        (303, 200, False, Verdict.ALIVE),
        (404, 404, True, Verdict.ALIVE),
        (303, 404, False, Verdict.DEAD),  # "No interface is running right now"
        (303, 502, False, Verdict.DEAD),
        (303, None, True, Verdict.DEAD),
        (303, None, False, Verdict.UNKNOWN),  # this machine may not reach it at all
        (None, 502, True, Verdict.UNKNOWN),  # the page is starting again
        (None, None, True, Verdict.UNKNOWN),
    ],
)
def test_what_a_look_from_outside_tells(
    local: int | None, outside: int | None, seen_alive: bool, verdict: Verdict
) -> None:
    assert judge(local, outside, seen_alive) is verdict


QUICK = Rhythm(every_seconds=0.05, again_seconds=0.05, failures=3, patience_seconds=2.0)


def test_a_dead_link_is_let_go_after_three_looks() -> None:
    answers = iter([303, 404, 303, 404, 404, 404])
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        hold(program, "aqui", "fuera", QUICK, lambda url, seconds: 303 if url == "aqui" else next(answers))
        assert next(answers, "ninguna") == "ninguna"
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def test_a_helper_that_ends_is_a_lost_link() -> None:
    program = subprocess.Popen([sys.executable, "-c", ""])
    hold(program, "aqui", "fuera", QUICK, lambda url, seconds: 303)
    assert program.poll() == 0


def test_nobody_there_is_no_status() -> None:
    assert status_of("http://127.0.0.1:9/", 1.0) is None


def test_a_link_whose_page_is_gone_is_told(frpc: Environ, tmp_path: Path) -> None:
    """The helper lives, the page lives, and the link answers with the service's error page."""
    servers = (
        "import http.server, threading\n"
        "def serve(status):\n"
        "    class Answer(http.server.BaseHTTPRequestHandler):\n"
        "        def do_GET(self): self.send_response(status); self.end_headers()\n"
        "    server = http.server.HTTPServer(('127.0.0.1', 0), Answer)\n"
        "    threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "    return server.server_address[1]\n"
        "here, outside = serve(200), serve(404)\n"
        "rhythm, keep = tunnel.Rhythm(0.1, 0.1, 3, 2.0), tunnel.hold\n"
        "tunnel.hold = lambda program, local, public: keep(\n"
        "    program, f'http://127.0.0.1:{here}/', f'http://127.0.0.1:{outside}/', rhythm)"
    )
    process = open_tunnel(frpc(), tmp_path, servers)
    try:
        assert next_event(process)["event"] == "public_url"
        assert next_event(process)["event"] == "lost"
        assert process.wait(10) == 1
        assert gone(helper_pid(tmp_path))
    finally:
        finish(process)
