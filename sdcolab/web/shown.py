"""Pictures in the one format that browsers do not show."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sdcolab.core.errors import SdcolabError
from sdcolab.core.pictures import for_browsers, read_picture_file

HIDDEN_SUFFIXES = (".tif", ".tiff")


class AsPng:
    """ASGI application that answers with the picture at ``path`` as a PNG."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            data = await asyncio.to_thread(lambda: for_browsers(read_picture_file(self._path)))
        except SdcolabError:
            await Response(status_code=404)(scope, receive, send)
            return
        await Response(data, media_type="image/png")(scope, receive, send)
