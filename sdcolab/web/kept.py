"""What gradio answers the same way every time is made and compressed once, and browsers keep what never changes.

Making its document takes the server a fifth of a second; a page asks for a hundred files, which over a tunnel are a
hundred waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from sdcolab.web.whole import Whole

MOST_BYTES = 32 * 1024 * 1024
"""Of answers that are kept; all of gradio's are a third of it."""

_ASSETS = "/assets/"
"""Each name here holds a digest of its content."""

FOREVER = "private, max-age=31536000, immutable"
"""How browsers keep what never changes under its address."""
_PACKED = ("/config",)
"""Asked for when the page comes back to a server that was away: compressed, but made each time."""

_ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
"""What gradio's document depends on."""


class KeptAnswers:
    """ASGI ring around gradio: compresses its document and its assets, and keeps them in memory, ``most`` bytes."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, minimum_size=500)
        self._most = most
        self._kept: OrderedDict[Sequence[str], Whole] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        key = _key(scope)
        if key is None:
            packed = scope["type"] == "http" and scope["path"] in _PACKED
            await (self._packed if packed else self._plain)(scope, receive, send)
            return
        answer = self._kept.get(key)
        if answer is None:
            answer = await Whole.of(self._packed, scope, receive)
            if answer.status == 200:
                answer = answer.changed(answer.body, cache=FOREVER if scope["path"].startswith(_ASSETS) else "")
                self._keep(key, answer)
        else:
            self._kept.move_to_end(key)
        await answer.send(send)

    def _keep(self, key: Sequence[str], answer: Whole) -> None:
        self._kept[key] = answer
        while sum(len(one.body) for one in self._kept.values()) > self._most:
            self._kept.popitem(last=False)


def _key(scope: Scope) -> Sequence[str] | None:
    """What an answer that can be kept depends on; None of all others."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path, headers = scope["path"], Headers(scope=scope)
    if scope["query_string"] or "range" in headers or not (path == "/" or path.startswith(_ASSETS)):
        return None
    gzip = "gzip" in headers.get("accept-encoding", "")
    return (path, str(gzip), *(headers.get(name, "") for name in _ADDRESS if path == "/"))
