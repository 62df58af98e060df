"""SHA-256 of model files, remembered by path, size and time of change; computed beside other work."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import Future
from pathlib import Path

from sdcolab.core.errors import CannotRead, StorageError
from sdcolab.core.files import atomic_write

SHORT_LENGTH = 10
"""Hex digits that infotexts show (hechos/a1111.md 7.6)."""

_BLOCK_BYTES = 1 << 22


class HashCache:
    """Hashes of files, in memory and, with a ``store``, in a small JSON file that outlives the program. Thread-safe.

    A store that cannot be read or written only costs the time of hashing again.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known = _read(store) if store else {}
        self._running: dict[str, Future[str]] = {}

    def start(self, path: Path) -> Future[str]:
        """The short hash of ``path``, in a future; the file is read in a thread unless its hash is known.

        The future raises ``CannotRead``.
        """
        try:
            key = _key(path)
        except OSError as error:
            return _failed(CannotRead(path=path, reason=error.strerror or str(error)))
        with self._lock:
            if key in self._running:
                return self._running[key]
            future: Future[str] = Future()
            if key in self._known:
                future.set_result(self._known[key][:SHORT_LENGTH])
                return future
            self._running[key] = future
        threading.Thread(target=self._hash, args=(path, key, future), name="sdcolab-hash", daemon=True).start()
        return future

    def _hash(self, path: Path, key: str, future: Future[str]) -> None:
        try:
            digest = sha256(path)
        except OSError as error:
            future.set_exception(CannotRead(path=path, reason=error.strerror or str(error)))
            return
        finally:
            with self._lock:
                del self._running[key]
        with self._lock:
            self._known[key] = digest
            self._write()
        future.set_result(digest[:SHORT_LENGTH])

    def _write(self) -> None:
        if self._store is None:
            return
        try:
            with atomic_write(self._store) as file:
                file.write(json.dumps(self._known, indent=1).encode())
        except StorageError:
            return  # only a cache


def sha256(path: Path) -> str:
    """Hex SHA-256 of a whole file. Raises ``OSError``."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}"


def _read(store: Path) -> dict[str, str]:
    try:
        loaded = json.loads(store.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {key: value for key, value in loaded.items() if isinstance(value, str)}


def _failed(error: CannotRead) -> Future[str]:
    future: Future[str] = Future()
    future.set_exception(error)
    return future
