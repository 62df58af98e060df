"""People between pictures, OpenPose's points and maps, for those who edit them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sdcolab.core.folders import Folders
from sdcolab.core.poses import HAND, Figure, Points, Poses
from sdcolab.engine.preprocessors import finder, part
from sdcolab.engine.preprocessors.nets.person import Floats, Person
from sdcolab.engine.preprocessors.nets.skeleton import drawn

_UNSEEN: Points = ((0.0, 0.0, 0.0),) * HAND


def poses_in(picture: Image.Image, folders: Folders) -> Poses:
    """Everybody in a picture (RGB). Raises ``PreprocessorFileMissing``, ``PreprocessorPackageMissing`` and
    ``ModelUnreadable``."""
    find = finder(folders, "openpose_full")
    detector, poser = find("people"), find("pose")
    found = part("nets.pose", "openpose_full").people(np.array(picture, np.uint8), detector, poser)
    people = (Figure(_told(one.body), _told(one.hands[0]), _told(one.hands[1]), _told(one.face)) for one in found)
    return Poses(picture.width, picture.height, tuple(people))


def pose_map(poses: Poses) -> Image.Image:
    """The map that ControlNet reads (RGB)."""
    people = [
        Person(
            _points(one.body),
            _points(one.face),
            np.stack([_points(hand or _UNSEEN) for hand in (one.left, one.right)]),
        )
        for one in poses.people
    ]
    return Image.fromarray(drawn(people, poses.height, poses.width, hands=True, face=True))


def _points(given: Points) -> Floats:
    made = np.array(given, np.float32).reshape(-1, 3)
    made[:, 2] = made[:, 2] > 0
    return made


def _told(found: Floats) -> Points:
    return tuple((round(float(x), 1), round(float(y), 1), float(seen)) for x, y, seen in found)
