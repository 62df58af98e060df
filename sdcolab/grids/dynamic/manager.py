"""The user's wildcard lists: to look at, to edit, and to import from a zip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sdcolab.core import zips
from sdcolab.core.errors import CannotRead, WildcardRefused
from sdcolab.core.file_names import MAX_NAME_BYTES, safe_name
from sdcolab.core.files import atomic_write, storage_errors
from sdcolab.grids.dynamic.files import SUFFIXES, names_in

MAX_TEXT = 1_000_000
"""Bytes of one list that is edited or imported."""

LIMITS = zips.ZipLimits(files=2_000, total=50_000_000, each=MAX_TEXT)
"""Of a zip of lists."""

_NAME = re.compile(r"[\w(+-][\w .()+-]{0,99}")


class WildcardManager:
    """Lists below ``folder``, which the user may change; those of ``shipped`` can be looked at and copied."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self._folder = folder
        self._shipped = shipped

    def tree(self) -> tuple[str, ...]:
        """The files of both folders by their name below them, in alphabetical order; the user's own hide ours."""
        return tuple(sorted({*_names(self._folder), *_names(self._shipped)}, key=str.casefold))

    def called(self, name: str) -> str:
        """What the file is called that is saved under ``name``."""
        name = name.strip().replace("\\", "/")
        return name if name.endswith(SUFFIXES) else f"{name}.txt"

    def is_own(self, name: str) -> bool:
        """Whether the user has a file of this name."""
        return _safe(self._folder, name).is_file()

    def text(self, name: str) -> str:
        """What a file says; nothing for one that is not there. Raises ``WildcardRefused`` for a bad name."""
        for folder in (self._folder, self._shipped):
            path = _safe(folder, name)
            if path.is_file() and path.stat().st_size <= MAX_TEXT:
                return path.read_bytes().decode("utf-8-sig", "replace")
        return ""

    def lists(self, name: str) -> tuple[str, ...]:
        """What the lists in a file are called in a prompt. Raises ``WildcardRefused`` for a bad name."""
        own = _safe(self._folder, name)
        folder = self._folder if own.is_file() else self._shipped
        return names_in(_safe(folder, name), folder)

    def save(self, name: str, text: str) -> str:
        """Write a file, with .txt where the name has no ending; its name. Raises ``WildcardRefused``, ``DiskFull`` or
        ``CannotWrite``."""
        name = self.called(name)
        path = _safe(self._folder, name)
        data = text.encode("utf-8", "replace")
        if len(data) > MAX_TEXT:
            raise WildcardRefused(name=name)
        with atomic_write(path) as file:
            file.write(data)
        return name

    def delete(self, name: str) -> None:
        """Remove one of the user's files; ours comes back in its place. Raises ``WildcardRefused``, ``CannotWrite``."""
        path = _safe(self._folder, name)
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def import_zip(self, archive: Path) -> tuple[str, ...]:
        """The lists in a zip, each in its place below the folder; their names. Other files are passed over.

        Raises ``WildcardRefused`` when it is no zip or too large, ``DiskFull`` or ``CannotWrite``.
        """
        try:
            with zips.opened(archive, lambda name: name.endswith(SUFFIXES) and _is_safe(name), LIMITS) as found:
                return tuple(self._imported(one) for one in found)
        except CannotRead as error:
            raise WildcardRefused(name=archive.name) from error

    def _imported(self, member: zips.Member) -> str:
        with member.open() as file:
            return self.save(member.name, file.read(MAX_TEXT).decode("utf-8-sig", "replace"))


def _names(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in SUFFIXES)


def _is_safe(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return 0 < len(parts) <= 6 and all(map(_is_name, parts))


def _is_name(part: str) -> bool:
    """Whether any system can have a file or folder called ``part``."""
    return bool(_NAME.fullmatch(part)) and part == safe_name(part) and len(part.encode()) <= MAX_NAME_BYTES


def _safe(folder: Path, name: str) -> Path:
    """The file that ``name`` means below ``folder``. Raises ``WildcardRefused`` for any other place or kind."""
    if not name.endswith(SUFFIXES) or not _is_safe(name):
        raise WildcardRefused(name=name)
    path = folder / PurePosixPath(name)
    if not path.resolve().is_relative_to(folder.resolve()):  # a link that leads elsewhere
        raise WildcardRefused(name=name)
    return path
