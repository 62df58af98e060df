"""The gallery as a room: what its module asks (``studio/assets/rooms/galeria.js``)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sdcolab.core.folders import Folders
from sdcolab.core.rooms import Answer, RoomFile, number, numbers, text, yes
from sdcolab.core.sheets import MOST_SPOTS, LaidCell
from sdcolab.gallery.album import Album
from sdcolab.gallery.index import Entry, Wanted

_ZIP = re.compile(r"imagenes-[\d-]{1,40}\.zip")
_MEDIA = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


class GalleryRoom:
    """Opens the album when somebody first asks, so that a program without a gallery on show pays nothing."""

    def __init__(
        self,
        folders: Folders,
        laid: Callable[[Path], Sequence[LaidCell]] = lambda _sheet: (),
        build: Callable[[Folders], Album] = Album,
    ) -> None:
        """``laid`` tells the cells of the sheet at a path."""
        self._folders = folders
        self._laid = laid
        self._build = build
        self._lock = threading.Lock()
        self._opened: Album | None = None

    @property
    def album(self) -> Album:
        """The pictures. Raises ``CannotWrite`` when the index cannot be made."""
        with self._lock:
            self._opened = self._opened or self._build(self._folders)
            return self._opened

    def close(self) -> None:
        """End what was opened."""
        with self._lock:
            if self._opened:
                self._opened.close()
                self._opened = None

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "state": lambda _said: self._state(),
            "page": self._page,
            "facts": self._facts,
            "mark": self._mark,
            "discard": lambda said: self.album.discard(numbers(said, "ids")),
            "restore": lambda _said: self.album.restore(),
            "empty_bin": lambda _said: self.album.bin.empty(),
            "move": lambda said: self.album.move(numbers(said, "ids"), text(said, "folder")),
            "zip": lambda said: self.album.bundle(numbers(said, "ids")).name,
            "refresh": lambda _said: self.album.refresh(),
        }

    def file(self, kind: str, name: str) -> RoomFile | None:
        """A thumbnail or a picture by its number, or a zip by its name. Raises ``PictureGone``."""
        if kind == "zip":
            path = self.album.bundles / name
            return RoomFile(path, "application/zip", name) if _ZIP.fullmatch(name) and path.is_file() else None
        if not name.isascii() or not name.isdigit() or len(name) > 15:
            return None
        if kind == "thumb":
            made = self.album.thumbnail(int(name))
            return RoomFile(made, "image/webp") if made else None
        if kind in ("picture", "download"):
            path = self.album.path(int(name))
            media = _MEDIA.get(path.suffix.lower())
            return RoomFile(path, media, path.name if kind == "download" else "") if media else None
        return None

    def _state(self) -> dict[str, Any]:
        state = self.album.state()
        kinds = [{"kind": kind, "count": count} for kind, count in self.album.kinds()]
        return {"version": state.version, "reading": state.reading, "kinds": kinds, "binned": self.album.bin.count()}

    def _page(self, said: Mapping[str, Any]) -> dict[str, Any]:
        entries, total = self.album.page(
            Wanted(
                query=text(said, "query", ""),
                kind=text(said, "kind", ""),
                order=text(said, "order", "date"),
                upwards=yes(said, "upwards"),
                start=number(said, "start", 0),
                count=number(said, "count", 60),
            )
        )
        return {"total": total, "entries": [_told(entry) for entry in entries]}

    def _facts(self, said: Mapping[str, Any]) -> dict[str, Any]:
        entry = self.album.entry(number(said, "id"))
        facts = self.album.facts(entry.id)
        told = {**_told(entry), "folder": entry.folder, "text": facts.text, "damaged": facts.damaged}
        return {**told, "cells": self._cells(entry.id)}

    def _cells(self, sheet: int) -> list[dict[str, Any]]:
        """The cells that can be opened on a sheet, by the numbers of their pictures; none on any other picture."""
        cells = self._laid(self.album.path(sheet))
        if not 0 < len(cells) <= MOST_SPOTS:
            return []
        numbers = self.album.numbers(cell.picture for cell in cells)
        known = ((numbers.get(cell.picture), cell) for cell in cells)
        return [{"key": str(place), "name": cell.name, "box": cell.box} for place, cell in known if place is not None]

    def _mark(self, said: Mapping[str, Any]) -> None:
        marks = partial(self.album.mark, numbers(said, "ids"))
        if "stars" in said:
            marks(stars=number(said, "stars"))
        if "favourite" in said:
            marks(favourite=yes(said, "favourite"))


def _told(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "made": entry.made,
        "changed": entry.mtime % 2**40,  # in the address of its small copy, so that a browser never keeps an old one
        "width": entry.width,
        "height": entry.height,
        "stars": entry.stars,
        "favourite": entry.favourite,
    }
