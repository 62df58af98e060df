"""Files and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class StorageError(SdcolabError):
    """A file or folder could not be read or written."""


@dataclass(eq=False)
class DiskFull(StorageError):
    """Not enough room: ``needed`` and ``free`` in bytes."""

    code: ClassVar[str] = "storage.disk_full"
    folder: Path
    needed: int
    free: int


@dataclass(eq=False)
class CannotWrite(StorageError):
    """The system refused a write; ``reason`` is its own short message."""

    code: ClassVar[str] = "storage.cannot_write"
    path: Path
    reason: str


@dataclass(eq=False)
class CannotRead(StorageError):
    """The system refused a read; ``reason`` is its own short message."""

    code: ClassVar[str] = "storage.cannot_read"
    path: Path
    reason: str


@dataclass(eq=False)
class SettingsUnreadable(StorageError):
    """A settings file is not what we wrote; it was set aside as ``backup`` and the defaults are used."""

    code: ClassVar[str] = "storage.settings_unreadable"
    path: Path
    backup: Path


@dataclass(eq=False)
class QueueUnreadable(StorageError):
    """The list of jobs that a former process left is not what we wrote; it was set aside as ``backup``."""

    code: ClassVar[str] = "storage.queue_unreadable"
    path: Path
    backup: Path
