"""The page and its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class WebError(SdcolabError):
    """The web UI could not do what was asked."""


@dataclass(eq=False)
class PortBusy(WebError):
    """Another program uses the port."""

    code: ClassVar[str] = "web.port_busy"
    port: int


@dataclass(eq=False)
class PortForbidden(WebError):
    """The system keeps the port for itself."""

    code: ClassVar[str] = "web.port_forbidden"
    port: int


@dataclass(eq=False)
class QueueFull(WebError):
    """Too many jobs are waiting."""

    code: ClassVar[str] = "web.queue_full"
    limit: int


@dataclass(eq=False)
class QueueClosed(WebError):
    """The studio was closed: nobody would do the job."""

    code: ClassVar[str] = "web.queue_closed"
