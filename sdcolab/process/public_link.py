"""What every service that makes a port public has in common: its name, the link it gives, and how it fails."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class Service(StrEnum):
    """Who makes the link, as it travels in command lines and events."""

    GRADIO = "gradio"
    NGROK = "ngrok"


class Reason(StrEnum):
    """Why there is no link."""

    SERVICE = "service"
    """The service, or the network on the way to it."""
    PROGRAM = "program"
    """Its helper program could not be downloaded or run."""
    TOKEN = "token"
    """The service does not accept the user's token."""
    BUSY = "busy"
    """The user's account has the link open somewhere else."""


class LinkError(Exception):
    """There is no link. ``str`` of it is the service's own message, without secrets."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail[:500])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A public address and the helper program that holds it. ``drain`` reads what the helper prints until it ends."""

    url: str
    program: subprocess.Popen[bytes]
    drain: Callable[[], None]


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
