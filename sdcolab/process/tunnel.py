"""``python -m sdcolab.process.tunnel PORT [SERVICE...]``: a public link to a local port, as a process.

A process of its own, because the notebook's kernel must not import gradio and because the link then outlives the web
UI's process. It tries the services in the order given until one opens, holds that link, and looks at it from outside
every minute. It says what happens in JSON lines on stdout: ``{"event": "public_url", "service": ..., "url": ...}``,
``{"event": "failed", "service": ..., "reason": ..., "detail": ...}`` for each service that fails, and
``{"event": "lost", "service": ...}``; then it ends and the supervisor starts another. Its stdin is a pipe whose end
ends it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from sdcolab.core.errors import (
    HostError,
    NgrokBusy,
    NgrokDown,
    NgrokProgramMissing,
    NgrokTokenRejected,
    ShareDown,
    ShareProgramMissing,
)
from sdcolab.process.gradio_share import open_share
from sdcolab.process.ngrok import HIDDEN, TOKEN_VARIABLE, open_ngrok
from sdcolab.process.public_link import LinkError, OpenLink, Reason, Service, is_public


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between two looks at the link, and after one that failed; how many must fail in a row; each's limit."""

    every_seconds: float = 60.0
    again_seconds: float = 10.0
    failures: int = 3
    patience_seconds: float = 10.0


def tunnel_command(port: int, services: Iterable[Service] = (Service.GRADIO,)) -> tuple[str, ...]:
    """The command that makes ``port`` public through the first of ``services`` that can."""
    return (sys.executable, "-m", "sdcolab.process.tunnel", str(port), *services)


def main(arguments: Sequence[str], stdout: TextIO = sys.stdout) -> int:
    """Open the link, hold it until it is lost or somebody ends us, and return the exit code."""

    def say(**message: object) -> None:
        stdout.write(json.dumps(message) + "\n")
        stdout.flush()

    port, services = int(arguments[0]), [Service(name) for name in arguments[1:]] or [Service.GRADIO]
    token = os.environ.pop(TOKEN_VARIABLE, "")  # other programs that we start must not inherit it
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.redirect_stdout(sys.stderr):  # gradio prints; our stdout carries events only
        for service in services:
            try:
                link = open_link(service, port, token)
            except LinkError as error:
                say(event="failed", service=service, reason=error.reason, detail=str(error))
                continue
            except Exception as error:  # noqa: BLE001 - the edge of a process: the next service must have its turn
                traceback.print_exc()
                detail = f"{type(error).__name__}: {error}"[:500].replace(token or "\0", HIDDEN)
                say(event="failed", service=service, reason=Reason.SERVICE, detail=detail)
                continue
            try:
                threading.Thread(target=link.drain, daemon=True).start()
                if not is_public(link.url):
                    detail = f"not a public address: {link.url}"
                    say(event="failed", service=service, reason=Reason.SERVICE, detail=detail)
                    continue
                say(event="public_url", service=service, url=link.url)
                hold(link.program, f"http://127.0.0.1:{port}/", link.url)
                say(event="lost", service=service)
                return 1
            finally:
                link.program.kill()
    return 1


def open_link(service: Service, port: int, token: str) -> OpenLink:
    """A link through ``service``. Raises ``LinkError``."""
    if service is Service.NGROK:
        return open_ngrok(port, token, Path.cwd())
    return open_share(port)


def link_error(message: Mapping[str, object]) -> HostError:
    """Why a service made no link, from what the tunnel's process says."""
    detail, reason = str(message.get("detail")), message.get("reason")
    if message.get("service") != Service.NGROK:
        return ShareProgramMissing(reason=detail) if reason == Reason.PROGRAM else ShareDown(reason=detail)
    match reason:
        case Reason.TOKEN:
            return NgrokTokenRejected()
        case Reason.BUSY:
            return NgrokBusy()
        case Reason.PROGRAM:
            return NgrokProgramMissing(reason=detail)
        case _:
            return NgrokDown(reason=detail)


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


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _end_with_parent() -> None:
    """Our stdin is a pipe that nobody writes: its end means that the notebook's kernel is gone."""
    while os.read(0, 4096):  # not Python's stream: a daemon thread that holds its lock aborts the interpreter's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # not raise_signal: it must interrupt the main thread


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
