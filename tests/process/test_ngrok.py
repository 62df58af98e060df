"""ngrok's link, with a stand-in for its agent that a loopback server gives (same command line, lines and local API)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import gone

from sdcolab.process.ngrok import ADDRESS_VARIABLE, HIDDEN, code_of, fetch_agent, reason_for
from sdcolab.process.public_link import LinkError, Reason, Service
from sdcolab.process.tunnel import tunnel_command
from tests.support.ngrok import packed_agent
from tests.support.servers import FileServer

TOKEN = "2ZzVEPQ2pYHCYDdkn6rGGHKxXXX_4fjXPGm3pLqeXpbX"
Environ = Callable[..., dict[str, str]]


@pytest.fixture
def site() -> Iterator[FileServer]:
    """Where the agent is downloaded from."""
    with FileServer({"/ngrok.tgz": packed_agent()}) as server:
        yield server


class Tunnel:
    """The tunnel's process, as the supervisor runs it."""

    def __init__(self, folder: Path, environ: dict[str, str], site: FileServer, mode: str) -> None:
        self.folder = folder
        self.environ = environ | {
            "NGROK_AUTHTOKEN": TOKEN,
            ADDRESS_VARIABLE: f"{site.url}/ngrok.tgz",
            "STANDIN_NGROK": mode,
            "STANDIN_NGROK_LOG": str(folder / "agente.txt"),
        }
        self.log = folder / "registro.log"

    def open(self, *services: Service, before: str = "") -> None:
        """Start it. ``before`` is code that runs first, in the same process."""
        command = list(tunnel_command(7860, services))
        if before:
            start = f"import sys\nfrom sdcolab.process import tunnel\n{before}\nsys.exit(tunnel.main(sys.argv[1:]))"
            command = [sys.executable, "-c", start, *command[3:]]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environ,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def event(self) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            assert TOKEN not in line
            if line.startswith("{"):
                event: dict[str, Any] = json.loads(line)
                return event
        raise AssertionError(f"terminó sin decir nada:\n{self.log.read_text()}")

    def agent(self) -> int:
        return int((self.folder / "agente.txt").read_text().splitlines()[-1].split()[0])

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)

    def written(self) -> str:
        """Everything that lies in its folder, but the agent itself."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and "hf" not in path.parts]
        return "\n".join(path.read_text(errors="replace") for path in found)


@pytest.fixture
def tunnel(tmp_path: Path, frpc: Environ, site: FileServer) -> Iterator[Callable[..., Tunnel]]:
    made: list[Tunnel] = []

    def make(mode: str = "") -> Tunnel:
        made.append(Tunnel(tmp_path, frpc(), site, mode))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("mode", ["", "late"])
def test_a_link_by_token(tunnel: Callable[..., Tunnel], site: FileServer, mode: str) -> None:
    one = tunnel(mode)
    one.open(Service.NGROK)
    assert one.event() == {"event": "public_url", "service": "ngrok", "url": "https://gato.ngrok-free.app"}
    agent = one.agent()
    arguments = Path(f"/proc/{agent}/cmdline").read_text() + Path(f"/proc/{one.process.pid}/cmdline").read_text()
    assert TOKEN not in arguments
    assert "http\0http://127.0.0.1:7860\0" in arguments
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(10) == 0
    assert gone(agent)
    assert TOKEN not in one.written()

    one.open(Service.NGROK)  # the agent is downloaded once
    assert one.event()["event"] == "public_url"
    assert len(site.seen) == 1
    assert (one.folder / "ngrok").stat().st_mode & 0o777 == 0o700


def test_a_link_that_is_lost(tunnel: Callable[..., Tunnel]) -> None:
    one = tunnel("short")
    one.open(Service.NGROK)
    assert one.event()["event"] == "public_url"
    assert one.event() == {"event": "lost", "service": "ngrok"}
    assert one.process.wait(10) == 1


def test_a_wrong_token_is_told_and_gradio_takes_its_place(tunnel: Callable[..., Tunnel]) -> None:
    one = tunnel("wrong")
    one.open(Service.NGROK, Service.GRADIO)
    failed = one.event()
    assert (failed["event"], failed["service"], failed["reason"]) == ("failed", "ngrok", Reason.TOKEN)
    assert f"Your authtoken: {HIDDEN} ERR_NGROK_105" in failed["detail"]
    assert one.event() == {"event": "public_url", "service": "gradio", "url": "http://prueba.gradio.example"}
    assert gone(one.agent())
    written = one.written()
    assert TOKEN not in written
    assert f"Your authtoken: {HIDDEN}" in written
    helper = int((one.folder / "frpc.log").read_text().split()[0])
    assert "NGROK_AUTHTOKEN" not in Path(f"/proc/{helper}/environ").read_text()


def test_an_account_with_its_link_elsewhere(tunnel: Callable[..., Tunnel]) -> None:
    one = tunnel("busy")
    one.open(Service.NGROK)
    failed = one.event()
    assert (failed["reason"], "ERR_NGROK_108" in failed["detail"]) == (Reason.BUSY, True)
    assert one.process.wait(10) == 1
    assert gone(one.agent())


@pytest.mark.parametrize("failure", ["tunnel.LinkError(tunnel.Reason.SERVICE, 'x')", "ZeroDivisionError()"])
def test_ngrok_takes_gradios_place_whatever_happens_to_it(tunnel: Callable[..., Tunnel], failure: str) -> None:
    one = tunnel()
    one.open(Service.GRADIO, Service.NGROK, before=f"def fail(port): raise {failure}\ntunnel.open_share = fail")
    failed = one.event()
    assert (failed["event"], failed["service"], failed["reason"]) == ("failed", "gradio", "service")
    assert one.event()["url"] == "https://gato.ngrok-free.app"


def test_an_agent_that_never_connects_is_not_waited_for_ever(
    tmp_path: Path, frpc: Environ, site: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdcolab.process import ngrok

    one = Tunnel(tmp_path, frpc(), site, "down")
    for name, value in one.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ngrok, "START_SECONDS", 1.5)
    with pytest.raises(LinkError) as caught:
        ngrok.open_ngrok(7860, TOKEN, one.folder)
    assert caught.value.reason is Reason.SERVICE
    assert "failed to dial ngrok server" in str(caught.value)
    assert gone(one.agent())


@pytest.mark.parametrize(
    "content",
    [
        b"<html>hotel wifi: please log in</html>",
        packed_agent()[:200],
        packed_agent(name="../ngrok"),
        packed_agent(name="otro"),
    ],
    ids=["web page", "cut short", "outside", "without agent"],
)
def test_what_is_not_the_agent_is_refused(
    content: bytes, site: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.files["/ngrok.tgz"] = content
    monkeypatch.setenv(ADDRESS_VARIABLE, f"{site.url}/ngrok.tgz")
    with pytest.raises(LinkError) as caught:
        fetch_agent(tmp_path / "programas" / "ngrok")
    assert caught.value.reason is Reason.PROGRAM
    assert list((tmp_path / "programas").iterdir()) == []
    assert not (tmp_path / "ngrok").exists()


def test_a_damaged_agent_is_thrown_away(tunnel: Callable[..., Tunnel]) -> None:
    one = tunnel()
    (one.folder / "ngrok").write_bytes(b"\x00\x01")
    (one.folder / "ngrok").chmod(0o700)
    one.open(Service.NGROK)
    assert one.event()["reason"] == Reason.PROGRAM
    one.process.wait(10)
    one.open(Service.NGROK)
    assert one.event()["event"] == "public_url"


def test_no_internet_for_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "http://127.0.0.1:9/ngrok.tgz")
    with pytest.raises(LinkError) as caught:
        fetch_agent(tmp_path / "ngrok")
    assert caught.value.reason is Reason.PROGRAM


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("… ERR_NGROK_107", 107, Reason.TOKEN),
        ("… ERR_NGROK_4018\r\n", 4018, Reason.TOKEN),
        ("limited to 1 simultaneous ngrok agent sessions. ERR_NGROK_108", 108, Reason.BUSY),
        ("ERR_NGROK_8012", 8012, Reason.SERVICE),
        ("dial tcp: lookup connect.ngrok-agent.com: no such host", None, Reason.SERVICE),
    ],
)
def test_what_ngroks_errors_mean(text: str, code: int | None, reason: Reason) -> None:
    assert code_of(text) == code
    assert reason_for(text) is reason


def test_the_token_is_not_inherited_from_our_environment() -> None:
    assert "NGROK_AUTHTOKEN" not in os.environ
