"""Finding model files by the hashes that infotexts and civitai write (hechos/a1111.md 7.6)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, ModelUnreadable
from sdcolab.core.library import ModelFile, civitai_info
from sdcolab.core.tensors import read_header

LORA_HASH_KEY = "sshs_model_hash"
"""Metadata in which trainers write a LoRA's hash."""

OLD_DIGITS = 8
_OLD_START = 0x100000
_OLD_BYTES = 0x10000

_HASH = re.compile(r"[0-9a-f]{8,64}|civitai:\d+")


class FileDigests(Protocol):
    """SHA-256 of files, remembered."""

    def digest(self, path: Path, *, after_header: bool, read: bool) -> str | None:
        """All 64 digits of the file's hash, or of what follows its safetensors header. None when it is not known and
        not to be ``read``, or cannot be."""


def with_hash(
    files: Iterable[ModelFile], digest: str, digests: FileDigests | None = None, *, read: bool = False
) -> tuple[ModelFile, ...]:
    """Those of ``files`` whose hash begins with ``digest``: 8 digits of A1111's first hash, or 8 or more of the SHA-256
    of the file or (LoRAs) of its tensors. ``civitai:`` and a number mean the file of that version on civitai. With
    ``read`` files are read for a hash that nobody knows, but only when no known one fits.
    """
    wanted = digest.strip().casefold()
    if not _HASH.fullmatch(wanted):
        return ()
    files = tuple(files)
    known = tuple(file for file in files if _any_begins(wanted, _known(file, wanted, digests)))
    if known or digests is None or not read or len(wanted) == OLD_DIGITS or ":" in wanted:
        return known
    return next(((file,) for file in files if _any_begins(wanted, _digests(file, digests, read=True))), ())


def old_hash(path: Path) -> str:
    """A1111's hash before 2023: 8 digits of the SHA-256 of 64 KiB from the second megabyte. Raises ``OSError``."""
    with path.open("rb") as file:
        file.seek(_OLD_START)
        return hashlib.sha256(file.read(_OLD_BYTES)).hexdigest()[:OLD_DIGITS]


def _any_begins(start: str, texts: Iterable[str]) -> bool:
    return any(text == start if ":" in start else text.startswith(start) for text in texts)


def _known(file: ModelFile, wanted: str, digests: FileDigests | None) -> Iterator[str]:
    """Hashes that take no reading of the whole file."""
    yield from civitai_hashes(file.path)
    yield f"civitai:{civitai_info(file.path).get('id')}"
    if file.kind is ModelKind.LORA and (written := _written_hash(file.path)):
        yield written
    if digests:
        yield from _digests(file, digests, read=False)
    if len(wanted) == OLD_DIGITS and file.kind is ModelKind.CHECKPOINT:
        try:
            yield old_hash(file.path)
        except OSError:
            return  # a file that cannot be read is told when it is used


def _digests(file: ModelFile, digests: FileDigests, *, read: bool) -> Iterator[str]:
    for after_header in (True, False) if file.kind is ModelKind.LORA else (False,):
        if digest := digests.digest(file.path, after_header=after_header, read=read):
            yield digest


def civitai_hashes(path: Path) -> tuple[str, ...]:
    """The hashes of the model file at ``path`` as civitai states them (``NAME.civitai.info``), in lower case."""
    files = civitai_info(path).get("files")
    hashes = (entry.get("hashes") for entry in files if isinstance(entry, dict)) if isinstance(files, list) else ()
    texts = (text for group in hashes if isinstance(group, dict) for text in group.values())
    return tuple(text.casefold() for text in texts if isinstance(text, str))


def _written_hash(path: Path) -> str | None:
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        return read_header(path).metadata.get(LORA_HASH_KEY)
    except (CannotRead, ModelUnreadable):
        return None
