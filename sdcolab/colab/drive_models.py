"""Models that the user keeps on Google Drive, below ``MyDrive/sdcolab/models`` (and ``embeddings``), used from here.

Each gets a link in the program's own folders, so it can be chosen at once without copying. Reading a big file through
Drive is slow and happens again with each change of model, so big ones are then copied to the machine's disk, one by
one, while there is room; the copy takes the link's place. What stands beside a model there (its words, its notes, its
picture, what it predicts) is linked with it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdcolab.colab.drive_sync import DRIVE_FOLDER, Copy, copy_in_one_piece
from sdcolab.core.detect import ModelKind
from sdcolab.core.files import free_bytes
from sdcolab.core.folders import Folders
from sdcolab.core.library import INFO_SUFFIX, Library
from sdcolab.studio.cards import PICTURE_ENDINGS

SMALL_BYTES = 500_000_000
"""LoRAs, VAEs and embeddings: read from Drive once, faster than copying them first."""

DISK_RESERVE = 10_000_000_000
"""Free bytes that copies leave on the disk."""

PICTURES = tuple(f"{middle}{ending}" for ending in PICTURE_ENDINGS for middle in ("", ".preview"))
BESIDE = (INFO_SUFFIX, ".json", ".txt", ".description.txt", ".yaml", *PICTURES)
"""What takes the place of a model's extension in the names of the files that tell something of it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DriveModel:
    """A model on Drive, ``source``, and the place of its link here, ``target``."""

    source: Path
    target: Path
    size: int


def link_models(my_drive: Path, folders: Folders) -> tuple[DriveModel, ...]:
    """Link every model on Drive that is not here, and return them. Raises ``OSError`` when Drive does."""
    drop_dead_links(folders)
    there = Library(Folders(my_drive / DRIVE_FOLDER))
    known = cache(lambda folder: frozenset(folder.iterdir()))  # one question to Drive a folder
    linked = []
    for kind in ModelKind:
        for file in there.files(kind):
            target = folders.models(kind) / file.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(file.path)
            if target.is_symlink():
                linked.append(DriveModel(file.path, target, file.path.stat().st_size))
                link_beside(file.path, target, known(file.path.parent))
    return tuple(linked)


def link_beside(source: Path, target: Path, known: Collection[Path]) -> None:
    """Link what tells something of ``source`` and is among the ``known`` files, where nothing is here."""
    for there, here in zip(beside(source), beside(target), strict=True):
        if there in known and not os.path.lexists(here):
            here.symlink_to(there)


def beside(model: Path) -> list[Path]:
    """Where what tells something of ``model`` would be."""
    return [model.with_name(model.stem + ending) for ending in BESIDE]


def drop_dead_links(folders: Folders) -> None:
    """Remove links to models, and what is beside them, on a Drive that is no longer connected."""
    for kind in ModelKind:
        for file in Library(folders).files(kind):
            for path in (file.path, *beside(file.path)):
                if path.is_symlink() and not path.exists():
                    path.unlink()


def worth_copying(model: DriveModel, free: int) -> bool:
    """Whether ``model`` is big, and ``free`` bytes of disk are enough for it."""
    return model.size > SMALL_BYTES and free - model.size > DISK_RESERVE


class ModelCopier:
    """Brings big models to the machine's disk in a thread of its own, the ones first in the list first."""

    def __init__(
        self,
        models: tuple[DriveModel, ...],
        *,
        copy: Copy = copy_in_one_piece,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._models = models
        self._copy = copy
        self._free = free
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sdcolab-modelos", daemon=True)

    def start(self) -> None:
        """Start copying."""
        self._thread.start()

    def stop(self) -> None:
        """Copy no more after the file that is being copied. Nobody waits for it: the thread is a daemon."""
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        """Wait until all is copied."""
        self._thread.join(seconds)

    def _work(self) -> None:
        for model in self._models:
            if self._stopping.is_set():
                return
            with contextlib.suppress(FileNotFoundError):  # the user deleted it, here or there
                if model.target.is_symlink() and worth_copying(model, self._free(model.target.parent)):
                    try:
                        self._copy(model.source, model.target)
                    except FileNotFoundError:
                        raise
                    except OSError as error:  # Drive or the disk: the link still works
                        _log.warning("copiar %s: %s", model.source.name, error)
