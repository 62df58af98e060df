"""What people say of their pictures: 1 to 5 stars, and favourites. Kept apart from the index, which can be lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdcolab.core.kept import change_kept, read_kept

FILE_NAME = "galeria.json"
MOST_STARS = 5

Marks = Mapping[str, tuple[int, bool]]
"""Stars (0 for none) and favourite, by path relative to the outputs with forward slashes."""

UNMARKED = (0, False)


class MarksFile:
    """The marks in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> Marks:
        """Every mark. Raises ``SettingsUnreadable`` (the file is set aside first) or ``CannotRead``."""
        return read_kept(self._path, _from_json) or {}

    def change(self, change: Callable[[Marks], Marks]) -> Marks:
        """Save what ``change`` makes of them and return it. Raises ``DiskFull`` or ``CannotWrite`` too."""
        return change_kept(self._path, self.load, lambda marks: _made(change(marks)), indent=None)


def _made(marks: Marks) -> Marks:
    return {path: mark for path, mark in marks.items() if mark != UNMARKED}


def _from_json(raw: Mapping[str, Any]) -> Marks:
    return {path: (max(0, min(int(stars), MOST_STARS)), bool(heart)) for path, (stars, heart) in raw.items()}
