"""The address by which the browser knows us, told to gradio.

Behind Colab's own proxy the server is called by an internal name that no browser can reach, and no header of the proxy
says the real one (gradio issue 13629). gradio before 6.27 then sends the browser to that name for its events, and any
gradio names files by it. The browser itself says where it is, with each request that our own page makes.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sdcolab.web.origins import Caller, caller

OWN_ROOT = "<script>if (window.gradio_config) window.gradio_config.root = location.origin;</script>"
"""For the head of gradio's page: where the page itself came from is where its events go."""

_FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto")


class BrowserAddress:
    """ASGI middleware that names our host as the browser does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (seen := seen_from(Headers(scope=scope))):
            scheme, host = seen
            kept = [(name, value) for name, value in scope["headers"] if name not in _FORWARDED]
            told = [(b"x-forwarded-host", host.encode("latin-1")), (b"x-forwarded-proto", scheme.encode("ascii"))]
            scope = {**scope, "headers": [*kept, *told]}
        await self._app(scope, receive, send)


def seen_from(headers: Headers) -> tuple[str, str] | None:
    """Scheme and host of the page that asks, when a browser says that it is our own (``Sec-Fetch-Site``)."""
    if headers.get("sec-fetch-site") != "same-origin" or caller(headers) is not Caller.OWN:
        return None
    try:
        page = urlsplit(headers.get("origin") or headers.get("referer") or "")
    except ValueError:
        return None
    return (page.scheme, page.netloc) if page.scheme in ("http", "https") and page.netloc.isascii() else None
