"""gradio hears the address that the browser knows, whatever a proxy calls us."""

from __future__ import annotations

import asyncio

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from sdcolab.web.address import BrowserAddress, seen_from
from sdcolab.web.localise import in_spanish

INTERNAL = {"host": "m-1.us-east1.c.colab.internal:7860"}
OURS = {**INTERNAL, "sec-fetch-site": "same-origin"}
PAGE = "https://7860-m-1-colab.googleusercontent.com"


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({**OURS, "origin": PAGE}, ("https", PAGE.removeprefix("https://"))),
        ({**OURS, "referer": f"{PAGE}/?x=1"}, ("https", PAGE.removeprefix("https://"))),
        ({**OURS, "origin": "http://localhost:9"}, ("http", "localhost:9")),
        ({**INTERNAL, "origin": PAGE}, None),
        ({**INTERNAL, "sec-fetch-site": "cross-site", "origin": "https://otra.gradio.live"}, None),
        ({**INTERNAL, "sec-fetch-site": "none"}, None),
        ({**OURS, "origin": "null"}, None),
        ({**OURS, "origin": "http://["}, None),
        ({**OURS, "origin": "file://casa"}, None),
    ],
)
def test_only_our_own_page_is_believed(headers: dict[str, str], seen: tuple[str, str] | None) -> None:
    assert seen_from(Headers(headers)) == seen


def test_gradio_is_told() -> None:
    told: list[Headers] = []

    async def gradio(scope: Scope, _receive: Receive, _send: Send) -> None:
        told.append(Headers(scope=scope))

    async def nothing() -> Message:
        return {}

    async def drop(_message: Message) -> None:
        return

    sent = Headers({**OURS, "origin": PAGE, "x-forwarded-host": "otra"}).raw
    asyncio.run(BrowserAddress(gradio)({"type": "http", "headers": sent}, nothing, drop))
    assert told[0].getlist("x-forwarded-host") == [PAGE.removeprefix("https://")]
    assert told[0]["x-forwarded-proto"] == "https"


def test_the_page_takes_its_own_root() -> None:
    page = in_spanish('<html lang="en"><head><script>window.gradio_config = {};</script></head><body></body></html>')
    assert page.index("gradio_config = {}") < page.index("gradio_config.root = location.origin") < page.index("</head>")
