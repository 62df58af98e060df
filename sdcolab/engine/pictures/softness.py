"""Soft inpainting: what a mask half covers is mixed of old and new in every step, and what the result changed of the
picture says where the original goes back over it (hechos/a1111.md 5.3; A1111's built-in extension of this name).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from sdcolab.core.request import Inpaint, ResizeMode
from sdcolab.core.resizing import resize

Floats = NDArray[np.float64]

_TINY = 1e-5
"""Keeps divisions in bounds."""

_REACH, _SPREAD = 2, 1.5
"""How many cells of the latents a change is looked at around each, and how fast they count less."""

_HIGHEST, _MIDDLE = (0.9, 1.0), (0.25, 0.75)
"""Parts of what lies around a cell, in order: first the largest changes spread, then what stands out is evened."""

_EDGE_BLUR = 4


def at_level(paint: Tensor, level: float, soft: Inpaint) -> Tensor:
    """How much of each place is new at a noise level: ``paint`` [1, 1, h, w] (1 is new) to the power of
    level^bias * preservation."""
    return paint ** (level**soft.soft_bias * soft.soft_preservation)


def mixed(kept: Tensor, new: Tensor, share: Tensor, soft: Inpaint) -> Tensor:
    """``kept`` and ``new`` [B, C, h, w] with ``share`` [1, 1, h, w] of the new one, as long as both are: lengths over
    the channels are mixed by the power mean with the exponent ``soft_contrast``, for a mean of vectors is shorter than
    they are, which takes contrast away.
    """
    sum_of_both = kept * (1 - share) + new * share
    power = soft.soft_contrast
    lengths = _length(kept) ** power * (1 - share) + _length(new) ** power * share
    return sum_of_both * (lengths ** (1 / power) / (_length(sum_of_both) + _TINY)).to(sum_of_both.dtype)


def _length(latents: Tensor) -> Tensor:
    return latents.norm(dim=1, keepdim=True).double()


def changed_mask(before: Tensor, after: Tensor, paint: Tensor, soft: Inpaint) -> NDArray[np.uint8]:
    """Where ``after`` [C, h, w] differs from ``before``: [h, w], 255 where it is another picture, 0 where it is the
    same. ``paint`` [h, w] is the soft mask of the latents."""
    distance = (after - before).norm(dim=0).double().cpu().numpy()
    for part in (_HIGHEST, _MIDDLE):
        distance = around(distance, part)
    masked = 1 - paint.clamp(0, 1).double().cpu().numpy() ** (soft.soft_preservation / 2)
    weight = 0.5 * (1 - soft.soft_influence) + masked * soft.soft_influence
    half = np.maximum(soft.soft_threshold * weight / (1 + _TINY - weight), 1e-12)  # where both weigh the same
    same = 1 / (1 + (distance / half) ** soft.soft_difference)
    smooth = same**3 * (same * (6 * same - 15) + 10)
    return (255 * (1 - smooth)).astype(np.uint8)


def overlay_mask(changed: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """``changed`` (of latents) as a mask (mode L) of a picture."""
    mask = resize(Image.fromarray(changed), width, height, ResizeMode.FILL)
    return mask.filter(ImageFilter.GaussianBlur(_EDGE_BLUR))


def around(values: Floats, part: tuple[float, float]) -> Floats:
    """Of each cell of ``values`` [h, w] the mean of some of those around it: they are put in order, each as wide as it
    is near, and the mean is taken over the ``part`` (from, to; 0..1) of their width, which is at least the cell's own.
    """
    weights = _nearness()
    height, width = values.shape
    cells, near = np.pad(values, _REACH), np.pad(np.ones_like(values), _REACH)
    rows = [(down, across) for down in range(weights.shape[0]) for across in range(weights.shape[1])]
    found = np.stack([cells[down : down + height, across : across + width] for down, across in rows])
    widths = np.stack([near[y : y + height, x : x + width] * weights[y, x] for y, x in rows])
    order = found.argsort(axis=0, kind="stable")
    found, widths = np.take_along_axis(found, order, 0), np.take_along_axis(widths, order, 0)
    ends = widths.cumsum(axis=0)
    total = ends[-1]
    start, end = total * part[0], total * part[1]
    narrow, middle = end - start < 1, (start + end) / 2
    start, end = np.where(narrow, middle - 0.5, start), np.where(narrow, middle + 0.5, end)
    shift = np.minimum(total - end, 0) + np.maximum(-start, 0)
    start, end = start + shift, end + shift
    counted = (np.minimum(end, ends) - np.maximum(start, ends - widths)).clip(0)
    return np.asarray((found * counted).sum(axis=0) / counted.sum(axis=0), np.float64)


def _nearness() -> Floats:
    """1 in the middle, down to nothing one cell beyond the reach."""
    side = np.arange(-_REACH, _REACH + 1)
    bell = np.exp(-(side[:, None] ** 2 + side[None, :] ** 2) / _SPREAD**2)
    nothing = math.exp(-((_REACH + 1) ** 2) / _SPREAD**2)
    return np.asarray(((bell - nothing) / (1 - nothing)).clip(0), np.float64)
