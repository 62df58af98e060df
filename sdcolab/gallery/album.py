"""The gallery as the faces use it: pages of pictures, what is done with them, and the thread that keeps it up to date.

Who asks names pictures by the numbers of the index, never by a path.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sdcolab.core.errors import AlbumFolderName, PictureGone
from sdcolab.core.files import create_new, make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.thumbnails import ThumbnailFolder
from sdcolab.gallery.bin import Bin, move_to
from sdcolab.gallery.facts import PictureFacts, read_facts
from sdcolab.gallery.index import Entry, GalleryIndex, Wanted
from sdcolab.gallery.marks import MOST_STARS, UNMARKED, Marks, MarksFile
from sdcolab.gallery.scan import TRASH, scan

LOOK_SECONDS = 5.0
"""How often the folders are looked at while somebody has the gallery open."""

WATCHED_SECONDS = 60.0
"""How long after the last question the gallery counts as open."""

MADE_BEFORE = 500
"""Thumbnails of the newest pictures that are made before anybody looks."""

_NAME = re.compile(r"[^\W_][\w \-.,()]{0,80}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlbumState:
    """``version`` grows whenever the pictures changed; ``reading`` is how many the thread has read of those that are
    new, None when it is up to date."""

    version: int
    reading: int | None


class Album:
    """Everything under the outputs. ``close`` before throwing it away."""

    def __init__(self, folders: Folders) -> None:
        """Raises ``CannotWrite`` when its folder for small copies cannot be made."""
        self._root = folders.outputs
        self.bin = Bin(self._root / TRASH, self._root)
        self._index = GalleryIndex(folders.temporary / "galeria" / "indice.sqlite")
        self._thumbnails = ThumbnailFolder(folders.temporary / "galeria" / "miniaturas")
        self.bundles = folders.temporary / "galeria" / "zip"
        self._marks = MarksFile(folders.config)
        self._known_marks = self._marks.load()
        self._version = 0
        self._count: int | None = None
        self._asked = 0.0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._whole = False
        self._thread = threading.Thread(target=self._watch, name="sdcolab-galeria", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and the index."""
        self._stop.set()
        self._wake.set()
        self._thread.join(10)
        self._index.close()

    @property
    def root(self) -> Path:
        """Where the pictures are."""
        return self._root

    # --- Looking ------------------------------------------------------------------------------------------------------

    def state(self) -> AlbumState:
        """What has happened; asking keeps the thread looking at the folders, at once where nobody did for a while."""
        left = time.monotonic() - self._asked > LOOK_SECONDS
        self._asked = time.monotonic()
        if left:
            self._wake.set()
        return AlbumState(self._version, self._count)

    def page(self, wanted: Wanted) -> tuple[tuple[Entry, ...], int]:
        """The pictures of a page, and how many there are in all."""
        return self._index.page(wanted)

    def kinds(self) -> tuple[tuple[str, int], ...]:
        """The first folders under outputs with their numbers of pictures; the favourites as "*"."""
        return self._index.kinds()

    def refresh(self) -> None:
        """Look at every folder again, soon."""
        self._whole = True
        self._wake.set()

    def path(self, number: int) -> Path:
        """The file of a picture, inside the outputs after following links, or inside a folder linked from there.
        Raises ``PictureGone``."""
        path = self._file(self.entry(number))
        if not path.is_file():
            raise PictureGone()
        return path

    def facts(self, number: int) -> PictureFacts:
        """What the picture says of itself now. Raises ``PictureGone``."""
        return read_facts(self.path(number))

    def entry(self, number: int) -> Entry:
        """The row of a picture. Raises ``PictureGone``."""
        found = self._index.entries([number])
        if not found:
            raise PictureGone()
        return found[0]

    def numbers(self, paths: Iterable[Path]) -> dict[Path, int]:
        """The numbers of those pictures that are in the album, by their path."""
        return self._index.numbers(self._root, paths)

    def thumbnail(self, number: int) -> bytes | None:
        """A WebP of 256 pixels; None when the picture cannot be opened. Raises ``PictureGone``."""
        entry = self.entry(number)
        return self._thumbnails.of(self._file(entry), entry.mtime)

    # --- Doing --------------------------------------------------------------------------------------------------------

    def mark(self, numbers: Iterable[int], stars: int | None = None, favourite: bool | None = None) -> None:
        """Give pictures 0 to 5 stars, or make them favourites; None leaves either as it is."""
        entries = self._index.entries(numbers)
        told = {
            entry.id: (
                entry.stars if stars is None else max(0, min(stars, MOST_STARS)),
                entry.favourite if favourite is None else favourite,
            )
            for entry in entries
        }
        self._known_marks = self._marks.change(
            lambda marks: {**marks, **{f"{entry.folder}/{entry.name}": told[entry.id] for entry in entries}}
        )
        for entry in entries:
            self._index.mark(entry.folder, entry.name, *told[entry.id])
        self._version += 1

    def discard(self, numbers: Iterable[int]) -> int:
        """Move pictures to the bin, where they keep their folders; how many were moved."""
        return self._carry(numbers, lambda entry: f"{TRASH}/{entry.folder}")

    def move(self, numbers: Iterable[int], folder: str) -> int:
        """Move pictures to a folder right below the outputs, which is made; how many were moved.
        Raises ``AlbumFolderName``."""
        name = folder.strip()
        if not _NAME.fullmatch(name) or name.endswith("."):
            raise AlbumFolderName(name=name[:80])
        return self._carry(numbers, lambda _entry: name)

    def restore(self) -> int:
        """Bring everything in the bin back to where it was; how many files came back."""
        count = self.bin.restore()
        self._looked()
        return count

    def bundle(self, numbers: Iterable[int]) -> Path:
        """A zip with the pictures. Raises ``PictureGone`` when none is left, ``DiskFull`` or ``CannotWrite``."""
        paths = [path for path in map(self._file, self._index.entries(numbers)) if path.is_file()]
        if not paths:
            raise PictureGone()
        return write_bundle(self.bundles, paths)

    def _file(self, entry: Entry) -> Path:
        return self._root / entry.folder / entry.name

    def _carry(self, numbers: Iterable[int], place: Callable[[Entry], str]) -> int:
        moved: dict[str, str] = {}
        for entry in self._index.entries(numbers):
            source = self._file(entry)
            if not source.is_file():
                continue
            target = move_to(source, self._root / place(entry) / entry.name)
            side = source.with_suffix(".txt")
            if side.is_file():
                move_to(side, target.with_suffix(".txt"))
            moved[f"{entry.folder}/{entry.name}"] = target.relative_to(self._root).as_posix()

        if moved.keys() & self._known_marks.keys():
            self._known_marks = self._marks.change(
                lambda marks: {moved.get(path, path): mark for path, mark in marks.items()}
            )
        self._looked()
        for now in moved.values():  # the thread may have found them there before their marks had followed
            folder, _, name = now.rpartition("/")
            self._index.mark(folder, name, *self._known_marks.get(now, UNMARKED))
        return len(moved)

    # --- The thread ---------------------------------------------------------------------------------------------------

    def _marked(self) -> Marks:
        return self._known_marks

    def _looked(self) -> None:
        """Bring the index up to date at once, after a change of our own."""
        scan(self._root, self._index, self._marked)
        self._version += 1

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._look()
            except Exception:  # noqa: BLE001 - the edge of a thread: one look that fails must not end the watch
                _log.exception("galería")
            watched = time.monotonic() - self._asked < WATCHED_SECONDS
            self._wake.wait(LOOK_SECONDS if watched else None)
            self._wake.clear()

    def _look(self) -> None:
        whole, self._whole = self._whole, False

        def tell(count: int) -> None:
            self._count = count
            self._version += count % 1000 == 0

        try:
            changed = scan(self._root, self._index, self._marked, whole=whole, progress=tell, stop=self._stop)
            if changed or not self._version:
                self._version += 1
        finally:
            self._count = None
        for entry in self._index.page(Wanted(count=MADE_BEFORE))[0]:
            if self._stop.is_set() or self._wake.is_set():
                return
            if not self._thumbnails.place(self._file(entry), entry.mtime).exists():
                self._thumbnails.of(self._file(entry), entry.mtime)


def write_bundle(folder: Path, paths: Iterable[Path]) -> Path:
    """A new zip of ``paths`` in ``folder``, where those of other days go. Raises ``DiskFull`` or ``CannotWrite``."""
    make_folder(folder)
    day = time.time() - 24 * 3600
    for old in folder.glob("*.zip"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < day:
                old.unlink()
    stamp = time.strftime("%Y-%m-%d")
    names = (folder / f"imagenes-{stamp}-{number}.zip" for number in range(1, 1_000_000))

    def write(file: BinaryIO) -> None:
        taken: dict[str, int] = {}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as bundle:
            for path in paths:
                again = taken[path.name] = taken.get(path.name, -1) + 1
                bundle.write(path, path.name if not again else f"{path.stem}({again}){path.suffix}")

    return create_new(names, write)
