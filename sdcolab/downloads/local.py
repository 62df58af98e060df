"""Files that are already on this computer or in the user's Drive: linked or copied into their folders.

A file on the same disk gets a second name there and takes no room; any other is copied, because reading a model through
a mounted Drive is slow each time it is used.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import Cancelled, ModelUnsafe, PickleNotInspected, SavedUnderOtherName, SdcolabError
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import safe_name, split_suffix, with_suffix
from sdcolab.core.files import storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.library import MODEL_SUFFIXES
from sdcolab.downloads.classify import Contents, look_inside
from sdcolab.downloads.links import LocalFile
from sdcolab.downloads.names import chosen_name
from sdcolab.downloads.parts import DiskSpace, Part
from sdcolab.downloads.placing import COPY_BLOCK, free_name, move, names_in_use
from sdcolab.downloads.report import LinkReport, LinkStatus, doubts
from sdcolab.downloads.transfer import Progress, same_content

DRIVE_NAMES = ("mydrive", "my drive", "mi unidad")
"""What the root of a user's Drive is called in paths, in lower case."""

MAX_FILES_IN_FOLDER = 200
"""Files that are taken from a folder."""


def files_at(text: str, drive_root: Path | None) -> tuple[Path, ...]:
    """The model files that ``text`` stands for: a file, or those of a folder, on this computer or in the Drive.

    Only model files are found: a list of links may come from elsewhere and must not fetch anything private.
    """
    for place in _places(text, drive_root):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if place.is_dir():
                return tuple(sorted(path for path in place.iterdir() if _is_model(path)))[:MAX_FILES_IN_FOLDER]
            if _is_model(place):
                return (place,)
    return ()


def _places(text: str, drive_root: Path | None) -> list[Path]:
    """Where ``text`` may be meant. A bare word is not a path."""
    if not re.search(r"[/\\]", text) and Path(text).suffix.lower() not in MODEL_SUFFIXES:
        return []
    path = Path(text.replace("\\", "/") if drive_root else text)
    places = []
    with contextlib.suppress(RuntimeError):  # no home
        if path.expanduser().is_absolute():
            places.append(path.expanduser())
    if drive_root:
        names = [part.lower() for part in path.parts]
        at = next((number for number, name in enumerate(names) if name in DRIVE_NAMES), -1)
        if at >= 0 or not path.is_absolute():
            places.append(drive_root.joinpath(*path.parts[at + 1 :]))
    return places


def _is_model(path: Path) -> bool:
    return path.suffix.lower() in MODEL_SUFFIXES and not path.name.startswith(".") and path.is_file()


class LocalJob:
    """One local file on its way to its folder. ``placing`` is held while a file gets its final name."""

    def __init__(
        self,
        file: LocalFile,
        folders: Folders,
        supported: frozenset[ModelFamily],
        space: DiskSpace,
        placing: threading.Lock,
        progress: Progress,
        cancel: CancelToken,
    ) -> None:
        self._file = file
        self._folders = folders
        self._supported = supported
        self._space = space
        self._placing = placing
        self._progress = progress
        self._cancel = cancel
        self._report = LinkReport(link=file.shown, status=LinkStatus.FAILED, name=file.path.name)

    def run(self) -> LinkReport:
        """Bring the file in. Every expected failure ends in the report."""
        try:
            self._cancel.raise_if_cancelled()
            return self._bring()
        except Cancelled as stop:
            return replace(self._report, status=LinkStatus.CANCELLED, error=stop)
        except (ModelUnsafe, PickleNotInspected) as error:
            return replace(self._report, error=type(error)(path=self._file.path))
        except SdcolabError as error:
            return replace(self._report, error=error)

    def _bring(self) -> LinkReport:
        source = self._file.path.resolve()
        contents = look_inside(source, source.name, self._file.shown)
        name = _name(self._file, contents)
        kind = self._file.kind or contents.detected.kind
        size = source.stat().st_size
        self._report = replace(self._report, name=name, kind=kind, family=contents.detected.family, size=size)
        if any(source.is_relative_to(self._folders.models(kind).resolve()) for kind in ModelKind):
            return self._done(LinkStatus.ALREADY_HERE, self._file.path)
        folder = self._folders.models(kind)
        for path in names_in_use(folder, name):
            if same_content(path, source, self._cancel):
                return self._done(LinkStatus.ALREADY_HERE, path)
        path = self._link_or_copy(source, folder, name, size)
        self._report = replace(self._report, name=path.name)
        renamed = (SavedUnderOtherName(name=name, path=path),) if path.name != name else ()
        return self._done(LinkStatus.DOWNLOADED, path, *renamed)

    def _done(self, status: LinkStatus, path: Path, *warnings: SdcolabError) -> LinkReport:
        report = replace(self._report, status=status, path=path)
        return replace(report, warnings=(*warnings, *doubts(report, self._supported)))

    def _link_or_copy(self, source: Path, folder: Path, name: str, size: int) -> Path:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self._placing, contextlib.suppress(OSError):  # another disk, or one without links
            path = free_name(folder, name)
            os.link(source, path)
            return path
        part = Part(folder, name, f"local:{source}")
        try:
            self._space.reserve(part, size)
            self._copy(source, part.path, size)
            with self._placing:
                path = free_name(folder, name)
                move(part.path, path)
            return path
        finally:
            part.discard()
            self._space.release(part)

    def _copy(self, source: Path, target: Path, size: int) -> None:
        copied = 0
        with storage_errors(target), source.open("rb", buffering=0) as file, target.open("wb") as out:
            while data := file.read(COPY_BLOCK):
                self._cancel.raise_if_cancelled()
                out.write(data)
                copied += len(data)
                self._progress(copied, size)
            out.flush()
            os.fsync(out.fileno())


def _name(file: LocalFile, contents: Contents) -> str:
    name = chosen_name(file.name, safe_name(file.path.name))
    fits = not contents.suffix or split_suffix(name)[1].lower() == contents.suffix
    return name if fits else with_suffix(name, contents.suffix)
