"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sdcolab.core.errors import CannotWrite, DiskFull, StorageError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing that takes ``path``'s place when the block ends well, and vanishes when it does not.

    Parent folders are made. Raises ``DiskFull`` or ``CannotWrite``.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents where they are missing. Raises ``DiskFull`` or ``CannotWrite``."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's complaints about writing ``path`` into ``DiskFull`` or ``CannotWrite``."""
    try:
        yield
    except OSError as error:
        raise as_storage_error(path, error) from error


def as_storage_error(path: Path, error: OSError) -> StorageError:
    """The ``StorageError`` for a system error met while writing ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(folder=path.parent, needed=0, free=free_bytes(path.parent))
    return CannotWrite(path=path, reason=system_reason(error))


def system_reason(error: OSError) -> str:
    """The symbol of a system error ("EACCES"), which the catalogue has words for; its text when it has no number."""
    return errno.errorcode.get(error.errno or 0, error.strerror or str(error))


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that holds ``folder``, or that would hold it once made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
