"""What was downloaded, remembered beside the settings (so it travels to Drive), to offer it again on a new machine.

``descargas.json`` is a list of ``{"enlace": ..., "archivo": ..., "tipo": ...}``: the link without anything secret, the
file's name and its kind (``ModelKind``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import StorageError
from sdcolab.core.files import atomic_write
from sdcolab.core.folders import Folders

FILE_NAME = "descargas.json"
MAX_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class RememberedDownload:
    """A link that brought a file."""

    link: str
    name: str
    kind: ModelKind


def recall(folders: Folders) -> tuple[RememberedDownload, ...]:
    """Everything remembered; a damaged file or entry is nothing."""
    try:
        saved = json.loads((folders.config / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    found = []
    for entry in saved if isinstance(saved, list) else ():
        match entry:
            case {"enlace": str(link), "archivo": str(name), "tipo": str(kind)}:
                with contextlib.suppress(ValueError):
                    found.append(RememberedDownload(link, name, ModelKind(kind)))
            case _:
                pass
    return tuple(found)


def remember(folders: Folders, new: Iterable[RememberedDownload]) -> None:
    """Add ``new``; the same file from a new link takes the old one's place."""
    merged = {(one.kind, one.name): one for one in recall(folders)} | {(one.kind, one.name): one for one in new}
    if not merged:
        return
    kept = list(merged.values())[-MAX_REMEMBERED:]
    content = [{"enlace": one.link, "archivo": one.name, "tipo": one.kind.value} for one in kept]
    with contextlib.suppress(StorageError), atomic_write(folders.config / FILE_NAME) as file:  # only a convenience
        file.write(json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8"))


def missing(remembered: Sequence[RememberedDownload], folders: Folders) -> tuple[RememberedDownload, ...]:
    """Those whose file is not on this machine."""
    return tuple(one for one in remembered if not Path(folders.models(one.kind), one.name).exists())
