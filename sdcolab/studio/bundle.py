"""The user's settings as one file: defaults, styles, the last form, the list of downloads and the wildcard lists."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from sdcolab.core.errors import NotOurSettings
from sdcolab.core.files import atomic_write, storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.settings import FILE_NAME as SETTINGS_NAME
from sdcolab.core.style_files import FILE_NAME as STYLES_NAME
from sdcolab.core.untrusted import parse_json
from sdcolab.studio.pending import OFFERED, WAITING

BUNDLE_NAME = "sdcolab-ajustes.json"
BEFORE_NAME = "ajustes_anteriores.json"
"""In the folder of settings: what was there before the last import."""

MOST_BYTES = 900_000
"""Of the whole file, and so of each one in it."""

_SETTINGS = re.compile(rf"[\w-]{{1,60}}\.json|{re.escape(STYLES_NAME)}")
_WILDCARDS = re.compile(r"([\w-][\w .-]{0,60}/){0,4}[\w-][\w .-]{0,80}\.txt")


def exported(folders: Folders) -> bytes:
    """The file. Lists that would make it too big are left out, the biggest first."""
    found = dict(_here(folders))
    while sum(map(len, found.values())) > MOST_BYTES * 0.8 and found:
        del found[max(found, key=lambda name: len(found[name]))]
    return json.dumps({"sdcolab": "ajustes", "version": 1, "archivos": found}, ensure_ascii=False, indent=1).encode()


def imported(folders: Folders, text: str) -> tuple[str, ...]:
    """Put the settings that ``text`` holds in place of those here, which are kept beside them; the names of the files
    written. Raises ``NotOurSettings`` or ``StorageError``."""
    files = _read(text)
    if not files:
        return ()
    before = exported(folders)
    with atomic_write(folders.config / BEFORE_NAME) as file:
        file.write(before)
    if SETTINGS_NAME in files and STYLES_NAME not in files:  # of a version that kept the styles in the JSON
        with storage_errors(folders.config):
            (folders.config / STYLES_NAME).unlink(missing_ok=True)
    for name, content in files.items():
        path = folders.config / name if _SETTINGS.fullmatch(name) else folders.wildcards / name.partition("/")[2]
        with atomic_write(path) as file:
            file.write(content.encode("utf-8"))
    return tuple(files)


def _here(folders: Folders) -> Iterator[tuple[str, str]]:
    for path in (*sorted(folders.config.glob("*.json")), folders.config / STYLES_NAME):
        if path.name not in (WAITING, OFFERED, BEFORE_NAME):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                yield path.name, path.read_text(encoding="utf-8")
    for path in sorted(folders.wildcards.rglob("*.txt")):
        name = path.relative_to(folders.wildcards).as_posix()
        if _WILDCARDS.fullmatch(name):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                yield f"wildcards/{name}", path.read_text(encoding="utf-8")


def _read(text: str) -> dict[str, str]:
    try:
        said = parse_json(text.encode("utf-8") if len(text) <= MOST_BYTES else b"")
        files = said["archivos"] if said["sdcolab"] == "ajustes" else None
    except (ValueError, KeyError, TypeError):
        raise NotOurSettings() from None
    if not isinstance(files, dict):
        raise NotOurSettings()
    for name, content in files.items():
        if not isinstance(content, str) or not _is_ours(name):
            raise NotOurSettings()
        if name.endswith(".json"):
            try:
                parse_json(content.encode("utf-8"))
            except ValueError:
                raise NotOurSettings() from None
    return files


def _is_ours(name: str) -> bool:
    if name in (WAITING, OFFERED, BEFORE_NAME):
        return False
    wildcards = name.removeprefix("wildcards/")
    listed = wildcards != name and _WILDCARDS.fullmatch(wildcards) and ".." not in Path(wildcards).parts
    return bool(_SETTINGS.fullmatch(name) or listed)
