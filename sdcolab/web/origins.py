"""The gate for other sites' pages: which requests they may cause, and what browsers are told about ours.

A browser says where a request comes from with headers that a page cannot write: ``Sec-Fetch-Site`` (over https and on
this computer) and ``Origin``. That a cookie comes along proves nothing: a tunnel's domain is shared with strangers.
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

COLAB_SITES = ("https://colab.research.google.com", "https://*.googleusercontent.com", "https://*.prod.colab.dev")
"""Who may show the page in a frame: the notebook, and the frames that Colab puts a cell's output in."""

ENTRANCES = frozenset({"/", "/login"})
"""Where a link on another site, or a frame, may lead."""

SAFE_METHODS = frozenset({"GET", "HEAD"})

_FOR_WHOM = "cross-origin-resource-policy"

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    _FOR_WHOM: "same-origin",
    "content-security-policy": f"frame-ancestors 'self' {' '.join(COLAB_SITES)}",
}

REFUSAL = {"connection": "close", _FOR_WHOM: "cross-origin"}
"""Headers of what anybody gets who may get nothing. That somebody answers here is all that another site's page hears:
the launcher's waits for it."""

_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-allow-private-network": "true",
    "access-control-max-age": "600",
}
"""What a page of an allowed site may ask for. Not our cookies: it sends the password itself, with each request."""


class Caller(Enum):
    """Whose page makes a request."""

    OWN = "own"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    """No browser, or one that says nothing because it was asked for no more than to show something."""


def caller(headers: Headers) -> Caller:
    """Who asks, as far as the browser says. Behind a proxy that changes ``Host`` only ``Sec-Fetch-Site`` knows."""
    if site := headers.get("sec-fetch-site"):
        return Caller.OWN if site in ("same-origin", "none") else Caller.FOREIGN
    if (origin := headers.get("origin")) is None:
        return Caller.UNKNOWN
    try:
        same = urlsplit(origin).netloc.casefold() == headers.get("host", "").casefold()
    except ValueError:
        return Caller.FOREIGN
    return Caller.OWN if same else Caller.FOREIGN


def is_intrusion(path: str, method: str, headers: Headers) -> bool:
    """Whether another site's page makes a request that it may not: any but opening our page."""
    if caller(headers) is not Caller.FOREIGN:
        return False
    opens = method in SAFE_METHODS and headers.get("sec-fetch-mode") == "navigate" and path in ENTRANCES
    return not (opens and "origin" not in headers)


def guest(headers: Headers, allowed: frozenset[str]) -> str:
    """The origin of the other site's page that asks, when it is one of ``allowed``; "" when it is not."""
    origin = headers.get("origin", "")
    return origin if caller(headers) is Caller.FOREIGN and origin.casefold() in allowed else ""


def preflight() -> Response:
    """The answer to what a browser asks before it lets a page of an allowed site make a request."""
    return Response(status_code=204, headers=_PREFLIGHT)


def host_name(headers: Headers) -> str:
    """The name by which the server was called, without its port; empty when it is not a name."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def is_https(headers: Headers) -> bool:
    """Whether the browser speaks https to the proxy before us: the proxy says so, or the browser's own origin."""
    forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip().casefold()
    return forwarded == "https" or headers.get("origin", "").casefold().startswith("https://")


def is_framed(headers: Headers) -> bool:
    """Whether the browser asks for what it will show inside another page."""
    return headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object")


def protected(send: Send, origin: str = "") -> Send:
    """``send`` with our headers on every answer, and without those that open it to other sites (gradio repeats any
    ``Origin`` there); only the page of ``origin`` may read it, when there is one."""

    async def send_protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.startswith("access-control-")]:
                if not origin or name not in _PREFLIGHT:
                    del headers[name]
            if origin:
                headers["access-control-allow-origin"] = origin
                headers.add_vary_header("origin")
            refused = message["status"] == 403 and headers.get(_FOR_WHOM) == REFUSAL[_FOR_WHOM]
            for name, value in _ALWAYS.items():
                headers[name] = REFUSAL.get(name, value) if refused else value
        await send(message)

    return send_protected
