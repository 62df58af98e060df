"""Zips that somebody else made: what may come out of them, and how much. The one place where they are unpacked."""

from __future__ import annotations

import contextlib
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from sdcolab.core.errors import CannotRead
from sdcolab.core.files import system_reason

MAX_DIRECTORY = 8_000_000
"""Bytes of a zip's list of contents, all of which is read as soon as it is opened: some 60,000 entries."""

_ENCRYPTED = 1
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError),
    *(EOFError, ValueError, UnicodeError),
)


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """At most so many files, so many bytes of all of them together and of each, as they are outside of the zip."""

    files: int
    total: int
    each: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip: its ``name`` there, with forward slashes, which may say anything; its size in bytes and CRC-32;
    and how it is opened while the zip is."""

    name: str
    size: int
    crc: int
    open: Callable[[], IO[bytes]]


@contextlib.contextmanager
def opened(archive: Path, wanted: Callable[[str], bool], limits: ZipLimits) -> Iterator[tuple[Member, ...]]:
    """The files of a zip whose names are ``wanted``, in its order. Folders, links, what a Mac adds and what is larger
    than one file may be are left out.

    Raises ``CannotRead``, also for what happens in the block: it is no zip, is damaged, needs a password or holds too
    much.
    """
    with _complaints(archive), _Bounded(archive) as file, zipfile.ZipFile(file) as whole:
        chosen = [entry for entry in whole.infolist() if _is_file(entry) and wanted(_name(entry))]
        if len(chosen) > limits.files or sum(entry.file_size for entry in chosen) > limits.total:
            raise CannotRead(path=archive, reason="zip_too_much")
        if any(entry.flag_bits & _ENCRYPTED for entry in chosen):
            raise CannotRead(path=archive, reason="zip_password")
        yield tuple(
            Member(_name(entry), entry.file_size, entry.CRC, partial(whole.open, entry))
            for entry in chosen
            if entry.file_size <= limits.each
        )


class _Bounded(io.FileIO):
    """A file of which nobody reads much at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``MAX_DIRECTORY`` bytes; raises ``BadZipFile`` when more are asked for."""
        if size is not None and size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("more than a list of contents may be")
        return super().read(MAX_DIRECTORY if size is None or size < 0 else size) or b""


@contextlib.contextmanager
def _complaints(archive: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise CannotRead(path=archive, reason="zip_broken") from error
    except OSError as error:
        raise CannotRead(path=archive, reason=system_reason(error)) from error


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.replace("\\", "/")


def _is_file(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return not entry.is_dir() and kind in (0, stat.S_IFREG) and "__MACOSX" not in entry.filename
