"""Makes gradio's own page Spanish: its document language, its title and the language of its built-in texts."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from sdcolab.core.words import page as words
from sdcolab.web.address import OWN_ROOT
from sdcolab.web.lighten import STILL, lightened
from sdcolab.web.whole import Whole

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
        answer = await Whole.of(self._app, {**scope, "headers": kept}, receive)
        if dict(answer.headers).get(b"content-type", b"").startswith(b"text/html"):
            answer = answer.changed(in_spanish(answer.body.decode()).encode(), cache="no-store")
        await answer.send(send)


def in_spanish(page: str) -> str:
    """gradio's index page with our language and name."""
    page = page.replace('lang="en"', 'lang="es"', 1).replace("<head>", f"<head>{_EARLY_SCRIPT}", 1)
    page = lightened(page).replace("</head>", f"{OWN_ROOT}{STILL}</head>", 1)
    return page.replace('content="Gradio"', 'content="sdcolab"').replace(
        'content="Click to try out the app!"', f'content="{words.DESCRIPTION}"'
    )
