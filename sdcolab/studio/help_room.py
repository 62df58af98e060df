"""The room of the help (``rooms/ayuda.js``): what the "?" beside a control tells, with its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdcolab.core.rooms import Answer, RoomFile
from sdcolab.core.words.fields import PART_LABELS, words_of
from sdcolab.core.words.help import ABOUT, CLOSE, HELP

HELP_FOLDER = Path(__file__).parent / "assets" / "help"
SIDE = 112
"""Of each picture of a strip, in pixels."""


class HelpRoom:
    """Tells; it changes nothing."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {"help": lambda _said: self._help()}

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The strip of a control, by its path."""
        path = HELP_FOLDER / f"{name}.webp"
        if kind != "strip" or name not in HELP or not path.is_file():
            return None
        return RoomFile(path.read_bytes(), "image/webp")

    def _help(self) -> dict[str, Any]:
        entries = [
            {
                "path": path,
                "label": label_of(path),
                "text": [*entry.text],
                "captions": [caption for caption, _ in entry.examples],
                "side": SIDE,
            }
            for path, entry in HELP.items()
        ]
        return {"entries": entries, "about": ABOUT, "close": CLOSE}


def label_of(path: str) -> str:
    """What the control is called on both faces."""
    part, _, place = path.rpartition(".")
    if place.isdigit():
        return f"{PART_LABELS[part]} {int(place) + 1}"
    return PART_LABELS[path] if path in PART_LABELS else words_of(path).label
