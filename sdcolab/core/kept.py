"""Files of JSON that the program keeps for itself: read whole or set aside, and changed by one process at a time.

They may lie in a Drive, where other programs and half-done synchronisations change them.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import filelock

from sdcolab.core.errors import CannotRead, CannotWrite, RequestError, SettingsUnreadable
from sdcolab.core.files import atomic_write, free_beside, storage_errors, sweep, system_reason
from sdcolab.core.untrusted import parse_json

_log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_KEPT_BYTES = 512 * 1024 * 1024
"""Largest file of the program's own that is read: a long queue with its pictures."""

LOCK_SECONDS = 20.0
"""How long a change waits for those of others."""

NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, RequestError)
"""What comes of reading a JSON value that is not what was written."""


def read_kept(path: Path, understand: Callable[[Any], T]) -> T | None:
    """What ``understand`` makes of the JSON value in ``path``; None when there is no such file.

    Raises ``SettingsUnreadable`` when the file is damaged (it is renamed out of the way first, so that the next call
    returns None), or ``CannotRead``.
    """
    try:
        return understand(_value_in(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    except NOT_OURS as error:
        raise set_aside(path) from error


def read_or_aside(path: Path, understand: Callable[[Any], T]) -> T | None:
    """The same for what the program goes on without: None when the file is damaged, which only the log tells."""
    try:
        return read_kept(path, understand)
    except SettingsUnreadable as error:
        _log.warning("%s is damaged and now called %s", path.name, error.backup.name)
        return None


def peek_kept(path: Path, understand: Callable[[Any], T]) -> T | None:
    """As ``read_kept`` without touching the file: None when it is damaged or cannot be read, which that will tell."""
    try:
        return understand(_value_in(path))
    except (OSError, *NOT_OURS):
        return None


def change_kept(
    path: Path,
    load: Callable[[], T],
    change: Callable[[T], T],
    to_json: Callable[[T], Any] = lambda value: value,
    indent: int | None = 2,
) -> T:
    """Write to ``path`` what ``change`` makes of what ``load`` reads there, and return it. Changes made at once, by
    other threads or processes, follow one another. Raises as ``load``, and ``DiskFull`` or ``CannotWrite``."""
    with locked(path):
        changed = change(load())
        write_kept(path, to_json(changed), indent)
    return changed


def write_kept(path: Path, value: Any, indent: int | None = 2, mode: int = 0o644) -> None:
    """Write ``value`` as JSON, in one piece. Who changes what is there needs ``change_kept``."""
    with atomic_write(path, mode) as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "replace"))


def write_private(path: Path, value: Any) -> None:
    """Write ``value`` as JSON in a folder where only its owner reads. Raises ``DiskFull`` or ``CannotWrite``."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
    write_kept(path, value, mode=0o600)


def _value_in(path: Path) -> Any:
    with path.open("rb") as file:
        data = file.read(MAX_KEPT_BYTES + 1)
    if len(data) > MAX_KEPT_BYTES:
        raise ValueError("too large")
    return parse_json(data)


def set_aside(path: Path) -> SettingsUnreadable:
    """Rename a file that is not what it should be out of the way; the error to raise. Raises ``CannotWrite``."""
    backup = free_beside(path, "dañada")
    with storage_errors(backup):
        path.replace(backup)
    return SettingsUnreadable(path=path, backup=backup)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other threads and other processes of this machine that say ``locked(path)`` too out of the block.

    The lock is not beside the file, which may lie where nothing can be locked (Drive's FUSE) and would be synchronised,
    but in this machine's own temporary folder. Raises ``CannotWrite`` when others do not let go.
    """
    lock = _lock_of(path)
    with contextlib.ExitStack() as held:
        try:
            held.callback(_taken(lock).release)
        except filelock.Timeout as error:
            raise CannotWrite(path=path, reason="EBUSY") from error
        except OSError as error:
            raise CannotWrite(path=path, reason=system_reason(error)) from error
        sweep(path.parent)
        yield


def claimed(path: Path) -> filelock.BaseFileLock | None:
    """The right of this process to write ``path``, which others of this machine respect that ask for it too, as long as
    what is returned is kept; None while another process has it. Where nothing can be locked, everyone has it.

    Raises ``CannotWrite``.
    """
    lock = filelock.FileLock(_lock_of(path).with_suffix(".suyo"), 0, thread_local=False, is_singleton=True)
    try:
        lock.acquire()
    except filelock.Timeout:
        return None
    except (OSError, NotImplementedError):
        pass
    return lock


def _lock_of(path: Path) -> Path:
    """Where this machine's locks of ``path`` lie. Raises ``CannotWrite``."""
    name = hashlib.sha256(os.path.realpath(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    folder = Path(tempfile.gettempdir()) / f"sdcolab-{_user()}"
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.lock"


def _taken(lock: Path) -> filelock.BaseFileLock:
    """The system's own lock, or a file that only one can make where the system has none. Either is held."""
    try:
        return _acquired(filelock.FileLock(lock, LOCK_SECONDS))
    except NotImplementedError:
        return _acquired(filelock.SoftFileLock(lock.with_suffix(".uso"), LOCK_SECONDS))


def _acquired(lock: filelock.BaseFileLock) -> filelock.BaseFileLock:
    lock.acquire()
    return lock


def _user() -> str:
    """A name that keeps the users of a machine apart."""
    return str(os.getuid()) if hasattr(os, "getuid") else hashlib.sha256(getpass.getuser().encode()).hexdigest()[:8]
