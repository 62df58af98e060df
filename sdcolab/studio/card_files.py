"""What a model file is, by its own tensors: its family, whether it lies in the right folder, and moving it there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import Detected, ModelKind
from sdcolab.core.errors import NameTaken
from sdcolab.core.files import storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.library import ModelFile

MOVED = frozenset({ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.VAE, ModelKind.EMBEDDING, ModelKind.CONTROLNET})
"""Kinds that are told apart surely enough to move a file."""


def misplaced(file: ModelFile, found: Detected | None, folders: Folders) -> ModelKind | None:
    """The kind that the file is, where that is not the one of its folder. Another program's file, which is reached by
    a link, lies where its owner wants it."""
    if found is None or found.kind is file.kind or found.kind not in MOVED:
        return None
    own = file.path.resolve().is_relative_to(folders.models(file.kind).resolve())
    return found.kind if own else None


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
