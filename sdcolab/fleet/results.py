"""Where the pictures of a list go, and the manifest that says what became of each request.

Any path that fsspec knows: a folder, ``s3://bucket/lista``, ``gs://…``, ``memory://``. A request's pictures always have
the same names, so that whoever makes it again writes the same files and there is never one too many. Object stores
cannot add lines to a file: the manifest is written whole, seldom enough to cost little, and what was made after it was
last written is made again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from sdcolab.core.errors import BatchPlaceBusy, BatchPlaceTaken, BatchPlaceWrong, SdcolabError
from sdcolab.core.files import atomic_write, make_folder
from sdcolab.core.kept import claimed
from sdcolab.core.request import MAX_RANDOM_SEED

VERSION = 1
MANIFEST = "manifiesto.jsonl"
WRITING_SHARE = 20
"""The manifest is written again after so many times as long as the last writing took: a twentieth of the time."""

MIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: the bytes of its PNG, its seed and infotext."""

    data: bytes
    seed: int
    infotext: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a request: its pictures' files, seeds and infotexts, or the ``error`` that stopped it."""

    number: int
    digest: str
    files: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    infotexts: tuple[str, ...] = ()
    error: str = ""
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether its pictures are there."""
        return not self.error

    def to_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        if self.error:
            return {"request": self.number, "digest": self.digest, "error": self.error, "reason": self.reason}
        pictures = [
            {"file": file, "seed": seed, "infotext": text}
            for file, seed, text in zip(self.files, self.seeds, self.infotexts, strict=True)
        ]
        return {"request": self.number, "digest": self.digest, "images": pictures}


class Place:
    """A folder anywhere. Every method raises ``DiskFull``, ``CannotWrite`` or ``BatchPlaceWrong``."""

    def __init__(self, target: str) -> None:
        self.name = target
        with self._complaints():
            self._system, self._root = fsspec.core.url_to_fs(target)
            self._local = isinstance(self._system, LocalFileSystem)
            if self._local:
                make_folder(Path(self._root))
            else:
                self._system.makedirs(self._root, exist_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else of this machine works here during the block; other machines are not known of. Raises
        ``BatchPlaceBusy``."""
        claim = claimed(Path(self._root) / MANIFEST) if self._local else None
        if self._local and claim is None:
            raise BatchPlaceBusy(place=self.name)
        try:
            yield
        finally:
            if claim is not None:
                claim.release()

    def write(self, name: str, data: bytes) -> None:
        """Put a file there; nobody ever sees half of it."""
        with self._complaints():
            if self._local:
                with atomic_write(Path(self._root) / name) as file:
                    file.write(data)
            else:
                self._system.pipe_file(f"{self._root}/{name}", data)

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None when there is none."""
        with self._complaints():
            try:
                return bytes(self._system.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def names(self) -> frozenset[str]:
        """The files that are there."""
        with self._complaints():
            self._system.invalidate_cache()
            return frozenset(str(path).rpartition("/")[2] for path in self._system.ls(self._root, detail=False))

    def _complaints(self) -> _Complaints:
        return _Complaints(self.name)


class _Complaints:
    """Turns what fsspec's systems raise into ``BatchPlaceWrong``."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SdcolabError) or not isinstance(error, Exception):
            return
        if isinstance(error, OSError | ValueError | ImportError | RuntimeError):  # what fsspec and its systems raise
            raise BatchPlaceWrong(place=self._place, detail=str(error)[:200]) from error


class Manifest:
    """What is known of a list's requests, and its file. Not safe for several threads at once."""

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        """What the manifest in ``place`` says; pictures that are gone are not counted as done."""
        self.draws = secrets.randbelow(MAX_RANDOM_SEED + 1)
        self._place = place
        self._clock = clock
        self._entries: dict[int, Entry] = {}
        self._due = 0.0
        self._dirty = False
        if (written := place.read(MANIFEST)) is not None:
            self._read(written, place.names())

    def done(self, digests: Mapping[int, str]) -> frozenset[int]:
        """The requests of a list (number -> digest) that need not be made again.

        Raises ``BatchPlaceTaken`` when the manifest is another list's.
        """
        known = {number: entry for number, entry in self._entries.items() if entry.done}
        if any(digests.get(number) != entry.digest for number, entry in known.items()):
            raise BatchPlaceTaken(place=self._place.name)
        return frozenset(known)

    def keep(self, entry: Entry) -> None:
        """Remember what became of a request, and write it down when that is due."""
        self._entries[entry.number] = entry
        self._dirty = True
        if self._clock() >= self._due:
            self.write()

    def write(self) -> None:
        """Write the file, if there is anything new."""
        if not self._dirty:
            return
        begun = self._clock()
        self._place.write(MANIFEST, b"".join(self._lines()))
        now = self._clock()
        self._due = now + max(MIN_SECONDS, WRITING_SHARE * (now - begun))
        self._dirty = False

    def _lines(self) -> Iterator[bytes]:
        yield _line({"sdcolab": VERSION, "draws": self.draws, "requests": len(self._entries)})
        for number in sorted(self._entries):
            yield _line(self._entries[number].to_json())

    def _read(self, written: bytes, there: frozenset[str]) -> None:
        head, *lines = [_object(line) for line in written.splitlines()] or [{}]
        match head:
            case {"sdcolab": 1, "draws": int(draws)} if 0 <= draws <= MAX_RANDOM_SEED:
                self.draws = draws
            case _:
                raise BatchPlaceTaken(place=self._place.name)
        for line in lines:
            entry = _entry(line)
            if entry is not None and there.issuperset(entry.files):
                self._entries[entry.number] = entry


def names_of(number: int, count: int) -> tuple[str, ...]:
    """The files of a request's ``count`` pictures."""
    return tuple(f"{number:06}.png" if index == 0 else f"{number:06}-{index + 1}.png" for index in range(count))


def keep_pictures(place: Place, number: int, digest: str, pictures: Sequence[Picture]) -> Entry:
    """Write a request's pictures. Raises as ``Place``."""
    files = names_of(number, len(pictures))
    for name, picture in zip(files, pictures, strict=True):
        place.write(name, picture.data)
    seeds = tuple(picture.seed for picture in pictures)
    return Entry(number, digest, files, seeds, tuple(picture.infotext for picture in pictures))


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _entry(line: Mapping[str, Any]) -> Entry | None:
    """The entry of a request whose pictures were made; None for everything else."""
    match line:
        case {"request": int(number), "digest": str(digest), "images": [*images]}:
            try:
                files = tuple(str(image["file"]) for image in images)
                seeds = tuple(int(image["seed"]) for image in images)
                texts = tuple(str(image["infotext"]) for image in images)
            except (KeyError, TypeError, ValueError):
                return None
            return Entry(number, digest, files, seeds, texts) if files == names_of(number, len(files)) else None
        case _:
            return None
