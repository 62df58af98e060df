"""A public link through Gradio's share service.

Unlike ``launch(share=True)`` it never waits for ever and throws away a helper that was downloaded damaged
(hechos/lanzadores.md 7a). ``GRADIO_SHARE_SERVER_ADDRESS`` names another server.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from sdcolab.process.public_link import LinkError, OpenLink, Reason

START_SECONDS = 75
"""Longest wait for a link. Gradio's own limit is only looked at between two lines of its helper."""

SERVER_VARIABLE = "GRADIO_SHARE_SERVER_ADDRESS"


def open_share(port: int) -> OpenLink:
    """The link to ``port``. Raises ``LinkError``."""
    from gradio import networking, tunneling

    _fetch_program(tunneling)
    stop = threading.Timer(START_SECONDS, _kill_helpers, [tunneling])
    stop.daemon = True
    stop.start()
    try:
        url = networking.setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except Exception as error:  # an edge: gradio's own errors, its network's and the system's
        _kill_helpers(tunneling)
        if _is_programs_fault(error, tunneling.BINARY_PATH):
            _discard_program(tunneling)
            raise LinkError(Reason.PROGRAM, str(error)) from error
        raise LinkError(Reason.SERVICE, f"{type(error).__name__}: {error}") from error
    except BaseException:
        _kill_helpers(tunneling)
        raise
    finally:
        stop.cancel()
    program = tunneling.CURRENT_TUNNELS[-1].proc
    assert program is not None
    if not os.environ.get(SERVER_VARIABLE):  # the helper speaks of http; Gradio's own service is https (as in launch())
        url = urlsplit(url)._replace(scheme="https").geturl()

    def drain() -> None:
        other = threading.Thread(target=_drain, args=(program.stderr,), daemon=True)
        other.start()
        _drain(program.stdout)

    return OpenLink(url, program, drain)


def _fetch_program(tunneling: Any) -> None:
    """Download gradio's helper. One that fails its checksum is removed: gradio would use it the next time."""
    try:
        tunneling.Tunnel.download_binary()
    except Exception as error:  # an edge: httpx, OSError and gradio's own errors all mean the same here
        _discard_program(tunneling)
        raise LinkError(Reason.PROGRAM, f"{type(error).__name__}: {error}") from error


def _is_programs_fault(error: Exception, path: str) -> bool:
    """Whether the system could not run the helper, as when a web page was saved in its place (ENOEXEC is 8)."""
    return isinstance(error, PermissionError) or (
        isinstance(error, OSError) and (error.filename == path or error.errno == 8)
    )


def _discard_program(tunneling: Any) -> None:
    with contextlib.suppress(OSError):
        Path(tunneling.BINARY_PATH).unlink()


def _kill_helpers(tunneling: Any) -> None:
    for tunnel in tunneling.CURRENT_TUNNELS:
        if tunnel.proc is not None:
            tunnel.proc.kill()


def _drain(pipe: IO[bytes] | None) -> None:
    """Read what the helper prints, so that it never blocks on a full pipe, and pass it to our log.

    File descriptors and not Python's streams: a daemon thread that holds a stream's lock aborts the interpreter's end.
    """
    if pipe is not None:
        with contextlib.suppress(OSError):
            while block := os.read(pipe.fileno(), 1 << 16):
                os.write(2, block)
