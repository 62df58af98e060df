"""What people say of their pictures: 1 to 5 stars, and favourites. Kept apart from the index, which can be lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdcolab.core.files import atomic_write
from sdcolab.core.kept import locked, read_kept

FILE_NAME = "galeria.json"
MOST_STARS = 5

Marks = Mapping[str, tuple[int, bool]]
"""Stars (0 for none) and favourite, by path relative to the outputs with forward slashes."""

UNMARKED = (0, False)


class MarksFile:
    """The marks in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> dict[str, tuple[int, bool]]:
        """Every mark. Raises ``SettingsUnreadable`` (the file is set aside first) or ``CannotRead``."""
        return read_kept(self._path, _from_json) or {}

    def change(self, change: Callable[[dict[str, tuple[int, bool]]], None]) -> dict[str, tuple[int, bool]]:
        """Load them, let ``change`` alter them and save. Raises ``DiskFull`` or ``CannotWrite`` too."""
        with locked(self._path):
            marks = self.load()
            change(marks)
            kept = {path: mark for path, mark in marks.items() if mark != UNMARKED}
            text = json.dumps({path: [stars, heart] for path, (stars, heart) in kept.items()}, ensure_ascii=False)
            with atomic_write(self._path) as file:
                file.write(text.encode("utf-8"))
        return kept


def _from_json(raw: Mapping[str, Any]) -> dict[str, tuple[int, bool]]:
    return {path: (max(0, min(int(stars), MOST_STARS)), bool(heart)) for path, (stars, heart) in raw.items()}
