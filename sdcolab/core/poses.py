"""People as OpenPose tells them: the points of bodies, hands and faces, how they hang together, and its JSON (Cao et
al. 2017, arXiv:1611.08050; the colours of its training maps: hechos/extensiones.md 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdcolab.core.errors import PosesMalformed

BODY, HAND, FACE = 18, 21, 70
"""How many points each has at most; detectors give 68 to 70 for a face."""

MAX_PEOPLE = 20
MAX_SIDE, MIN_SIDE = 2048, 64
"""Of the canvas, in pixels."""

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of points of a body that are joined, each with the colour of its place in ``COLOURS``."""

COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip

FINGERS = tuple(
    (0 if joint == 1 else first + joint - 2, first + joint - 1) for first in (1, 5, 9, 13, 17) for joint in range(1, 5)
)
"""Pairs of points of a hand that are joined."""

Points = tuple[tuple[float, float, float], ...]
"""(x, y in pixels, and above 0 where it was seen)."""

STANDING: Points = tuple(
    (x, y, 1.0)
    for x, y in (
        (0.5, 0.14), (0.5, 0.25), (0.41, 0.25), (0.37, 0.38), (0.35, 0.51), (0.59, 0.25), (0.63, 0.38), (0.65, 0.51),
        (0.45, 0.52), (0.44, 0.72), (0.43, 0.92), (0.55, 0.52), (0.56, 0.72), (0.57, 0.92),
        (0.48, 0.12), (0.52, 0.12), (0.455, 0.13), (0.545, 0.13),
    )
)  # fmt: skip
"""Somebody who stands, as shares of a canvas."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One person; hands and face are empty where nobody looked for them."""

    body: Points
    left: Points = ()
    right: Points = ()
    face: Points = ()


@dataclass(frozen=True, slots=True)
class Poses:
    """The people on a canvas of ``width`` by ``height`` pixels."""

    width: int
    height: int
    people: tuple[Figure, ...]


_PARTS = (
    ("body", "pose_keypoints_2d", BODY),
    ("left", "hand_left_keypoints_2d", HAND),
    ("right", "hand_right_keypoints_2d", HAND),
    ("face", "face_keypoints_2d", FACE),
)


def poses_to_json(poses: Poses) -> dict[str, Any]:
    """As OpenPose writes them."""
    people = [
        {name: [value for point in getattr(figure, part) for value in point] for part, name, _ in _PARTS}
        for figure in poses.people
    ]
    return {"canvas_width": poses.width, "canvas_height": poses.height, "people": people}


def poses_from_json(raw: Any) -> Poses:
    """What OpenPose, its ControlNet extension (a list of one) or an editor wrote. Raises ``PosesMalformed``."""
    raw = raw[0] if isinstance(raw, list) and raw else raw
    if not isinstance(raw, dict) or not isinstance(raw.get("people"), list) or len(raw["people"]) > MAX_PEOPLE:
        raise PosesMalformed()
    width, height = (_side(raw.get(name)) for name in ("canvas_width", "canvas_height"))
    return Poses(width, height, tuple(_figure(one, width, height) for one in raw["people"]))


def _side(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_SIDE <= value <= MAX_SIDE:
        raise PosesMalformed()
    return round(value)


def _figure(raw: Any, width: int, height: int) -> Figure:
    if not isinstance(raw, Mapping):
        raise PosesMalformed()
    found = {part: _points(raw.get(name) or [], most) for part, name, most in _PARTS}
    if len(found["body"]) != BODY:
        raise PosesMalformed()
    if all(0 <= x <= 1 and 0 <= y <= 1 for x, y, _ in found["body"]):  # some programs write shares of the canvas
        found = {part: tuple((x * width, y * height, seen) for x, y, seen in points) for part, points in found.items()}
    return Figure(**found)


def _points(raw: Any, most: int) -> Points:
    if not isinstance(raw, list) or len(raw) % 3 or len(raw) > 3 * most:
        raise PosesMalformed()
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in raw):
        raise PosesMalformed()
    bound = 4.0 * MAX_SIDE
    values = [min(bound, max(-bound, float(one))) for one in raw]
    return tuple(zip(values[::3], values[1::3], values[2::3], strict=True))
