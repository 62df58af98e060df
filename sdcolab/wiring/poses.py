"""Finding people and drawing them, for the room of poses; what does so is imported when it is first wanted."""

from __future__ import annotations

from PIL import Image

from sdcolab.core.folders import Folders
from sdcolab.core.poses import Poses


def find_people(picture: Image.Image, folders: Folders) -> Poses:
    """Everybody in a picture (RGB). Raises as ``engine.preprocessors.people.poses_in``."""
    from sdcolab.engine.preprocessors.people import poses_in

    return poses_in(picture, folders)


def draw_people(poses: Poses) -> Image.Image:
    """The map that ControlNet reads (RGB)."""
    from sdcolab.engine.preprocessors.people import pose_map

    return pose_map(poses)
