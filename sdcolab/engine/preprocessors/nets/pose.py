"""People and the points of their bodies, faces and hands (DWPose; Yang et al. 2023, arXiv:2307.15880), by onnxruntime.

A YOLOX detector (Ge et al. 2021, arXiv:2107.08430) finds the people; each is cut out, and RTMPose (Jiang et al. 2023,
arXiv:2303.07399) says for 133 points (COCO-WholeBody) in which column and in which row they lie (SimCC).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sdcolab.core.errors import ModelUnreadable
from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.person import Floats, Person

_STRIDES = (8, 16, 32)
_EMPTY = 114
"""What fills the detector's square beside the picture."""
_PERSON, _LIKELY, _OVERLAP = 0, 0.3, 0.45
_ROOM = 1.25
"""Of a person's box around the person."""
_MEAN = np.array((123.675, 116.28, 103.53), np.float32)
_SPREAD = np.array((58.395, 57.12, 57.375), np.float32)
_SPLIT = 2.0
"""Columns and rows of SimCC for each pixel."""
_SEEN = 0.3

_SHOULDERS = (5, 6)
_BODY = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""COCO's point for each of OpenPose's 18; the neck lies between the shoulders."""
POINTS = 133
"""Of a person in COCO-WholeBody: the 17 of the body come first."""
_FACE, _LEFT, _RIGHT = slice(23, 91), slice(91, 112), slice(112, 133)


def people(picture: Pixels, detector: Path, poser: Path) -> tuple[Person, ...]:
    """Everybody in a picture [H, W, 3] (RGB). Raises ``ModelUnreadable``."""
    boxes, session = boxes_of(picture, detector), _opened(poser)
    turned = np.ascontiguousarray(picture[:, :, ::-1])  # both nets were given OpenCV's order
    return tuple(_person(turned, box, session, poser) for box in boxes)


def boxes_of(picture: Pixels, detector: Path) -> Floats:
    """Where people are in a picture (RGB), as ``persons`` has it, in its pixels. Raises ``ModelUnreadable``."""
    return _boxes(np.ascontiguousarray(picture[:, :, ::-1]), _opened(detector), detector)


def _opened(path: Path) -> onnxruntime.InferenceSession:
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    try:
        there = onnxruntime.get_available_providers()
        return onnxruntime.InferenceSession(str(path), providers=[one for one in wanted if one in there])
    except Exception as error:  # onnxruntime's errors have no common class
        raise ModelUnreadable(path=path, reason="damaged") from error


def _run(session: onnxruntime.InferenceSession, image: NDArray[Any], path: Path) -> Sequence[Floats]:
    """Outputs for an image [H, W, 3]."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
    try:
        outputs: Sequence[Floats] = session.run(None, {session.get_inputs()[0].name: planes})
    except Exception as error:  # as above: a model of another shape
        raise ModelUnreadable(path=path, reason="not_a_model") from error
    return outputs


def _side(session: onnxruntime.InferenceSession, axis: int, otherwise: int) -> int:
    size = session.get_inputs()[0].shape[axis]
    return size if isinstance(size, int) else otherwise


def _boxes(picture: Pixels, session: onnxruntime.InferenceSession, path: Path) -> Floats:
    side = _side(session, 2, 640)
    height, width = picture.shape[:2]
    ratio = min(side / height, side / width)
    square = np.full((side, side, 3), _EMPTY, np.uint8)
    scaled = cv2.resize(picture, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
    square[: scaled.shape[0], : scaled.shape[1]] = scaled
    return persons(_run(session, square, path)[0][0], side) / ratio


def persons(found: Floats, side: int) -> Floats:
    """Boxes [N, 4] (left, top, right, bottom in the detector's pixels) of the people in YOLOX's output [places, 5 +
    classes], the likeliest first, none that nearly covers a likelier one."""
    grids = [np.mgrid[: side // one, : side // one][::-1].reshape(2, -1).T for one in _STRIDES]
    strides = np.concatenate([np.full((len(grid), 1), one) for grid, one in zip(grids, _STRIDES, strict=True)])
    middle = (found[:, :2] + np.concatenate(grids)) * strides
    size = np.exp(found[:, 2:4]) * strides
    likely = found[:, 4] * found[:, 5 + _PERSON]
    corners = np.concatenate([middle - size / 2, size], axis=1).astype(np.float32)
    kept = np.asarray(cv2.dnn.NMSBoxes(corners.tolist(), likely.tolist(), _LIKELY, _OVERLAP), int).reshape(-1)
    chosen = corners[kept]
    return np.concatenate([chosen[:, :2], chosen[:, :2] + chosen[:, 2:]], axis=1)


def _person(picture: Pixels, box: Floats, session: onnxruntime.InferenceSession, path: Path) -> Person:
    cut, scale, start = cut_out(picture, box, _side(session, 2, 384), _side(session, 3, 288))
    columns, rows = _run(session, (cut - _MEAN) / _SPREAD, path)[:2]
    points = located(columns[0], rows[0])
    points[:, :2] = points[:, :2] * scale + start
    return arranged(points)


def cut_out(picture: Pixels, box: Floats, height: int, width: int) -> tuple[Pixels, float, Floats]:
    """The person in ``box`` with some room around, [height, width, 3]; how many of the picture's pixels one of those
    is, and where in the picture the first one lies.
    """
    middle, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * _ROOM
    scale = max(size[0] / width, size[1] / height)
    start = middle - np.array((width, height)) * scale / 2
    matrix = np.array(((1 / scale, 0, -start[0] / scale), (0, 1 / scale, -start[1] / scale)), np.float32)
    cut = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8), float(scale), start.astype(np.float32)


def located(columns: Floats, rows: Floats) -> Floats:
    """Points [K, 3] (x, y in the net's pixels, likelihood) from SimCC's two outputs [K, columns] and [K, rows]."""
    likely = np.minimum(columns.max(axis=1), rows.max(axis=1))
    places = np.stack([columns.argmax(axis=1), rows.argmax(axis=1)], axis=1) / _SPLIT
    return np.concatenate([places, likely[:, None]], axis=1).astype(np.float32)


def arranged(points: Floats) -> Person:
    """133 points of COCO-WholeBody [133, 3] as OpenPose has them; what is not likely counts as not seen."""
    seen = np.concatenate([points[:, :2], (points[:, 2:] > _SEEN).astype(np.float32)], axis=1)
    shoulders = seen[list(_SHOULDERS)]
    neck = np.concatenate([points[list(_SHOULDERS), :2].mean(axis=0), shoulders[:, 2].min(keepdims=True)])
    body = np.stack([neck if place is None else seen[place] for place in _BODY])
    return Person(body.astype(np.float32), seen[_FACE], np.stack([seen[_LEFT], seen[_RIGHT]]))
