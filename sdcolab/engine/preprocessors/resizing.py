"""Bringing pictures to a preprocessor's resolution and maps to the wanted size (hechos/extensiones.md 3, "Preparing").

Pictures are uint8 arrays [H, W, 3] (RGB) or [H, W].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from sdcolab.core.control import ControlResize, detect_size
from sdcolab.engine.preprocessors.base import Pixels

Picture = TypeVar("Picture", Pixels, NDArray[np.float32])

PAD_TO = 64
"""Detectors see pictures whose sides are multiples of this, the edge repeated."""

_FEW_COLOURS = range(3, 200)
"""So many different colours make a map of areas, which must not be mixed."""

_DARK, _MIDDLE, _BRIGHT = 16, 127, 240


def at_resolution(
    picture: Pixels, resolution: int, detect: Callable[[Pixels], Pixels], *, padded: bool = True
) -> Pixels:
    """``detect`` of the picture with ``resolution`` pixels on its short side, ``padded`` to a multiple of 64."""
    height, width = detect_size(picture.shape[0], picture.shape[1], resolution)
    scaled = resampled(picture, height, width)
    if not padded:
        return detect(scaled)
    down, across = -height % PAD_TO, -width % PAD_TO
    grown = np.pad(scaled, ((0, down), (0, across), (0, 0)), mode="edge")
    return np.ascontiguousarray(detect(grown)[:height, :width])


def resampled(picture: Pixels, height: int, width: int) -> Pixels:
    """Cubic to a larger size, by areas to a smaller one."""
    if picture.shape[:2] == (height, width):
        return picture
    grows = height * width > picture.shape[0] * picture.shape[1]
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def fitted(control: Pixels, height: int, width: int, resize: ControlResize) -> Pixels:
    """The map [H, W, C] at the wanted size [height, width, C]."""
    if resize is ControlResize.JUST:
        return _resized_map(control, height, width)
    scales = height / control.shape[0], width / control.shape[1]
    factor = max(scales) if resize is ControlResize.CROP else min(scales)
    safe_height, safe_width = round(control.shape[0] * factor), round(control.shape[1] * factor)
    scaled = _resized_map(control, safe_height, safe_width)
    if resize is ControlResize.CROP:
        top, left = max(0, (safe_height - height) // 2), max(0, (safe_width - width) // 2)
        return np.ascontiguousarray(scaled[top : top + height, left : left + width])
    canvas = np.empty((height, width, control.shape[2]), np.uint8)
    canvas[:] = _border_colour(control)
    top, left = max(0, (height - safe_height) // 2), max(0, (width - safe_width) // 2)
    canvas[top : top + safe_height, left : left + safe_width] = scaled[:height, :width]
    return canvas


def _border_colour(control: Pixels) -> Pixels:
    """The median of the border's colours."""
    border = np.concatenate([control[0], control[-1], control[:, 0], control[:, -1]])
    return np.median(border, axis=0).astype(np.uint8)


def _resized_map(control: Pixels, height: int, width: int) -> Pixels:
    """A map keeps its kind: areas keep their colours, two-valued maps stay so, and lines of one pixel stay as thin."""
    if control.shape[:2] == (height, width):
        return control
    colours = count_colours(control)
    grows = height * width > control.shape[0] * control.shape[1]
    smooth = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    method = cv2.INTER_NEAREST if colours in _FEW_COLOURS else smooth
    resized = np.asarray(cv2.resize(control, (width, height), interpolation=method), np.uint8)
    if resized.ndim == 2:
        resized = resized[:, :, None]
    if colours != 2 or control.min() >= _DARK or control.max() <= _BRIGHT:
        return resized
    grey = resized.mean(axis=2).astype(np.uint8)
    thin = _is_thin(control)
    if thin:
        grey = ridges(grey)
    binary = np.asarray(cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1], np.uint8)
    if thin:
        binary = thinned(binary, prune=grows)
    return np.repeat(binary[:, :, None], control.shape[2], axis=2)


def count_colours(picture: Pixels) -> int:
    """How many different colours a picture [H, W, 1 to 4] has."""
    values = np.zeros(picture.shape[:2], np.uint32)
    for channel in range(picture.shape[2]):
        values = values << np.uint32(8) | picture[:, :, channel]
    return len(np.unique(values))


_SQUARE = np.ones((3, 3), np.uint8)


def _is_thin(control: Pixels) -> bool:
    """Whether most of the white of a two-valued map is lines too thin for a square of 3 pixels."""
    opened = cv2.dilate(cv2.erode(control, _SQUARE), _SQUARE)
    return int((opened < control).sum()) * 2 > int((control > _MIDDLE).sum())


_DIRECTIONS = tuple(
    np.array(kernel, np.uint8)
    for kernel in (
        [[0, 0, 0], [1, 1, 1], [0, 0, 0]],
        [[0, 1, 0], [0, 1, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    )
)


def ridges(picture: Picture) -> Picture:
    """What is a maximum along some direction of a picture [H, W] stays, the rest is 0 (non-maximum suppression)."""
    kept = np.zeros_like(picture)
    for direction in _DIRECTIONS:
        kept = np.where(cv2.dilate(picture, direction) == picture, picture, kept)
    return kept


def _turned(*kernels: list[list[int]]) -> tuple[NDArray[np.int32], ...]:
    turns = [np.rot90(np.array(kernel, np.int32), turn) for turn in range(4) for kernel in kernels]
    return tuple(np.ascontiguousarray(kernel) for kernel in turns)


_THINNING = _turned([[-1, -1, -1], [0, 1, 0], [1, 1, 1]], [[0, -1, -1], [1, 1, -1], [0, 1, 0]])
"""The structuring elements L of Golay's alphabet (Serra 1982): 1 is white, -1 black, 0 either."""
_PRUNING = _turned([[-1, -1, -1], [-1, 1, -1], [0, 0, -1]], [[-1, -1, -1], [-1, 1, -1], [-1, 0, 0]])
"""Ends of lines, the elements E."""
_MAX_ROUNDS = 32


def thinned(binary: Pixels, *, prune: bool = False) -> Pixels:
    """A 0/255 map [H, W] with its lines one pixel wide; then their ends are cut by a pixel if ``prune``."""
    image = binary
    for _ in range(_MAX_ROUNDS):
        after = _without(image, _THINNING)
        if np.array_equal(after, image):
            break
        image = after
    return _without(image, _PRUNING) if prune else image


def _without(image: Pixels, kernels: tuple[NDArray[np.int32], ...]) -> Pixels:
    for kernel in kernels:
        hit = np.asarray(cv2.morphologyEx(image, cv2.MORPH_HITMISS, kernel), np.uint8)
        image = image & ~hit
    return image
