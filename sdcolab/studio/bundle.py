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
from sdcolab.core.kept import locked
from sdcolab.core.settings import FILE_NAME as SETTINGS_NAME
from sdcolab.core.style_files import FILE_NAME as STYLES_NAME
from sdcolab.core.untrusted import parse_json
from sdcolab.studio.pending import is_of_a_session

BUNDLE_NAME = "sdcolab-ajustes.json"
BEFORE_NAME = "ajustes_anteriores.json"
"""In the folder of settings: what was there before the last import."""

MOST_BYTES = 950_000
"""Of the whole file as it is sent to be imported (a text inside JSON), and so of each one in it. A question to a room
has room for a little more."""

_SETTINGS = re.compile(rf"[\w-]{{1,60}}\.json|{re.escape(STYLES_NAME)}")
_WILDCARDS = re.compile(r"([\w-][\w .-]{0,60}/){0,4}[\w-][\w .-]{0,80}\.txt")


def exported(folders: Folders) -> tuple[bytes, tuple[str, ...]]:
    """The file, and what is left out of it: what would make it too big to be imported, the biggest first."""
    found, left_out = dict(_here(folders)), list[str]()
    while True:
        rough = sum(map(len, found.values())) > MOST_BYTES  # told without writing megabytes again and again
        text = b"" if rough else _quoted({"sdcolab": "ajustes", "version": 1, "archivos": found}, indent=1)
        if not rough and len(_quoted(text)) <= MOST_BYTES:
            return text, tuple(left_out)
        left_out.append(max(found, key=lambda name: len(found[name])))
        del found[left_out[-1]]


def _quoted(value: object, indent: int | None = None) -> bytes:
    text = value.decode() if isinstance(value, bytes) else value
    return json.dumps(text, ensure_ascii=False, indent=indent).encode()


def imported(folders: Folders, text: str) -> tuple[str, ...]:
    """Put the settings that ``text`` holds in place of those here, which are kept beside them; the names of the files
    written. Raises ``NotOurSettings`` or ``StorageError``."""
    files = _read(text)
    if not files:
        return ()
    before, _ = exported(folders)
    with atomic_write(folders.config / BEFORE_NAME) as file:
        file.write(before)
    with locked(folders.config / SETTINGS_NAME):  # the styles too
        if SETTINGS_NAME in files and STYLES_NAME not in files:  # of a version that kept the styles in the JSON
            with storage_errors(folders.config):
                (folders.config / STYLES_NAME).unlink(missing_ok=True)
        for name, content in files.items():
            path = folders.config / name if _SETTINGS.fullmatch(name) else folders.wildcards / name.partition("/")[2]
            alone = path.suffix == ".json" and name != SETTINGS_NAME
            with locked(path) if alone else contextlib.nullcontext(), atomic_write(path) as file:
                file.write(content.encode("utf-8"))
    return tuple(files)


def _here(folders: Folders) -> Iterator[tuple[str, str]]:
    for path in (*sorted(folders.config.glob("*.json")), folders.config / STYLES_NAME):
        yield from _taken_along(path.name, path)
    for path in sorted(folders.wildcards.rglob("*.txt")):
        yield from _taken_along(f"wildcards/{path.relative_to(folders.wildcards).as_posix()}", path)


def _taken_along(name: str, path: Path) -> Iterator[tuple[str, str]]:
    """The file at ``path`` and its content, if an import would take it: a damaged one would spoil all the others."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if _is_ours(name) and _is_whole(name, content := path.read_text(encoding="utf-8")):
            yield name, content


def _read(text: str) -> dict[str, str]:
    try:
        said = parse_json(text.encode("utf-8") if len(text) <= MOST_BYTES else b"")
        files = said["archivos"] if said["sdcolab"] == "ajustes" else None
    except (ValueError, KeyError, TypeError):
        raise NotOurSettings() from None
    if not isinstance(files, dict):
        raise NotOurSettings()
    for name, content in files.items():
        if not isinstance(content, str) or not _is_ours(name) or not _is_whole(name, content):
            raise NotOurSettings()
    return files


def _is_whole(name: str, content: str) -> bool:
    if name.endswith(".json"):
        try:
            parse_json(content.encode("utf-8"))
        except ValueError:
            return False
    return True


def _is_ours(name: str) -> bool:
    if is_of_a_session(name) or name == BEFORE_NAME:
        return False
    wildcards = name.removeprefix("wildcards/")
    listed = wildcards != name and _WILDCARDS.fullmatch(wildcards) and ".." not in Path(wildcards).parts
    return bool(_SETTINGS.fullmatch(name) or listed)
