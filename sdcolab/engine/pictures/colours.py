"""Keeping the colours of the picture that img2img started from (hechos/a1111.md 5.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# IEC 61966-2-1 (sRGB): linear RGB to CIE XYZ, and its white point, D65.
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.950456, 1.0, 1.088754])

# CIE 15: where the cube root of L*a*b* turns into a straight line.
_EPSILON, _SLOPE, _OFFSET = (6 / 29) ** 3, (29 / 6) ** 2 / 3, 4 / 29

# Whole-number scales of OpenCV's 8-bit conversion: of linear light, of the matrix, of the cube roots.
_LIGHT, _MATRIX, _ROOT = 255 << 3, 1 << 12, 1 << 15

_LUMA = np.array([0.299, 0.587, 0.114])
"""Rec. 601, as the blending library of A1111 weighs colours."""


def corrected(result: Image.Image, target: Image.Image) -> Image.Image:
    """``result`` (RGB) in the colours of ``target`` (RGB, any size): its histograms of L*, a* and b* are made alike,
    and then the brightness of ``result`` is put back."""
    matched = np.stack(
        [
            match_histogram(source, wanted)
            for source, wanted in zip(_channels(rgb_to_lab(result)), _channels(rgb_to_lab(target)), strict=True)
        ],
        axis=-1,
    )
    colours = lab_to_rgb(matched).astype(np.float64) / 255
    blended = with_luminosity(colours, np.asarray(result, dtype=np.float64) / 255)
    return Image.fromarray((blended * 255).clip(0, 255).astype(np.uint8))  # cut, as A1111's blending library does


def rgb_to_lab(picture: Image.Image) -> Bytes:
    """L*a*b* (D65) of an RGB ``picture`` in bytes [H, W, 3]: L* x 255/100, a* and b* + 128 (CIE 15; IEC 61966-2-1).

    In whole numbers with OpenCV's scales and with its very bytes: matching histograms makes a difference of one large.
    """
    light = np.around(_LIGHT * _linear(np.arange(256) / 255)).astype(np.int64)[np.asarray(picture)]
    matrix = np.around(_MATRIX * _TO_XYZ / _WHITE[:, None]).astype(np.int64)
    exact = _cube_root(np.arange(_LIGHT * 3 // 2) / _LIGHT)
    roots = np.around(_ROOT * exact.astype(np.float32)).astype(np.int64)  # OpenCV's table is of single precision
    x, y, z = _channels(roots[_divided(light @ matrix.T, _MATRIX)])
    lightness = (116 * 255 + 50) // 100 * y - (16 * 255 * _ROOT + 50) // 100
    lab = np.stack([lightness, 500 * (x - y) + 128 * _ROOT, 200 * (y - z) + 128 * _ROOT], axis=-1)
    return _divided(lab, _ROOT).clip(0, 255).astype(np.uint8)


def lab_to_rgb(lab: Bytes) -> Bytes:
    """The inverse of ``rgb_to_lab`` for bytes [H, W, 3]; colours outside of sRGB are cut. Within one of OpenCV's."""
    lightness, a, b = _channels(lab.astype(np.float64))
    y = (lightness / 2.55 + 16) / 116
    roots = np.stack([y + (a - 128) / 500, y, y - (b - 128) / 200], axis=-1)
    light = (_cube(roots) * _WHITE @ np.linalg.inv(_TO_XYZ).T).clip(0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.around(values * 255).astype(np.uint8)


def match_histogram(source: Bytes, target: Bytes) -> Bytes:
    """``source`` with each value replaced by the one of ``target`` at the same quantile (interpolated between those
    that ``target`` has, and cut to a whole number)."""
    source_counts = np.bincount(source.ravel(), minlength=256)
    target_counts = np.bincount(target.ravel(), minlength=256)
    present = target_counts.nonzero()[0]
    quantiles = target_counts[present].cumsum() / target.size
    table = np.interp(source_counts.cumsum() / source.size, quantiles, present)
    return table.astype(np.uint8)[source]


def with_luminosity(colours: Floats, bright: Floats) -> Floats:
    """``colours`` [H, W, 3] in 0..1 with the luminosity of ``bright`` (W3C Compositing and Blending 1, 10.2.4, with
    Rec. 601 weights)."""
    shifted = colours + ((bright - colours) @ _LUMA)[..., None]
    light = (shifted @ _LUMA)[..., None]
    low, high = shifted.min(axis=-1, keepdims=True), shifted.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = np.where(low < 0, light + (shifted - light) * light / (light - low), shifted)
        return np.where(high > 1, light + (raised - light) * (1 - light) / (high - light), raised)


def _linear(values: Floats) -> Floats:
    """Light of sRGB ``values``, both in 0..1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _cube_root(t: Floats) -> Floats:
    return np.where(t > _EPSILON, np.cbrt(t), _SLOPE * t + _OFFSET)


def _cube(root: Floats) -> Floats:
    return np.where(root > 6 / 29, root**3, (root - _OFFSET) / _SLOPE)


def _divided(values: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """``values`` / ``by``, rounded."""
    return (values + by // 2) // by


def _channels(values: NDArray) -> tuple[NDArray, ...]:
    return tuple(np.moveaxis(values, -1, 0))
