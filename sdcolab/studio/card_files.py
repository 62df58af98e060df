"""What a model file is, by its own tensors: its family, whether it lies in the right folder, and moving it there."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import Detected, ModelKind, detect
from sdcolab.core.errors import NameTaken, SdcolabError
from sdcolab.core.files import storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.library import ModelFile
from sdcolab.core.tensors import read_header

MOVED = frozenset({ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.VAE, ModelKind.EMBEDDING, ModelKind.CONTROLNET})
"""Kinds that are told apart surely enough to move a file."""

_SAME_PLACE = (frozenset({ModelFamily.SDXL, ModelFamily.SDXL_REFINER}),)


class FileFacts:
    """Reads each file's header once, until it changes. Only safetensors: a pickle is not opened to look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int], Detected | None]] = {}

    def of(self, path: Path) -> Detected | None:
        """What the file is; None when its header does not say."""
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, _detected(path))
            with self._lock:
                self._known[path] = known
        return known[1]


def _detected(path: Path) -> Detected | None:
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        return detect(read_header(path))
    except (SdcolabError, OSError):
        return None


def fits(one: ModelFamily, other: ModelFamily) -> bool:
    """Whether files of two families go together; what is not known is given the benefit of the doubt."""
    if ModelFamily.UNKNOWN in (one, other) or one is other:
        return True
    return any({one, other} <= together for together in _SAME_PLACE)


def misplaced(file: ModelFile, found: Detected | None) -> ModelKind | None:
    """The kind that the file is, where that is not the one of its folder."""
    if found is None or found.kind is file.kind or found.kind not in MOVED:
        return None
    return found.kind


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a file went, and how many lie beside it there."""

    path: Path
    beside: int


def move(file: ModelFile, kind: ModelKind, folders: Folders) -> Moved:
    """Move the file and what bears its name (notes, pictures) to the folder of ``kind``.

    Raises ``NameTaken`` when there is one of its name already, ``DiskFull`` or ``CannotWrite``.
    """
    target = folders.models(kind) / file.path.name
    if target.exists():
        raise NameTaken(name=target.name)
    beside = [
        path
        for path in file.path.parent.iterdir()
        if path != file.path and path.is_file() and path.name.startswith(f"{file.path.stem}.")
    ]
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file.path, target)
        for path in beside:
            if not (target.parent / path.name).exists():
                shutil.move(path, target.parent / path.name)
    return Moved(target, len(beside))
