"""From what was found to the masks of what is drawn again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdcolab.core.details import DetailChoice, DetailMerge, DetailUnit
from sdcolab.engine.details.yolo import Found

Bytes = NDArray[np.uint8]
_WHITE = 255


def chosen(found: Iterable[Found], unit: DetailUnit, size: tuple[int, int]) -> list[Found]:
    """Those of ``found`` that ``unit`` works on, in the order they were found (the surest first)."""
    pixels = size[0] * size[1]
    left = [one for one in found if unit.min_ratio <= one.area / pixels <= unit.max_ratio]
    if not unit.most:
        return left
    by_area = unit.choice is DetailChoice.AREA
    best = sorted(left, key=lambda one: -(one.area if by_area else one.confidence))[: unit.most]
    return [one for one in left if one in best]


def masks_for(found: Sequence[Found], unit: DetailUnit, size: tuple[int, int]) -> list[Image.Image]:
    """The masks (mode L, the picture's ``size``) of what is drawn again, each in a turn of its own; none that is all
    black."""
    masks = [grown(moved(mask_of(one, size), unit.x_offset, unit.y_offset), unit.grow) for one in found]
    masks = [mask for mask in masks if mask.any()]
    if masks and unit.merge is not DetailMerge.NONE:
        merged = np.maximum.reduce(masks)
        masks = [_WHITE - merged if unit.merge is DetailMerge.INVERT else merged]
    return [Image.fromarray(mask) for mask in masks if mask.any()]


def mask_of(one: Found, size: tuple[int, int]) -> Bytes:
    """White [H, W] where ``one`` is: its shape, or else its box."""
    if one.shape is not None:
        return one.shape.astype(np.uint8) * _WHITE
    mask = np.zeros((size[1], size[0]), np.uint8)
    left, top, right, bottom = (round(side) for side in one.box)
    mask[top : bottom + 1, left : right + 1] = _WHITE
    return mask


def moved(mask: Bytes, right: int, up: int) -> Bytes:
    """``mask`` [H, W] moved by pixels; what leaves the picture is gone."""
    result = np.zeros_like(mask)
    high, wide = mask.shape
    if abs(right) >= wide or abs(up) >= high:
        return result
    to_x, to_y = max(right, 0), max(-up, 0)
    from_x, from_y = max(-right, 0), max(up, 0)
    result[to_y : high - from_y, to_x : wide - from_x] = mask[from_y : high - to_y, from_x : wide - to_x]
    return result


def grown(mask: Bytes, pixels: int) -> Bytes:
    """``mask`` [H, W] after a dilation by a square of ``pixels``, or an erosion by one when negative (OpenCV's, whose
    middle is the pixel after it for even squares)."""
    if not pixels:
        return mask
    from scipy.ndimage import maximum_filter1d, minimum_filter1d  # type: ignore[attr-defined]  # as pictures.masks

    change, outside = (maximum_filter1d, 0) if pixels > 0 else (minimum_filter1d, _WHITE)
    for axis in (0, 1):
        mask = change(mask, size=abs(pixels), axis=axis, mode="constant", cval=outside)
    return mask
