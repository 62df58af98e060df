"""Infotexts hidden in the lowest bits of a picture's pixels ("stealth PNG info", which Forge reads): they survive sites
that strip metadata.

The bits of the alpha channel, or of red, green and blue in turn, are read column by column, the top pixel first, and
make bytes with the highest bit first: a signature of 15 bytes, the text's length in bits as 32 bits, the text in UTF-8
(in gzip, where the signature says so).
"""

from __future__ import annotations

import zlib

from PIL import Image

MAX_TEXT_BYTES = 4_000_000
"""Longest hidden text, packed or not."""

_SIGNATURES = {
    "stealth_pnginfo": ("A", False),
    "stealth_pngcomp": ("A", True),
    "stealth_rgbinfo": ("RGB", False),
    "stealth_rgbcomp": ("RGB", True),
}
_SIGNATURE_BYTES = 15
_HEAD_BYTES = _SIGNATURE_BYTES + 4


def stealth_text(image: Image.Image) -> str:
    """The text hidden in ``image``, or "" when there is none."""
    if image.mode not in ("RGB", "RGBA"):
        return ""
    for channels in (("A",) if image.mode == "RGBA" else ()) + ("RGB",):
        text = _read(image, channels)
        if text:
            return text
    return ""


def _hidden(image: Image.Image, channels: str, count: int) -> bytes:
    """The first ``count`` bytes that the picture hides; fewer when it has not so many pixels. Only the columns that
    hold them are looked at."""
    import numpy as np  # takes longer to load than all of infotext, and the faces open without pictures to read

    columns = -(-8 * count // (image.height * len(channels)))
    pixels = np.asarray(image.crop((0, 0, min(columns, image.width), image.height)))
    wanted = pixels[..., 3:4] if channels == "A" else pixels[..., :3]
    bits = (wanted.transpose(1, 0, 2) & 1).reshape(-1)
    return np.packbits(bits[: min(8 * count, len(bits) // 8 * 8)]).tobytes()


def _read(image: Image.Image, channels: str) -> str:
    head = _hidden(image, channels, _HEAD_BYTES)
    known = _SIGNATURES.get(head[:_SIGNATURE_BYTES].decode("latin-1"))
    if known is None or known[0] != channels:
        return ""
    bits = int.from_bytes(head[_SIGNATURE_BYTES:], "big")
    if bits % 8 or bits > 8 * MAX_TEXT_BYTES:
        return ""
    data = _hidden(image, channels, _HEAD_BYTES + bits // 8)[_HEAD_BYTES:]
    if len(data) < bits // 8:
        return ""
    try:
        if known[1]:
            data = zlib.decompressobj(wbits=31).decompress(data, MAX_TEXT_BYTES)
        return data.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return ""
