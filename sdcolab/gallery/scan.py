"""Keeping the index like the disk: only folders that changed are listed, only files that changed are opened."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sdcolab.core.pictures import PICTURE_SUFFIXES
from sdcolab.gallery.facts import read_facts
from sdcolab.gallery.index import GalleryIndex, Seen
from sdcolab.gallery.marks import Marks

TRASH = "_papelera"
"""Folder under outputs where deleted pictures wait. Like every folder that begins with "_" or ".", it is not shown."""

BATCH = 100
"""Pictures written to the index at once."""

_FRESH = 2_000_000_000
"""Nanoseconds. The time of a folder that changed this recently does not tell of changes that follow at once."""


def scan(
    root: Path,
    index: GalleryIndex,
    marks: Callable[[], Marks],
    *,
    whole: bool = False,
    progress: Callable[[int], None] = lambda _count: None,
    stop: threading.Event | None = None,
) -> bool:
    """Bring ``index`` up to date with the pictures under ``root``; whether anything had changed.

    With ``whole`` every folder is listed, also those whose time tells of no change (Drive's do not always).
    ``progress`` hears how many pictures were read until now. Files and folders that cannot be read are passed over.
    """
    known = index.folders()
    found = dict(picture_folders(root))
    changed = False
    count = 0
    for gone in known.keys() - found.keys():
        index.drop_folder(gone)
        changed = True
    for folder, mtime in sorted(found.items(), reverse=True):  # the newest days first
        if not whole and known.get(folder) == mtime:
            continue
        seen = {one.name: one for one in _pictures(root, folder)}
        before = index.known(folder)
        gone_names = before.keys() - seen.keys()
        index.remove(folder, gone_names)
        fresh = [one for one in seen.values() if before.get(one.name) != (one.mtime, one.size)]
        changed |= bool(gone_names or fresh)
        for start in range(0, len(fresh), BATCH):
            if stop and stop.is_set():
                return True
            part = [(one, root / one.folder / one.name) for one in fresh[start : start + BATCH]]
            index.add([(one, read_facts(path)) for one, path in part if path.exists()], marks)
            count += len(part)
            progress(count)
        index.set_folder(folder, mtime if time.time_ns() - mtime > _FRESH else 0)
    return changed


def picture_folders(root: Path) -> Iterator[tuple[str, int]]:
    """Every folder below ``root`` that is shown, relative to it, with its time. Links are followed once."""
    entered: set[str] = set()
    for parent, inner, _ in os.walk(root, followlinks=True):
        real = os.path.realpath(parent)
        inner[:] = [name for name in inner if name[:1] not in "._" and _is_text(name)]
        if real in entered:
            inner.clear()
            continue
        entered.add(real)
        folder = Path(parent).relative_to(root).as_posix()
        if folder == ".":
            continue
        try:
            yield folder, Path(parent).stat().st_mtime_ns
        except OSError:
            continue


def _pictures(root: Path, folder: str) -> Iterator[Seen]:
    try:
        entries = [*os.scandir(root / folder)]
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.lower().endswith(PICTURE_SUFFIXES) or not _is_text(entry.name):
            continue
        try:
            if entry.is_file():
                about = entry.stat()
                yield Seen(folder, entry.name, about.st_mtime_ns, about.st_size)
        except OSError:
            continue


def _is_text(name: str) -> bool:
    """Linux allows names that are no text, which no page could carry."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
