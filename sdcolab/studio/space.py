"""What takes room on the disk below the program's folder, and deleting what the user chose of it; never pictures."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.files import storage_errors
from sdcolab.core.folders import Folders

BESIDE = (".json", ".civitai.info", ".preview.png", ".preview.jpg", ".png", ".txt", ".yaml")
"""What lies beside a model under its name, and goes with it."""

PART_SUFFIX = ".parcial"
"""Of downloads that did not end (``downloads.parts``)."""

QUIET_SECONDS = 3600.0
"""A temporary file that was touched later than this may still be shown, a partial one may still grow."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A file or a heap of them. ``name`` is its path below the root; ``size`` in bytes on this disk."""

    group: str
    name: str
    size: int
    deletable: bool = True
    on_drive: bool = False


def measured(folders: Folders) -> tuple[Thing, ...]:
    """Everything, the biggest first within its group. Groups are ``ModelKind`` values and "partial", "aside",
    "temporary" and "outputs"."""
    things = [*_models(folders), *_partial(folders), *_heaps(folders)]
    return tuple(sorted(things, key=lambda thing: (thing.group, -thing.size, thing.name)))


def delete(folders: Folders, names: Sequence[str]) -> int:
    """Delete the things called ``names`` among those that are there and may be deleted; how many bytes that gave.

    Raises ``StorageError`` at the first that cannot be deleted.
    """
    there = {thing.name: thing for thing in measured(folders) if thing.deletable}
    freed = 0
    for name in names:
        if name not in there:
            continue
        for path in _files_of(folders, there[name]):
            with storage_errors(path), contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                freed += size
    return freed


def _models(folders: Folders) -> Iterator[Thing]:
    places = {folders.models(kind): kind.value for kind in ModelKind}
    for folder, group in places.items():
        for path in _files(folder):
            if path.name.endswith(BESIDE) or path.name.startswith(".") or PART_SUFFIX in path.name:
                continue
            on_drive = path.is_symlink()
            yield Thing(group, _name(folders, path), 0 if on_drive else _size(path), not on_drive, on_drive)


def _partial(folders: Folders) -> Iterator[Thing]:
    for path in _files(folders.root):
        if PART_SUFFIX in path.name and _is_quiet(path):
            yield Thing("partial", _name(folders, path), _size(path))


def _heaps(folders: Folders) -> Iterator[Thing]:
    for group, folder in (("aside", folders.set_aside), ("temporary", folders.temporary / "gradio")):
        heap = Thing(group, _name(folders, folder), 0)
        size = sum(map(_size, _files_of(folders, heap)))
        if size:
            yield Thing(group, heap.name, size)
    size = sum(map(_size, _files(folders.outputs)))
    yield Thing("outputs", _name(folders, folders.outputs), size, deletable=False)


def _files_of(folders: Folders, thing: Thing) -> list[Path]:
    path = folders.root / thing.name
    if thing.group == "temporary":
        return [one for one in _files(path) if _is_quiet(one)]
    if thing.group == "aside":
        return _files(path)
    beside = [path.with_name(f"{path.stem}{suffix}") for suffix in BESIDE]
    return [path, *(one for one in beside if thing.group != "partial" and one != path and one.is_file())]


def _files(folder: Path) -> list[Path]:
    """Every file below ``folder``; links to folders are not followed."""
    found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.is_symlink() or path.is_file()]


def _is_quiet(path: Path) -> bool:
    """Whether nobody has touched a file for a while; it may go while we look, as a download does that ends."""
    try:
        return path.lstat().st_mtime < time.time() - QUIET_SECONDS
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _name(folders: Folders, path: Path) -> str:
    return path.relative_to(folders.root).as_posix() if path.is_relative_to(folders.root) else str(path)
