"""The room where skeletons are edited (``rooms/poses.js``): found in a picture, opened from JSON, dragged about, and
given to ControlNet as a map."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.errors import PosesMalformed, StrangeQuestion
from sdcolab.core.files import atomic_write
from sdcolab.core.folders import Folders
from sdcolab.core.pictures import picture_from
from sdcolab.core.poses import COLOURS, FINGERS, LIMBS, STANDING, Poses, poses_from_json, poses_to_json
from sdcolab.core.rooms import Answer, RoomFile, text
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words.control import JOINT_NAMES, POSE_WORDS

MOST_PICTURE = 900_000
"""Characters of a picture in base64: the browser makes it smaller first."""

MOST_POSES = 500_000
"""Characters of a JSON."""

KEPT = 50
"""Maps that stay; older ones make room."""

Find = Callable[[Image.Image, Folders], Poses]
Draw = Callable[[Poses], Image.Image]


class PosesRoom:
    """``find`` looks for people in a picture (RGB) with the weights of the folders, and raises what is missing;
    ``draw`` makes the map that ControlNet reads."""

    def __init__(self, folders: Folders, find: Find, draw: Draw) -> None:
        self._folders = folders
        self._find = find
        self._draw = draw
        self._lock = threading.Lock()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "words": lambda _said: self._words(),
            "find": self._found,
            "open": lambda said: poses_to_json(_poses(said)),
            "draw": self._drawn,
        }

    def file(self, kind: str, name: str) -> RoomFile | None:
        """A map that was drawn here."""
        path = self._place(int(name)) if kind == "picture" and name.isdecimal() and len(name) < 10 else None
        return RoomFile(path, "image/png") if path and path.is_file() else None

    def _words(self) -> dict[str, Any]:
        shapes = {"limbs": LIMBS, "colours": COLOURS, "fingers": FINGERS, "standing": STANDING}
        return {"words": dict(POSE_WORDS), "joints": JOINT_NAMES, **shapes}

    def _found(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The people in a picture, as JSON."""
        try:
            data = base64.b64decode(text(said, "picture", most=MOST_PICTURE), validate=True)
        except ValueError as error:  # binascii's own, or a text that is not ASCII
            raise PosesMalformed() from error
        picture = picture_from(data, Path("imagen")).convert("RGB")
        return poses_to_json(self._find(picture, self._folders))

    def _drawn(self, said: Mapping[str, Any]) -> int:
        """Draw the map and keep it. Its number."""
        made = self._draw(_poses(said))
        with self._lock:
            place = self._next()
            path = self._place(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                made.save(file, "PNG")
        for old in sorted(path.parent.glob("*.png"))[:-KEPT]:
            old.unlink(missing_ok=True)
        return place

    def _next(self) -> int:
        known = [int(path.stem) for path in self._place(0).parent.glob("*.png") if path.stem.isdecimal()]
        return max(known, default=-1) + 1

    def _place(self, place: int) -> Path:
        return self._folders.temporary / "poses" / f"{place:09}.png"


def _poses(said: Mapping[str, Any]) -> Poses:
    """Raises ``PosesMalformed``."""
    try:
        return poses_from_json(parse_json(text(said, "poses", most=MOST_POSES)))
    except (ValueError, StrangeQuestion) as error:
        raise PosesMalformed() from error
