"""``python -m sdcolab.colab.tunnel PORT``: a public link to a local port through Gradio's share service, as a process.

A process of its own, because the notebook's kernel must not import gradio and because the link then outlives the web
UI's process. It says what happens in JSON lines on stdout: ``{"event": "public_url", "url": ...}``,
``{"event": "lost"}``, or ``{"event": "failed", "reason": "service" | "program", "detail": ...}`` and then ends; the
supervisor starts another. Its stdin is a pipe whose end ends it too.

Unlike ``launch(share=True)`` it drains the helper program's pipes, watches that it lives, never waits for ever, and
throws away a helper that was downloaded damaged (hechos/lanzadores.md 7a). It also looks at the link from outside every
minute. ``GRADIO_SHARE_SERVER_ADDRESS`` names
another server.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, TextIO
from urllib.parse import urlsplit

START_SECONDS = 75
"""Longest wait for a link. Gradio's own limit is only looked at between two lines of its helper."""

SERVER_VARIABLE = "GRADIO_SHARE_SERVER_ADDRESS"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between two looks at the link, and after one that failed; how many must fail in a row; each's limit."""

    every_seconds: float = 60.0
    again_seconds: float = 10.0
    failures: int = 3
    patience_seconds: float = 10.0


class ShareProgramError(Exception):
    """The helper program could not be downloaded or run."""


def tunnel_command(port: int) -> tuple[str, ...]:
    """The command that makes ``port`` public."""
    return (sys.executable, "-m", "sdcolab.colab.tunnel", str(port))


def is_public(url: str) -> bool:
    """Whether other machines could open ``url``: a web address whose host is not this machine or a private network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or "." not in host or host.endswith((".localhost", ".local", ".internal")):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True


def main(arguments: Sequence[str], stdout: TextIO = sys.stdout) -> int:
    """Open the link, hold it until it is lost or somebody ends us, and return the exit code."""

    def say(**message: object) -> None:
        stdout.write(json.dumps(message) + "\n")
        stdout.flush()

    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.redirect_stdout(sys.stderr):  # gradio prints; our stdout carries events only
        try:
            url, program = open_share(int(arguments[0]))
        except ShareProgramError as error:
            say(event="failed", reason="program", detail=str(error))
            return 1
        except Exception as error:  # noqa: BLE001 - the edge of a process: whatever gradio or its network raise
            say(event="failed", reason="service", detail=f"{type(error).__name__}: {error}"[:500])
            return 1
        try:
            for pipe in (program.stdout, program.stderr):
                threading.Thread(target=_drain, args=(pipe,), daemon=True).start()
            if not is_public(url):
                say(event="failed", reason="service", detail=f"not a public address: {url}")
                return 1
            say(event="public_url", url=url)
            hold(program, f"http://127.0.0.1:{int(arguments[0])}/", url)
            say(event="lost")
        finally:
            program.kill()
    return 1


class Verdict(StrEnum):
    """What one look at the link from outside tells."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


def judge(local: int | None, outside: int | None, seen_alive: bool) -> Verdict:
    """Compare the status that the page itself answers with the one that its public link does (None: no answer).

    While the page does not answer here it is starting again, and nothing can be said. A link that never answered from
    this machine may still work for others; one that answers with the share service's own error page does not.
    """
    if local is None:
        return Verdict.UNKNOWN
    if outside is None:
        return Verdict.DEAD if seen_alive else Verdict.UNKNOWN
    if outside != local and (outside >= 500 or outside in (404, 410)):
        return Verdict.DEAD
    return Verdict.ALIVE


def hold(
    program: subprocess.Popen[bytes],
    local_url: str,
    public_url: str,
    rhythm: Rhythm = Rhythm(),
    ask: Callable[[str, float], int | None] | None = None,
) -> None:
    """Return when the link is lost: its helper ended, or looks from outside find it dead several times in a row.

    The helper can live while the link is dead for hours (hechos/lanzadores.md 7a).
    """
    ask = ask or status_of
    seen_alive, failures = False, 0
    while True:
        try:
            program.wait(rhythm.again_seconds if failures else rhythm.every_seconds)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        verdict = judge(ask(local_url, rhythm.patience_seconds), ask(public_url, rhythm.patience_seconds), seen_alive)
        seen_alive = seen_alive or verdict is Verdict.ALIVE
        failures = failures + 1 if verdict is Verdict.DEAD else 0
        if failures >= rhythm.failures:
            return


def status_of(url: str, seconds: float) -> int | None:
    """The HTTP status that ``url`` answers, or None when it does not in ``seconds``."""
    import requests

    try:
        with requests.get(url, timeout=seconds, allow_redirects=False, stream=True) as answer:
            return answer.status_code
    except requests.RequestException:
        return None


def open_share(port: int) -> tuple[str, subprocess.Popen[bytes]]:
    """The link and the helper that holds it. Raises ``ShareProgramError``, and what gradio raises for its service."""
    from gradio import networking, tunneling

    _fetch_program(tunneling)
    stop = threading.Timer(START_SECONDS, _kill_helpers, [tunneling])
    stop.daemon = True
    stop.start()
    try:
        url = networking.setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except PermissionError as error:
        _discard_program(tunneling)
        raise ShareProgramError(str(error)) from error
    except OSError as error:
        if error.filename == tunneling.BINARY_PATH or error.errno == 8:  # ENOEXEC: a page saved as a program, say
            _discard_program(tunneling)
            raise ShareProgramError(str(error)) from error
        raise
    except BaseException:
        _kill_helpers(tunneling)
        raise
    finally:
        stop.cancel()
    program = tunneling.CURRENT_TUNNELS[-1].proc
    assert program is not None
    if not os.environ.get(SERVER_VARIABLE):  # the helper speaks of http; Gradio's own service is https (as in launch())
        url = urlsplit(url)._replace(scheme="https").geturl()
    return url, program


def _fetch_program(tunneling: Any) -> None:
    """Download gradio's helper. One that fails its checksum is removed: gradio would use it the next time."""
    try:
        tunneling.Tunnel.download_binary()
    except Exception as error:  # an edge: httpx, OSError and gradio's own errors all mean the same here
        _discard_program(tunneling)
        raise ShareProgramError(f"{type(error).__name__}: {error}"[:500]) from error


def _discard_program(tunneling: Any) -> None:
    with contextlib.suppress(OSError):
        Path(tunneling.BINARY_PATH).unlink()


def _kill_helpers(tunneling: Any) -> None:
    for tunnel in tunneling.CURRENT_TUNNELS:
        if tunnel.proc is not None:
            tunnel.proc.kill()


# The two threads below use file descriptors and not Python's streams: a daemon thread that holds a stream's lock aborts
# the interpreter's end.


def _drain(pipe: IO[bytes] | None) -> None:
    """Read what the helper prints, so that it never blocks on a full pipe, and pass it to our log."""
    if pipe is not None:
        with contextlib.suppress(OSError):
            while block := os.read(pipe.fileno(), 1 << 16):
                os.write(2, block)


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _end_with_parent() -> None:
    """Our stdin is a pipe that nobody writes: its end means that the notebook's kernel is gone."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # not raise_signal: it must interrupt the main thread


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
