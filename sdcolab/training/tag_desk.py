"""The editor's state: the captions of each open project, what can be undone, and files that arrive in pieces. No torch.

Nothing is written before ``save``; edits that are not saved outlive a new look at the folder.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import DatasetMissing, PictureFolderName, PictureSkipped, PictureUnreadable, StrangeQuestion
from sdcolab.core.file_names import safe_name
from sdcolab.core.files import atomic_write, make_folder, storage_errors
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS
from sdcolab.training.dataset import MASK_SUFFIX, PICTURE_SUFFIXES, mask_of, picture_size
from sdcolab.training.preparing import free_name, put_aside, put_aside_file, unpack
from sdcolab.training.tags import EXTENSION, TagBook

MOST_UNDONE = 50
"""Edits that can be undone."""

REPEATS = 10
"""The guide's own repeats."""

MAX_UPLOAD_BYTES = 4_000_000_000
MOST_UPLOADS = 16
"""Files that arrive at the same time; of more, the one that got nothing for longest was given up."""

ZIP = ".zip"
_KEY = re.compile(r"[a-z0-9]{8,32}")
_FOLDER = re.compile(r"[1-9]\d{0,2}_[\w \-]{1,60}")


class TagDesk:
    """The captions below ``folder``. Methods belong to one thread at a time (``TagRoom`` has the lock)."""

    def __init__(self, folder: Path) -> None:
        """Raises ``DatasetMissing``, ``CaptionUnreadable``."""
        if not folder.is_dir():
            raise DatasetMissing(folder=folder)
        self.folder = folder
        self._seen = _stamps(folder)
        self.book = TagBook.read(folder)
        self._past: deque[TagBook] = deque(maxlen=MOST_UNDONE)

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._past)

    def path(self, number: int) -> Path:
        """The file of picture ``number``. Raises ``StrangeQuestion``."""
        if not 0 <= number < len(self.book.pictures):
            raise StrangeQuestion(question="id")
        return self.book.pictures[number].path

    def edit(self, change: Callable[[TagBook], TagBook]) -> int:
        """Change the book, so that it can be undone; how many captions are different."""
        new = change(self.book)
        different = sum(one != old for one, old in zip(new.pictures, self.book.pictures, strict=True))
        if different:
            self._past.append(self.book)
            self.book = new
        return different

    def undo(self) -> None:
        """Take the last edit back, also when it has been saved since: then the captions differ from the files again."""
        if self._past:
            self.book = TagBook(self._past.pop().pictures, self.book.saved)

    def save(self) -> int:
        """Write the captions that changed; how many. Raises ``StorageError``."""
        changed = self.book.changed
        was_seen = self._seen == _stamps(self.folder)
        self.book = self.book.save()
        if was_seen:  # what changed since is ours
            self._seen = _stamps(self.folder)
        return changed

    def look_again(self, *, keep: bool = True) -> None:
        """Read the folder anew; without ``keep`` edits that are not saved are thrown away. Raises
        ``CaptionUnreadable``.
        """
        self._seen = _stamps(self.folder)
        fresh = TagBook.read(self.folder)
        self.book = self.book.carried(fresh) if keep else fresh
        self._past.clear()  # its books have other pictures

    def look_if_changed(self) -> None:
        """``look_again`` where files came, went or were written since: looking at five thousand captions on Drive takes
        minutes."""
        if self._seen != _stamps(self.folder):
            self.look_again()

    def set_aside(self, numbers: Sequence[int]) -> Path:
        """Move pictures with what belongs to them out of the training; where to. Raises ``StorageError``."""
        target = put_aside([self.path(number) for number in dict.fromkeys(numbers)], self.folder)
        self.look_again()
        return target


def _stamps(folder: Path) -> dict[str, int]:
    """When something in ``folder`` or right below it was last put there, taken away, or written as this program
    writes."""
    with storage_errors(folder):
        below = [path for path in folder.iterdir() if path.is_dir()]
        return {path.name: path.stat().st_mtime_ns for path in (folder, *below)}


def keep_mask(picture: Path, painted: str) -> Path | None:
    """Keep what was ``painted`` (a picture as a data URL: white is learnt, black is not) as the mask of ``picture``, in
    its size; where. With "" its mask, if any, leaves the training; it is not deleted.

    Raises ``StrangeQuestion``, ``PictureUnreadable``, ``StorageError``.
    """
    mask, known = _mask_from(painted, picture) if painted else None, mask_of(picture)
    if known and (mask is None or known.suffix != ".png"):
        put_aside_file(known)
    if mask is None:
        return None
    target = picture.with_name(f"{picture.stem}{MASK_SUFFIX}.png")
    with atomic_write(target) as file:
        mask.save(file, "PNG")
    return target


def _mask_from(painted: str, picture: Path) -> Image.Image:
    """The picture in a data URL, grey and of the size of ``picture``."""
    size = picture_size(picture)
    try:
        data = base64.b64decode(painted.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise StrangeQuestion(question="data") from error
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as drawn:
            if size is None or drawn.width * drawn.height > MAX_PIXELS:
                raise PictureUnreadable(path=picture)
            return drawn.convert("L").resize(size)
    except DAMAGED as error:
        raise PictureUnreadable(path=picture) from error


class Uploads:
    """Files that arrive in pieces, kept in ``scratch`` until they are whole."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._sizes: dict[str, int] = {}
        self._stems: dict[Path, str] = {}
        self._lock = threading.Lock()

    def take(self, key: str, at: int, data: str) -> Path:
        """Add a piece (base64) that begins at byte ``at``; the file so far. Raises ``StrangeQuestion``,
        ``StorageError``.
        """
        if not _KEY.fullmatch(key):
            raise StrangeQuestion(question="key")
        try:
            piece = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise StrangeQuestion(question="data") from error
        path = self._scratch / f"{key}.parte"
        with self._lock:
            known = self._sizes.pop(key, 0)
            if at != known or known + len(piece) > MAX_UPLOAD_BYTES:
                self._drop(key)
                raise StrangeQuestion(question="at")
            while len(self._sizes) >= MOST_UPLOADS:
                self._drop(next(iter(self._sizes)))
            make_folder(self._scratch)
            with storage_errors(path), path.open("ab" if at else "wb") as file:
                file.write(piece)
            self._sizes[key] = known + len(piece)
        return path

    def finish(self, key: str, name: str, target: Path) -> int:
        """Put the whole file called ``name`` in ``target``, a zip unpacked; how many files came. A picture whose name
        is taken gets a number, and so do the caption and the mask that come after it. Raises ``PictureSkipped``,
        ``CannotRead``, ``StorageError``.
        """
        path, plain = self._scratch / f"{key}.parte", Path(name.replace("\\", "/")).name
        suffix = Path(plain).suffix.lower()
        try:
            if suffix == ZIP:
                make_folder(target)
                return unpack(path, target)
            if suffix not in PICTURE_SUFFIXES | {EXTENSION} or plain.startswith("."):
                raise PictureSkipped(path=Path(plain))
            make_folder(target)
            with storage_errors(target / plain):
                shutil.move(path, self._place(target / safe_name(f"{Path(plain).stem}{suffix}")))
            return 1
        finally:
            with self._lock:
                self._drop(key)

    def _place(self, wanted: Path) -> Path:
        own = wanted.stem.removesuffix(MASK_SUFFIX)
        picture, ending = wanted.with_name(own), wanted.stem.removeprefix(own)
        if wanted.suffix == EXTENSION or ending:
            return free_name(wanted.with_name(f"{self._stems.get(picture, own)}{ending}{wanted.suffix}"))
        path = free_name(wanted)
        self._stems[picture] = path.stem
        return path

    def _drop(self, key: str) -> None:
        self._sizes.pop(key, None)
        (self._scratch / f"{key}.parte").unlink(missing_ok=True)


def checked_folder(name: str) -> str:
    """The name of a folder with its repeats in front: those of the guide, where somebody only wrote a name. Raises
    ``PictureFolderName``."""
    name = name.strip()
    folder = name if name[:1].isdigit() else f"{REPEATS}_{name}"
    if not _FOLDER.fullmatch(folder):
        raise PictureFolderName(name=name)
    return folder
