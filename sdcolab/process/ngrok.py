"""A public link through ngrok, with the user's token.

ngrok's agent is a program of its own, downloaded from its official address on first use. It gets the token in its
environment, tells in JSON lines on stdout what it does, and answers with its public address at a local API
(https://ngrok.com/docs/agent/api, ``GET /api/tunnels``) that says in those lines where it listens: 127.0.0.1:4040, or
the next free port. What it prints goes to our log without the token: its errors quote it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sdcolab.process.public_link import LinkError, OpenLink, Reason

ADDRESS = "https://bin.ngrok.com/c/bNyj1mQVY4c/ngrok-v3-stable-linux-{machine}.tgz"
"""Where ngrok publishes its agent."""

ADDRESS_VARIABLE = "SDCOLAB_NGROK_URL"
"""Environment variable with another address of that file (a mirror, a test)."""

TOKEN_VARIABLE = "NGROK_AUTHTOKEN"
"""The agent's own environment variable for the token."""

START_SECONDS = 45.0
FETCH_SECONDS = 30.0
MAX_BYTES = 200_000_000
"""Of the program: what is bigger is not ngrok's agent."""

HIDDEN = "[oculto]"

_TOKEN_CODES = frozenset({105, 107, 4018})
_BUSY_CODES = frozenset({108, 334})
"""https://ngrok.com/docs/errors: tokens that are wrong, revoked or missing; the only agent or address is in use."""


def open_ngrok(port: int, token: str, folder: Path) -> OpenLink:
    """The link to ``port``. ``folder`` keeps the agent for the next time. Raises ``LinkError``."""
    agent = folder / "ngrok"
    if not agent.exists():
        fetch_agent(agent)
    command = [str(agent), "http", f"http://127.0.0.1:{port}", "--log=stdout", "--log-format=json", "--log-level=info"]
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {TOKEN_VARIABLE: token},
        )
    except OSError as error:
        agent.unlink(missing_ok=True)  # damaged: the next time it is downloaded again
        raise LinkError(Reason.PROGRAM, str(error)) from error
    watched = _Output(program, token)
    threading.Thread(target=watched.follow, daemon=True).start()
    try:
        return OpenLink(_wait_for_url(program, watched), program, watched.drain)
    except BaseException:
        program.kill()
        raise


def fetch_agent(agent: Path) -> None:
    """Download the agent to ``agent``. Raises ``LinkError``."""
    import requests

    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    address = os.environ.get(ADDRESS_VARIABLE) or ADDRESS.format(machine=machine)
    try:
        agent.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=agent.parent) as folder:
            packed, unpacked = Path(folder, "ngrok.tgz"), Path(folder, "ngrok")
            with requests.get(address, timeout=FETCH_SECONDS, stream=True) as answer, packed.open("wb") as file:
                answer.raise_for_status()
                for block in answer.iter_content(1 << 20):
                    file.write(block)
                    _require_reasonable(file.tell())
            _unpack(packed, unpacked)
            unpacked.chmod(0o700)
            unpacked.replace(agent)
    except (requests.RequestException, OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise LinkError(Reason.PROGRAM, f"{type(error).__name__}: {error}") from error


def code_of(text: str) -> int | None:
    """The number of ngrok's error ("ERR_NGROK_105") in what it says."""
    found = re.search(r"ERR_NGROK_(\d+)", text)
    return int(found[1]) if found else None


def reason_for(text: str) -> Reason:
    """What ngrok's error means for the user."""
    code = code_of(text)
    return Reason.TOKEN if code in _TOKEN_CODES else Reason.BUSY if code in _BUSY_CODES else Reason.SERVICE


class _Output:
    """What the agent prints: passed to our log without the token, and understood where it matters."""

    def __init__(self, program: subprocess.Popen[bytes], token: str) -> None:
        self._program = program
        self._token = token
        self.api = ""
        self.url = ""
        self.error = ""
        self.ended = threading.Event()

    def follow(self) -> None:
        """Until the agent ends (a thread of its own)."""
        assert self._program.stdout
        for line in _lines(self._program.stdout):
            safe = line.replace(self._token, HIDDEN) if self._token else line
            with contextlib.suppress(OSError):
                os.write(2, safe.encode("utf-8") + b"\n")
            with contextlib.suppress(ValueError):
                self._understand(json.loads(safe))
        self.ended.set()

    def drain(self) -> None:
        """Return when the agent has ended; ``follow`` reads meanwhile."""
        self.ended.wait()

    def _understand(self, said: Any) -> None:
        match said:
            case {"msg": "starting web service", "addr": str(address)}:
                self.api = address
            case {"msg": "started tunnel", "url": str(url)}:
                self.url = url
            case {"err": str(error), "lvl": "eror" | "crit"} if error and error != "<nil>":
                self.error = " ".join(error.split())
            case _:
                pass


def _wait_for_url(program: subprocess.Popen[bytes], watched: _Output) -> str:
    """The public address, as the agent's local API tells it. Raises ``LinkError``."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if program.poll() is not None:
            watched.ended.wait(5)
            break
        if reason_for(watched.error) is not Reason.SERVICE:  # the agent would try for ever
            break
        if url := _ask_api(watched.api) or watched.url:
            return url
        time.sleep(0.2)
    raise LinkError(reason_for(watched.error), watched.error or "no answer")


def _ask_api(address: str) -> str:
    """The first public address that the agent holds, or nothing yet.

    Only where this agent said that it listens: at the usual port another one may answer.
    """
    import requests

    if not address:
        return ""

    with contextlib.suppress(requests.RequestException, ValueError, LookupError, TypeError):
        with requests.Session() as session:
            session.trust_env = False  # proxies have nothing to do with it
            answer = session.get(f"http://{address}/api/tunnels", timeout=5).json()
        return str(answer["tunnels"][0]["public_url"])
    return ""


def _unpack(packed: Path, target: Path) -> None:
    """Write the file called ``ngrok`` of the ``.tgz`` to ``target``, and no other."""
    with tarfile.open(packed, "r:gz") as archive:
        for member in archive:
            if member.name.removeprefix("./") == "ngrok" and member.isfile():
                _require_reasonable(member.size)
                content = archive.extractfile(member)
                assert content
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
                return
    raise tarfile.ReadError("there is no ngrok in the file")


def _require_reasonable(size: int) -> None:
    if size > MAX_BYTES:
        raise tarfile.ReadError("the file is too big to be ngrok's agent")


def _lines(pipe: IO[bytes]) -> Iterator[str]:
    """Lines of a pipe through its descriptor: a daemon thread that holds a stream's lock aborts the exit."""
    rest = b""
    with contextlib.suppress(OSError):
        while block := os.read(pipe.fileno(), 1 << 16):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
