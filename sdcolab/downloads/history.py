"""``descargas.json``: what was downloaded, so that a later session can offer it again. No secret is ever in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import StorageError
from sdcolab.core.folders import Folders
from sdcolab.core.kept import change_kept, peek_kept, read_or_aside
from sdcolab.downloads.links import KIND_PREFIXES, Link, LocalFile, without_secrets
from sdcolab.downloads.report import LinkReport

HISTORY_FILE = "descargas.json"
MAX_REMEMBERED = 500

_SIGNED = re.compile(
    r"x-amz-|sig$|signature|policy|expires|^ex$|^is$|^hm$|authorization|password|secret", re.IGNORECASE
)
"""Query keys of addresses that stop working, or that nobody else should have: such links are not remembered."""
_GRAMMAR = re.compile(r"[,;\n<>|\[\]]")
"""What a name cannot contain in a list of links."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file that was downloaded once. ``link`` is what to give to ``DownloadQueue.run`` to have it again."""

    link: str
    name: str
    kind: ModelKind
    size: int | None = None


class DownloadHistory:
    """The list in ``folder``, which other programs may add to at the same time; looks at the file each time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / HISTORY_FILE

    def entries(self) -> tuple[Remembered, ...]:
        """What is remembered, oldest first; nothing when the file is missing or damaged."""
        return peek_kept(self._path, _from_json) or ()

    def missing(self, folders: Folders) -> tuple[Remembered, ...]:
        """What is remembered and not in ``folders`` now: what a new session offers."""
        return tuple(entry for entry in self.entries() if not (folders.models(entry.kind) / entry.name).exists())

    def remember(self, source: Link | LocalFile, report: LinkReport) -> None:
        """Add a file that has arrived. Never fails: a list that cannot be written costs nobody a download."""
        text = remembered_text(source)
        if not text or not report.kind or not report.path:
            return
        entry = Remembered(text, report.path.name, report.kind, report.size)
        try:
            change_kept(
                self._path,
                lambda: read_or_aside(self._path, _from_json) or (),
                lambda known: (*(old for old in known if old.link != text), entry)[-MAX_REMEMBERED:],
                _to_json,
            )
        except StorageError as error:
            _log.warning("%s was not written: %s", HISTORY_FILE, error.code)


def _from_json(raw: Any) -> tuple[Remembered, ...]:
    return tuple(filter(None, map(_read, raw["descargas"])))[-MAX_REMEMBERED:]


def _to_json(entries: tuple[Remembered, ...]) -> Mapping[str, Any]:
    listed = [
        {"enlace": entry.link, "archivo": entry.name, "tipo": entry.kind.value, "bytes": entry.size}
        for entry in entries
    ]
    return {"version": 1, "descargas": listed}


def remembered_text(source: Link | LocalFile) -> str:
    """``source`` as a user would paste it, without secrets; "" for an address that would not work without them."""
    address = str(source.path) if isinstance(source, LocalFile) else _lasting(source.url)
    if not address:
        return ""
    word = next((word for word, kind in KIND_PREFIXES.items() if kind is source.kind), None)
    name = "" if _GRAMMAR.search(source.name) else source.name
    return (f"{word}:" if word else "") + address + (f" > {name}" if name else "")


def _lasting(url: str) -> str:
    clean, _ = without_secrets(url)
    if any(_SIGNED.search(key) for key, _ in parse_qsl(urlsplit(clean).query, keep_blank_values=True)):
        return ""
    version = urlsplit(url).fragment
    # A fragment names a version in our catalogue's links, and is never more than a few words.
    return f"{clean}#{version}" if re.fullmatch(r"[\w .%()-]{1,60}", version) else clean


def _read(item: Any) -> Remembered | None:
    if not isinstance(item, dict):
        return None
    link, name, kind, size = (item.get(key) for key in ("enlace", "archivo", "tipo", "bytes"))
    if not isinstance(link, str) or not isinstance(name, str) or kind not in [known.value for known in ModelKind]:
        return None
    # The name joins a folder: only a plain file name is believed.
    if not link or not name or Path(name).name != name:
        return None
    return Remembered(link, name, ModelKind(kind), size if isinstance(size, int) else None)
