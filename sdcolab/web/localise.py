"""Makes gradio's own page Spanish: its document language, its title and the language of its built-in texts."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdcolab.core.words import page as words
from sdcolab.web.address import OWN_ROOT
from sdcolab.web.lighten import STILL, lightened

_EARLY_SCRIPT = """<script>
for (const [name, value] of [["language", "es"], ["languages", ["es"]]])
  Object.defineProperty(navigator, name, { get: () => value, configurable: true });
</script>"""
"""gradio picks the language of its texts from ``navigator.language`` before it runs any script of ours."""


class SpanishIndex:
    """ASGI middleware that edits the HTML of ``/`` and passes everything else on untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        answer = _Answer(send)
        await self._app({**scope, "headers": kept}, receive, answer.take)


class _Answer:
    """Holds an answer back until it is whole, then sends it in Spanish."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            headers = MutableHeaders(scope=self._start)
            if headers.get("content-type", "").startswith("text/html"):
                self._body = in_spanish(self._body.decode()).encode()
                headers["content-length"] = str(len(self._body))
                headers["cache-control"] = "no-store"
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": self._body})


def in_spanish(page: str) -> str:
    """gradio's index page with our language and name."""
    page = page.replace('lang="en"', 'lang="es"', 1).replace("<head>", f"<head>{_EARLY_SCRIPT}", 1)
    page = lightened(page).replace("</head>", f"{OWN_ROOT}{STILL}</head>", 1)
    return page.replace('content="Gradio"', 'content="sdcolab"').replace(
        'content="Click to try out the app!"', f'content="{words.DESCRIPTION}"'
    )
