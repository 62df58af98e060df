"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from sdcolab.core.errors import CannotWrite, DiskFull, StorageError
from sdcolab.core.windows import is_locked, is_too_long

TEMPORARY_SECONDS = 3600.0
"""How long a half-written file may lie there before ``sweep`` counts it as left by a process that was killed."""

LOCKED_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""How long to wait for a file that another program has open, each time."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EMLINK})
"""How systems say that a folder (FAT, Drive's FUSE) has no hard links."""


@contextlib.contextmanager
def atomic_write(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file open for writing that takes ``path``'s place when the block ends well, and vanishes when it does not.
    ``mode``: who may read it.

    Parent folders are made. Raises ``DiskFull`` or ``CannotWrite``.
    """
    with storage_errors(path), _half_written(path) as (file, temporary):
        yield file
        _finish(file, temporary, mode)
        patiently(lambda: temporary.replace(path))


def create_new(candidates: Iterable[Path], write: Callable[[BinaryIO], object]) -> Path:
    """A file with what ``write`` writes, under the first of ``candidates`` that is free when it is whole, even while
    other threads and processes look for names too: nobody's file is lost. Returns its path.

    The candidates lie in one folder, which is made, and must not come to an end. Raises ``DiskFull`` or
    ``CannotWrite``.
    """
    names = iter(candidates)
    path = next(names)
    with storage_errors(path), _half_written(path) as (file, temporary):
        write(file)
        _finish(file, temporary, 0o644)
        while not _take(temporary, path):
            path = next(names)
    return path


@contextlib.contextmanager
def _half_written(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A temporary file beside ``path`` that is gone when the block ends, unless it has been renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _finish(file: BinaryIO, temporary: Path, mode: int) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()  # Windows renames no open files
    temporary.chmod(mode)


def _take(temporary: Path, path: Path) -> bool:
    """Give ``temporary`` the name ``path``; False when it is somebody else's."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _reserve_and_take(temporary, path)
    return True


def _reserve_and_take(temporary: Path, path: Path) -> bool:
    """The same where there are no hard links: for a moment others see an empty file."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    patiently(lambda: temporary.replace(path))
    return True


def patiently(act: Callable[[], object], wait: Callable[[float], None] = time.sleep) -> None:
    """Do ``act``, again and again while another program (an antivirus, a viewer) has the file open on Windows; what it
    raises in the end. ``wait`` is told seconds."""
    for seconds in LOCKED_SECONDS:
        try:
            act()
        except OSError as error:
            if not is_locked(getattr(error, "winerror", None)):
                raise
            wait(seconds)
        else:
            return
    act()


def free_beside(path: Path, mark: str, end: str = "") -> Path:
    """The first name beside ``path`` that is free: ``NAME.MARK.json`` with ``end`` behind it, or ``NAME.MARK-2…``."""
    marks = itertools.chain([mark], (f"{mark}-{number}" for number in itertools.count(2)))
    names = (path.with_suffix(f".{one}{path.suffix}{end}") for one in marks)
    return next(name for name in names if not os.path.lexists(name))


def sweep(folder: Path) -> None:
    """Throw away what processes that were killed have left half-written in ``folder``. Never fails."""
    limit = time.time() - TEMPORARY_SECONDS
    with contextlib.suppress(OSError):
        for left in list(folder.glob(".*.tmp")):
            with contextlib.suppress(OSError):
                if left.lstat().st_mtime < limit:
                    left.unlink()


def changed(path: Path) -> int:
    """When the file was written last, in nanoseconds since 1970; 0 when it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


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
    too_long = sys.platform == "win32" and is_too_long(str(path), error.errno)
    return CannotWrite(path=path, reason="ENAMETOOLONG" if too_long else system_reason(error))


def system_reason(error: OSError) -> str:
    """The symbol of a system error ("EACCES"), which the catalogue has words for; its text when it has no number."""
    return errno.errorcode.get(error.errno or 0, error.strerror or str(error))


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that holds ``folder``, or that would hold it once made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
