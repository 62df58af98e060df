"""Getting a folder of pictures ready: unpack it, look at it, set doubles aside. Nothing is ever deleted. No torch."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sdcolab.core import zips
from sdcolab.core.errors import LibraryMissing, PictureSkipped, SdcolabError
from sdcolab.core.file_names import safe_name
from sdcolab.core.files import atomic_write, make_folder, storage_errors
from sdcolab.training.dataset import MASK_SUFFIX, PICTURE_SUFFIXES, mask_of
from sdcolab.training.pictures import open_training_picture
from sdcolab.training.tags import EXTENSION

SET_ASIDE = "_duplicadas"
OUT = "_apartadas"
"""Where pictures go that somebody takes out by hand."""
ALIKE = 6
"""Bits of 64 in which the perceptual hashes of two copies of one picture differ at most."""
LIMITS = zips.ZipLimits(files=20_000, total=20_000_000_000, each=2_000_000_000)
"""Of a zip of pictures."""

Hear = Callable[[SdcolabError], object]


@dataclass(frozen=True, slots=True)
class Double:
    """A picture that is another one again; ``size`` differs where one is smaller."""

    path: Path
    of: Path


def find_doubles(
    pictures: Sequence[Path],
    hear: Hear = lambda _error: None,
    done: Callable[[int, int], object] = lambda _count, _total: None,
    limit: int = ALIKE,
) -> list[Double]:
    """Pictures that look like an earlier or larger one (pHash of ImageHash: Zauner 2010). The largest of a group stays,
    of those one that has a description, and of those the least compressed. ``done`` hears how many of how many have
    been looked at; what it raises ends the search.

    Raises ``LibraryMissing``.
    """
    try:
        import imagehash
    except ImportError:
        raise LibraryMissing(library="ImageHash", packages="ImageHash") from None
    doubles: list[Double] = []
    hashed = []
    for count, path in enumerate(pictures):
        done(count, len(pictures))
        try:
            picture = open_training_picture(path)
        except SdcolabError:
            hear(PictureSkipped(path=path))
            continue
        bare = not path.with_suffix(EXTENSION).is_file()
        # of two of one size, the larger file lost less: a PNG before its JPEG
        order = (-picture.width * picture.height, bare, -path.stat().st_size, path)
        hashed.append((order, imagehash.phash(picture).hash.ravel()))
    done(len(pictures), len(pictures))
    kept: list[Path] = []
    known = np.empty((len(hashed), 64), dtype=bool)  # of those in ``kept``: five thousand are compared in a second
    for (*_, path), own in sorted(hashed, key=lambda row: row[0]):
        (alike,) = ((known[: len(kept)] != own).sum(1) <= limit).nonzero()
        if len(alike):
            doubles.append(Double(path, kept[alike[0]]))
        else:
            known[len(kept)] = own
            kept.append(path)
    return sorted(doubles, key=lambda double: double.path)


def set_aside(doubles: Sequence[Double], parent: Path) -> Path:
    """Move doubles, with their captions and masks, into ``parent``'s ``_duplicadas``. Raises ``StorageError``."""
    return put_aside([double.path for double in doubles], parent, SET_ASIDE)


def put_aside(pictures: Sequence[Path], parent: Path, name: str = OUT) -> Path:
    """Move pictures, with their captions and masks, into the folder ``name`` of ``parent``. Raises ``StorageError``."""
    target = parent / name
    make_folder(target)
    for picture in pictures:
        beside = [picture, picture.with_suffix(EXTENSION), mask_of(picture)]
        for path in beside:
            if path is not None and path.is_file():
                with storage_errors(path):
                    shutil.move(path, free_name(target / f"{picture.parent.name}-{path.name}"))
    return target


def put_aside_file(path: Path) -> Path:
    """Move one file into ``_apartadas`` of its project; where it is then. Raises ``StorageError``."""
    folder = path.parent.parent if path.parent.name[:1].isdigit() else path.parent
    make_folder(folder / OUT)
    target = free_name(folder / OUT / f"{path.parent.name}-{path.name}")
    with storage_errors(path):
        shutil.move(path, target)
    return target


def free_name(path: Path) -> Path:
    """``path``, or the first of its kind with a number that nobody has."""
    number = 1
    candidate = path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def unpack(archive: Path, folder: Path) -> int:
    """Pictures and captions of a zip, flat in ``folder``; how many files. What the folder has stays: a picture that is
    there already, and its caption, are not written again, and another one of the same name gets a number, its caption
    and mask too. A caption without its picture in the zip is a newer one of what the folder has.

    Raises ``CannotRead`` or ``StorageError``.
    """
    wanted = {suffix.lower() for suffix in PICTURE_SUFFIXES} | {EXTENSION}
    with zips.opened(archive, lambda name: Path(name).suffix.lower() in wanted, LIMITS) as found:
        shown = [member for member in found if not PurePosixPath(member.name).name.startswith(".")]
        names = _Names(folder)
        for member in sorted(shown, key=lambda one: (_is_beside(one.name), one.name)):
            if path := names.place_of(member):
                with member.open() as source, atomic_write(path) as target:
                    shutil.copyfileobj(source, target)
    return len(shown)


def _is_beside(name: str) -> bool:
    """Whether a file belongs to a picture: a caption or a mask."""
    path = PurePosixPath(name)
    return path.suffix.lower() == EXTENSION or path.stem.endswith(MASK_SUFFIX)


class _Names:
    """Where the files of a zip go in a folder, which may lie on a disk where A and a are one letter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = {path.stem.casefold() for path in folder.iterdir()} if folder.is_dir() else set()
        self._stems: dict[str, str] = {}
        self._kept: set[str] = set()

    def place_of(self, member: zips.Member) -> Path | None:
        """None when it is there already, or belongs to a picture that is. Pictures come before what is beside them."""
        inside = PurePosixPath(member.name)
        name = Path(safe_name(inside.name))
        own = name.stem.removesuffix(MASK_SUFFIX)
        picture = str(inside.parent / inside.stem.removesuffix(MASK_SUFFIX))
        path = self._folder / name
        if picture in self._stems:
            ending = name.stem.removeprefix(own)
            path = self._folder / f"{self._stems[picture]}{ending}{name.suffix}"
            return None if picture in self._kept and path.exists() else path
        if _is_beside(member.name):
            return path
        if _is_there(path, member):
            self._kept.add(picture)
        number = 1
        while own.casefold() in self._taken and picture not in self._kept:
            number += 1
            own = f"{name.stem}-{number}"
        self._stems[picture] = own
        self._taken.add(own.casefold())
        return None if picture in self._kept else self._folder / f"{own}{name.suffix}"


def _is_there(path: Path, member: zips.Member) -> bool:
    """Whether ``path`` is the picture that ``member`` is."""
    return path.is_file() and path.stat().st_size == member.size and zlib.crc32(path.read_bytes()) == member.crc
