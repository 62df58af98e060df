"""Getting a folder of pictures ready: unpack it, look at it, set doubles aside. Nothing is ever deleted. No torch."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import CannotRead, LibraryMissing, PictureSkipped, SdcolabError
from sdcolab.core.files import atomic_write, make_folder, storage_errors, system_reason
from sdcolab.training.dataset import PICTURE_SUFFIXES, mask_of
from sdcolab.training.pictures import open_training_picture
from sdcolab.training.tags import EXTENSION

SET_ASIDE = "_duplicadas"
OUT = "_apartadas"
"""Where pictures go that somebody takes out by hand."""
ALIKE = 6
"""Bits of 64 in which the perceptual hashes of two copies of one picture differ at most."""
MAX_FILES = 20_000
MAX_BYTES = 20_000_000_000

Hear = Callable[[SdcolabError], object]


@dataclass(frozen=True, slots=True)
class Double:
    """A picture that is another one again; ``size`` differs where one is smaller."""

    path: Path
    of: Path


def find_doubles(pictures: Sequence[Path], hear: Hear = lambda _error: None, limit: int = ALIKE) -> list[Double]:
    """Pictures that look like an earlier or larger one (pHash of ImageHash: Zauner 2010). The largest of a group stays.

    Raises ``LibraryMissing``.
    """
    try:
        import imagehash
    except ImportError:
        raise LibraryMissing(library="ImageHash", packages="ImageHash") from None
    kept: list[tuple[Path, Any]] = []
    doubles: list[Double] = []
    hashed = []
    for path in pictures:
        try:
            picture = open_training_picture(path)
        except SdcolabError:
            hear(PictureSkipped(path=path))
            continue
        hashed.append((picture.width * picture.height, path, imagehash.phash(picture)))
    for _, path, own in sorted(hashed, key=lambda row: (-row[0], row[1])):
        like = next((other for other, known in kept if own - known <= limit), None)
        if like is None:
            kept.append((path, own))
        else:
            doubles.append(Double(path, like))
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
    """Pictures and captions of a zip, flat in ``folder``; how many files. Names that lead elsewhere, doubles of names
    and bombs do no harm.

    Raises ``CannotRead`` or ``StorageError``.
    """
    wanted = {suffix.lower() for suffix in PICTURE_SUFFIXES} | {EXTENSION}
    count = total = 0
    try:
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist()[:MAX_FILES]:
                name = Path(info.filename.replace("\\", "/")).name
                if info.is_dir() or Path(name).suffix.lower() not in wanted or name.startswith("."):
                    continue
                if "__MACOSX" in info.filename:
                    continue
                total += info.file_size
                if total > MAX_BYTES:
                    raise CannotRead(path=archive, reason="EFBIG")
                with file.open(info) as source, atomic_write(folder / name) as target:
                    shutil.copyfileobj(source, target)
                count += 1
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise CannotRead(path=archive, reason=str(error)) from error
    except OSError as error:
        raise CannotRead(path=archive, reason=system_reason(error)) from error
    return count
