"""Masks of inpainting: white is painted anew, black stays (hechos/a1111.md 5.2 and 5.3)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from sdcolab.core.request import Inpaint

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are just outside."""

_OPAQUE = (255, 255)
_HALF_TRANSPARENT = 128
_KERNEL_ONE = 256
"""What OpenCV's fixed-point kernels add up to."""


def mask_from(picture: Image.Image, *, rounded: bool = True) -> Image.Image:
    """The mask (mode L) in a ``picture`` of any mode: what is painted over a transparent layer (with ``rounded``, whole
    where its alpha is above half and nothing elsewhere), or else its brightness."""
    if picture.mode == "RGBA" and picture.getextrema()[-1] != _OPAQUE:
        alpha = picture.getchannel("A")
        return alpha.point([255 * (value > _HALF_TRANSPARENT) for value in range(256)]) if rounded else alpha
    return picture.convert("L")


def inverted(mask: Image.Image) -> Image.Image:
    """The other half of ``mask`` (mode L)."""
    return ImageOps.invert(mask)


def blurred(mask: Image.Image, across: float, down: float | None = None) -> Image.Image:
    """``mask`` (mode L) after a Gaussian blur of ``across`` pixels and then one of ``down`` (the same if None); 0 does
    nothing. These are OpenCV's bytes for 8-bit pictures (its bit-exact fixed-point filter), reflected borders
    included."""
    values = np.asarray(mask, dtype=np.uint8)
    values = _blurred_along(_blurred_along(values, across, 1), across if down is None else down, 0)
    return Image.fromarray(values)


def _blurred_along(values: NDArray[np.uint8], sigma: float, axis: int) -> NDArray[np.uint8]:
    if sigma <= 0:
        return values
    from scipy.ndimage import correlate1d  # type: ignore[attr-defined]  # it takes its names from other modules

    sums = correlate1d(values.astype(np.int32), gaussian_kernel(sigma), axis=axis, mode="mirror", output=np.int32)
    return ((sums + _KERNEL_ONE // 2) // _KERNEL_ONE).clip(0, 255).astype(np.uint8)


def gaussian_kernel(sigma: float) -> NDArray[np.int64]:
    """Weights of a Gaussian in 1/256, [2 * int(2.5 * sigma + 0.5) + 1].

    As OpenCV's fixed-point kernels: going inwards, what rounding left over is added to the next weight, and the middle
    one gets the rest, so that they add up to 256.
    """
    half = int(2.5 * sigma + 0.5)
    side = [math.exp(-0.5 * (distance / sigma) ** 2) for distance in range(half, 0, -1)]
    total = 2 * sum(side) + 1
    rounded: list[int] = []
    left_over = 0.0
    for weight in side:
        exact = weight / total * _KERNEL_ONE + left_over
        rounded.append(round(exact))
        left_over = exact - rounded[-1]
    return np.array([*rounded, _KERNEL_ONE - 2 * sum(rounded), *reversed(rounded)], dtype=np.int64)


def soft_mask(inpaint: Inpaint, size: tuple[int, int]) -> Image.Image:
    """The mask of ``inpaint`` (L, white is painted) for a picture of ``size`` (width, height), with its blur."""
    mask = mask_from(inpaint.mask, rounded=inpaint.rounded)
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.LANCZOS)
    return blurred(inverted(mask) if inpaint.inverted else mask, inpaint.blur_x, inpaint.blur_y)


def only_masked_box(mask: Image.Image, padding: int, width: int, height: int) -> Box | None:
    """The part of the picture to work on with "only masked": what ``mask`` (mode L) covers and ``padding`` pixels
    around it, grown to the shape of ``width`` x ``height`` and shifted to lie in the picture. None when the mask is
    empty.
    """
    covered = mask.getbbox()
    if covered is None:
        return None
    left, top = max(covered[0] - padding, 0), max(covered[1] - padding, 0)
    right, bottom = min(covered[2] + padding, mask.width), min(covered[3] + padding, mask.height)
    wanted = width / height
    if (right - left) / (bottom - top) > wanted:
        top, bottom = _grown(top, bottom, int((right - left) / wanted - (bottom - top)), mask.height)
    else:
        left, right = _grown(left, right, int((bottom - top) * wanted - (right - left)), mask.width)
    return left, top, right, bottom


def _grown(start: int, end: int, by: int, limit: int) -> tuple[int, int]:
    """The stretch ``start``..``end`` made ``by`` longer, inside of 0..``limit`` as far as it fits."""
    start, end = start - by // 2, end + by - by // 2
    if end >= limit:
        start, end = start - (end - limit), limit
    if start < 0:
        start, end = 0, end - start
    return start, min(end, limit)


def latent_mask(mask: Image.Image, width: int, height: int, *, rounded: bool = True) -> Tensor:
    """What of the latents is made anew: float32 [1, 1, height, width] (latent pixels), 1 for new and 0 for kept;
    halves go to the even number when ``rounded``, and a soft mask stays soft otherwise."""
    small = mask.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(small, dtype=np.float32)[..., 0] / 255
    return torch.from_numpy(np.around(values) if rounded else values)[None, None]


def conditioning_mask(mask: Image.Image, *, rounded: bool = True) -> Tensor:
    """The mask that inpainting checkpoints read, at the picture's size: float32 [1, 1, H, W] in 0..1 (hechos/a1111.md
    5.3)."""
    values = np.asarray(mask.convert("L"), dtype=np.float32) / 255
    return torch.from_numpy(np.around(values) if rounded else values)[None, None]


def without_masked(pixels: Tensor, mask: Tensor, weight: float = 1.0) -> Tensor:
    """``pixels`` [B, 3, H, W] in -1..1 with grey under ``mask`` [1, 1, H, W]: all of it at ``weight`` 1, nothing at 0.
    What an inpainting checkpoint's VAE encodes (hechos/a1111.md 5.3)."""
    return pixels * (1 - mask * weight)


def mask_channel(mask: Tensor, width: int, height: int) -> Tensor:
    """``mask`` [1, 1, H, W] at latent size, by nearest neighbour: the first extra channel of inpainting checkpoints."""
    return functional.interpolate(mask, size=(height, width), mode="nearest")
