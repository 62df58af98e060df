"""Textual inversions hidden in pictures: in a PNG's text, or in the low bits of pixels beside the picture.

Format of AUTOMATIC1111 (hechos/a1111.md 1.11): JSON in which a tensor is ``{"TORCHTENSOR": nested lists}``. In text it
is base64. In pixels it is compressed by zlib; the low halves of its bytes are in the low four bits of a block to the
left of the picture, the high halves in one to the right, both mixed with a fixed pseudo-random sequence, and a column
of black pixels divides each block from the picture.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sdcolab.core.pictures import FORMATS, MAX_PIXELS

IMAGE_SUFFIXES = frozenset({".png", ".webp", ".jxl", ".avif"})
TEXT_KEY = "sd-ti-embedding"
TENSOR_KEY = "TORCHTENSOR"

_MAX_JSON_BYTES = 100_000_000
_LOW_BITS = 0x0F
_FACTOR, _STEP, _MODULUS = 1_664_525, 1_013_904_223, 1 << 32
"""Linear congruential generator of "Numerical Recipes" (Press et al.)."""

_BROKEN = (OSError, ValueError, SyntaxError, TypeError, RecursionError, zlib.error, Image.DecompressionBombError)

Bytes = NDArray[np.uint8]


def content_of_image(path: Path) -> Any:
    """What the embedding in a picture holds, as its file would (``embeddings.vectors_in``); None for a picture without
    one, or damaged.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            text = getattr(image, "text", {}).get(TEXT_KEY)
            data = _hidden(np.asarray(image.convert("RGB"))) if text is None else base64.b64decode(text)
        return None if data is None else json.loads(data, object_hook=_tensors)
    except _BROKEN:  # an ordinary picture, most likely
        return None


def _tensors(value: dict[str, Any]) -> Any:
    return torch.tensor(value[TENSOR_KEY], dtype=torch.float32) if TENSOR_KEY in value else value


def _hidden(pixels: Bytes) -> bytes | None:
    """The bytes in the low bits of ``pixels`` [H, W, 3]; None when no columns divide the picture."""
    low = _without_dark_edges(pixels) & _LOW_BITS
    dividers = np.flatnonzero(low.max(axis=(0, 2), initial=0) == 0)
    if len(dividers) < 2:
        return None
    left, right = low[:, : dividers[0]], low[:, dividers[-1] + 1 :]
    if left.shape != right.shape:
        return None
    sequence = mixing_sequence(left.size).reshape(left.shape)
    joined = ((right ^ sequence) << 4) | (left ^ sequence)
    return zlib.decompressobj().decompress(joined.tobytes(), _MAX_JSON_BYTES)


def _without_dark_edges(pixels: Bytes) -> Bytes:
    """The part between the outermost pixels that have something of every colour."""
    darkest = pixels.min(axis=2)
    rows, columns = np.flatnonzero(darkest.max(axis=1)), np.flatnonzero(darkest.max(axis=0))
    if not len(rows):
        return pixels[:0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def mixing_sequence(count: int) -> Bytes:
    """The first ``count`` values of the generator from 0, modulo 255, their low four bits."""
    values = np.array([_STEP], dtype=np.uint32)
    factor, step = _FACTOR, _STEP  # of a jump as long as ``values``
    while len(values) < count:
        values = np.concatenate([values, values * np.uint32(factor) + np.uint32(step)])
        factor, step = factor * factor % _MODULUS, (factor * step + step) % _MODULUS
    return (values[:count] % 255 & _LOW_BITS).astype(np.uint8)
