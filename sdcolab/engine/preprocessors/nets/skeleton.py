"""Drawing people as the OpenPose ControlNet was taught to see them (Cao et al. 2017, arXiv:1611.08050; the colours and
sizes of its training maps: hechos/extensiones.md 3)."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable

import cv2
import numpy as np

from sdcolab.core.poses import COLOURS, FINGERS, LIMBS
from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.person import Floats, Person

_THICK, _DIM = 4, 0.6
_TIP, _FACE_POINT = (0, 0, 255), (255, 255, 255)


def drawn(
    people: Iterable[Person], height: int, width: int, *, body: bool = True, hands: bool = False, face: bool = False
) -> Pixels:
    """People on black, [H, W, 3]: coloured limbs, the fingers, the points of the face."""
    canvas = np.zeros((height, width, 3), np.uint8)
    for person in people:
        if body:
            _body(canvas, person.body)
        if hands:
            for hand in person.hands:
                _hand(canvas, hand)
        if face:
            for point in person.face[person.face[:, 2] > 0]:
                cv2.circle(canvas, _place(point), 3, _FACE_POINT, thickness=-1)
    return canvas


def _body(canvas: Pixels, points: Floats) -> None:
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        one, other = points[start], points[end]
        if one[2] and other[2]:
            middle = (one + other) / 2
            length, angle = (
                math.hypot(*(one - other)[:2]),
                math.degrees(math.atan2(one[1] - other[1], one[0] - other[0])),
            )
            limb = np.asarray(
                cv2.ellipse2Poly(_place(middle), (int(length / 2), _THICK), int(angle), 0, 360, 1), np.int32
            )
            cv2.fillConvexPoly(canvas, limb, tuple(int(value * _DIM) for value in colour))
    for point, colour in zip(points, COLOURS, strict=True):
        if point[2]:
            cv2.circle(canvas, _place(point), _THICK, colour, thickness=-1)


def _hand(canvas: Pixels, points: Floats) -> None:
    for number, (start, end) in enumerate(FINGERS):
        one, other = points[start], points[end]
        if one[2] and other[2]:
            colour = colorsys.hsv_to_rgb(number / len(FINGERS), 1, 1)
            cv2.line(canvas, _place(one), _place(other), tuple(int(value * 255) for value in colour), thickness=2)
    for point in points[points[:, 2] > 0]:
        cv2.circle(canvas, _place(point), 4, _TIP, thickness=-1)


def _place(point: Floats) -> tuple[int, int]:
    return int(point[0]), int(point[1])
