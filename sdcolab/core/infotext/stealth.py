"""Infotexts hidden in the lowest bits of a picture's pixels ("stealth PNG info", which Forge reads): they survive sites
that strip metadata.

The bits of the alpha channel, or of red, green and blue in turn, are read column by column, the top pixel first, and
make bytes with the highest bit first: a signature of 15 bytes, the text's length in bits as 32 bits, the text in UTF-8
(in gzip, where the signature says so).
"""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

MAX_TEXT_BYTES = 4_000_000
"""Longest hidden text, unpacked."""

_SIGNATURES = {
    "stealth_pnginfo": ("A", False),
    "stealth_pngcomp": ("A", True),
    "stealth_rgbinfo": ("RGB", False),
    "stealth_rgbcomp": ("RGB", True),
}
_SIGNATURE_BYTES = 15
_LENGTH_BYTES = 4


def stealth_text(image: Image.Image) -> str:
    """The text hidden in ``image``, or "" when there is none."""
    if image.mode not in ("RGB", "RGBA"):
        return ""
    for channels in (("A",) if image.mode == "RGBA" else ()) + ("RGB",):
        text = _read(_bits(image, channels), channels)
        if text:
            return text
    return ""


def _bits(image: Image.Image, channels: str) -> np.ndarray:
    pixels = np.asarray(image)
    wanted = pixels[..., 3:4] if channels == "A" else pixels[..., :3]
    return (wanted.transpose(1, 0, 2) & 1).reshape(-1)


def _read(bits: np.ndarray, channels: str) -> str:
    head = np.packbits(bits[: 8 * (_SIGNATURE_BYTES + _LENGTH_BYTES)]).tobytes()
    known = _SIGNATURES.get(head[:_SIGNATURE_BYTES].decode("latin-1"))
    if known is None or known[0] != channels:
        return ""
    length = int.from_bytes(head[_SIGNATURE_BYTES:], "big")
    start = 8 * (_SIGNATURE_BYTES + _LENGTH_BYTES)
    if length % 8 or start + length > len(bits):
        return ""
    data = np.packbits(bits[start : start + length]).tobytes()
    try:
        if known[1]:
            data = zlib.decompressobj(wbits=31).decompress(data, MAX_TEXT_BYTES)
        return data.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return ""
