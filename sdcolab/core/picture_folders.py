"""The folders of pictures that can be worked on whole: the saved ones and those for training."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sdcolab.core.errors import UnknownName
from sdcolab.core.folders import Folders
from sdcolab.core.pictures import PICTURE_SUFFIXES
from sdcolab.core.registry import closest
from sdcolab.core.training import training_home

MOST_FOLDERS = 400
MOST_PICTURES = 10_000
_DEEP = 4


def picture_folders(folders: Folders) -> Mapping[str, Path]:
    """Folders that hold pictures, by their name below what holds the saved ones or the Drive; the newest days first."""
    home = training_home(folders)
    starts = (
        (folders.outputs.parent, folders.outputs),
        (home, home / "lora_training" / "datasets"),
        (home, home / "Loras"),
    )
    found: dict[str, Path] = {}
    for base, start in starts:
        for folder in _walk(start, _DEEP):
            found.setdefault(folder.relative_to(base).as_posix(), folder)
            if len(found) >= MOST_FOLDERS:
                return found
    return found


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in ``folder`` itself, in alphabetical order."""
    return sorted((path for path in folder.iterdir() if _is_picture(path)), key=lambda path: path.name.casefold())[
        :MOST_PICTURES
    ]


def pictures_of(name: str, folders: Folders) -> list[Path]:
    """The pictures of the folder called ``name``. Raises ``UnknownName``."""
    known = picture_folders(folders)
    if name not in known:
        raise UnknownName(kind="folder", name=name, suggestions=closest(name, list(known)))
    return pictures_in(known[name])


def _walk(folder: Path, deep: int) -> Iterator[Path]:
    """``folder`` and those below it that hold pictures; links are not followed."""
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError:
        return
    if any(_is_picture(Path(entry.path)) for entry in entries):
        yield folder
    below = sorted((entry.name for entry in entries if entry.is_dir(follow_symlinks=False)), reverse=True)
    for name in below if deep else ():
        if not name.startswith("."):
            yield from _walk(folder / name, deep - 1)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
