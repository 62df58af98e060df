"""SHA-256 of model files, remembered by path, size and time of change; computed beside other work."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.errors import CannotRead, StorageError
from sdcolab.core.files import system_reason
from sdcolab.core.kept import change_kept
from sdcolab.core.tensors import LENGTH_BYTES, begins_with_header, header_length
from sdcolab.core.untrusted import parse_json

SHORT_LENGTH = 10
"""Hex digits that infotexts show (hechos/a1111.md 7.6)."""

FULL_LENGTH = 64

_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class HashScheme:
    """Which bytes of a file are hashed, and how many digits are shown. ``key`` is added to a file's key in the cache;
    schemes of the same bytes share it.
    """

    digits: int
    key: str = ""
    after_header: bool = False


MODEL_HASH = HashScheme(SHORT_LENGTH)
EMBEDDING_HASH = HashScheme(12)
LORA_HASH = HashScheme(12, "|tensors", after_header=True)
"""LoRAs are known by what follows a safetensors header, so that changed metadata do not matter."""


class HashCache:
    """Hashes of files, in memory and, with a ``store``, in a small JSON file that outlives the program. Thread-safe.

    A store that cannot be read or written only costs the time of hashing again.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known = _read(store) if store else {}
        self._running: dict[tuple[str, HashScheme], Future[str]] = {}

    def known(self, path: Path) -> str | None:
        """The whole SHA-256 of ``path`` if it is known already."""
        try:
            return self._known.get(_key(path))
        except OSError:
            return None

    def start(self, path: Path, scheme: HashScheme = MODEL_HASH) -> Future[str]:
        """The short hash of ``path``, in a future; the file is read in a thread unless its hash is known.

        The future raises ``CannotRead``.
        """
        try:
            key = _key(path) + scheme.key
        except OSError as error:
            return _failed(CannotRead(path=path, reason=system_reason(error)))
        with self._lock:
            if (key, scheme) in self._running:
                return self._running[key, scheme]
            future: Future[str] = Future()
            if key in self._known:
                future.set_result(self._known[key][: scheme.digits])
                return future
            self._running[key, scheme] = future
        threading.Thread(target=self._hash, args=(path, key, scheme, future), name="sdcolab-hash", daemon=True).start()
        return future

    def digest(self, path: Path, *, after_header: bool, read: bool) -> str | None:
        """As ``core.hashes.FileDigests``."""
        scheme = HashScheme(FULL_LENGTH, LORA_HASH.key if after_header else MODEL_HASH.key, after_header)
        try:
            if not read:
                with self._lock:
                    return self._known.get(_key(path) + scheme.key)
            return self.start(path, scheme).result()
        except (OSError, CannotRead):  # told when the file is used
            return None

    def _hash(self, path: Path, key: str, scheme: HashScheme, future: Future[str]) -> None:
        try:
            digest = sha256(path, after_header=scheme.after_header)
        except OSError as error:
            future.set_exception(CannotRead(path=path, reason=system_reason(error)))
            return
        finally:
            with self._lock:
                del self._running[key, scheme]
        with self._lock:
            self._known[key] = digest
            self._write()
        future.set_result(digest[: scheme.digits])

    def _write(self) -> None:
        if self._store is None:
            return
        store = self._store
        with contextlib.suppress(StorageError):  # only a cache, where others that are at work remember theirs too
            self._known = change_kept(store, lambda: _read(store), lambda there: self._known | there, indent=1)


def infotext_name(name: str) -> str:
    """A name as lists of hashes in infotexts can hold it."""
    return name.replace(":", "").replace(",", "")


def hash_list(hashes: Mapping[str, Future[str]], wait_for: Callable[[Future[str]], str]) -> str:
    """ "name: hash, name: hash", as infotexts list LoRAs and textual inversions."""
    return ", ".join(f"{name}: {wait_for(digest)}" for name, digest in hashes.items())


def sha256(path: Path, *, after_header: bool = False) -> str:
    """Hex SHA-256 of a whole file, or of what follows the header of a safetensors file. Raises ``OSError``."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(LENGTH_BYTES + 1)
        skipped = after_header and path.suffix.lower() == ".safetensors" and begins_with_header(start)
        file.seek(header_length(start) + LENGTH_BYTES if skipped else 0)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}"


def _read(store: Path) -> dict[str, str]:
    try:
        loaded = parse_json(store.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {key: value for key, value in loaded.items() if isinstance(value, str)}


def _failed(error: CannotRead) -> Future[str]:
    future: Future[str] = Future()
    future.set_exception(error)
    return future
