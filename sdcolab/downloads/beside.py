"""What a site tells about a file, kept beside it: ``NAME.civitai.info`` (JSON) and ``NAME.preview.png``.

The names are those that A1111's extensions use (hechos/lanzadores.md 1a). All of it is best effort: whatever goes wrong
here, the file itself has arrived.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from sdcolab.core.errors import Cancelled, SdcolabError
from sdcolab.core.events import CancelToken
from sdcolab.core.files import atomic_write
from sdcolab.core.library import INFO_SUFFIX, PREVIEW_SUFFIX
from sdcolab.core.pictures import small_png
from sdcolab.downloads.http import Web
from sdcolab.downloads.providers.base import RemoteFile

MAX_INFO_BYTES = 1_000_000
"""Longest JSON that is kept."""

MAX_PREVIEW_BYTES = 10_000_000
"""Largest picture that is fetched."""

PREVIEW_SIDE = 768
"""Longest side of the preview that is kept, in pixels."""

PREVIEW_SECONDS = 20.0
"""How long a preview may take."""

_log = logging.getLogger(__name__)


def save_beside(path: Path, remote: RemoteFile, web: Web, cancel: CancelToken) -> None:
    """Write what ``remote`` tells about itself beside the file at ``path``, where it is not there yet."""
    info, preview = path.with_name(path.stem + INFO_SUFFIX), path.with_name(path.stem + PREVIEW_SUFFIX)
    try:
        if remote.about and not info.exists():
            _save_info(info, remote)
        if remote.preview and not preview.exists():
            _save_preview(preview, remote.preview, web, cancel)
    except Cancelled:
        return
    except SdcolabError as error:
        _log.info("nothing saved beside %s: %s", path.name, error.code)


def _save_info(target: Path, remote: RemoteFile) -> None:
    text = json.dumps(remote.about, ensure_ascii=False, indent=1)
    secret = remote.key.token if remote.key else None
    if len(text) > MAX_INFO_BYTES or (secret and secret in text):
        return
    with atomic_write(target) as file:
        file.write(text.encode("utf-8", "replace"))


def _save_preview(target: Path, url: str, web: Web, cancel: CancelToken) -> None:
    deadline = time.monotonic() + PREVIEW_SECONDS
    data = bytearray()
    with web.get(url) as answer:
        if answer.status != 200 or (answer.length or 0) > MAX_PREVIEW_BYTES:
            return
        for chunk in answer.chunks(65_536):
            cancel.raise_if_cancelled()
            data += chunk
            if len(data) > MAX_PREVIEW_BYTES or time.monotonic() > deadline:
                return
    picture = small_png(bytes(data), PREVIEW_SIDE)
    if picture:
        with atomic_write(target) as file:
            file.write(picture)
