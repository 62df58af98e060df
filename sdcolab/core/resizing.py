"""Resizing pictures as A1111 does (hechos/a1111.md 4.4 and 5.1)."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageOps

from sdcolab.core.control import ControlResize
from sdcolab.core.request import ResizeMode

Enlarger = Callable[[Image.Image, float], Image.Image]
"""An upscaler: a picture and how many times larger it should be -> a picture of about that size."""

CONTROL_MODES = {
    ControlResize.JUST: ResizeMode.STRETCH,
    ControlResize.CROP: ResizeMode.CROP,
    ControlResize.FILL: ResizeMode.FILL,
}


def flattened(picture: Image.Image, background: str = "#ffffff") -> Image.Image:
    """``picture`` of any mode as RGB, turned as its EXIF orientation says, what is transparent lying on
    ``background``."""
    upright = ImageOps.exif_transpose(picture)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    layer = upright.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, background)
    canvas.paste(layer, mask=layer)
    return canvas.convert("RGB")


def resize_exactly(picture: Image.Image, width: int, height: int, enlarge: Enlarger | None = None) -> Image.Image:
    """``picture`` stretched to ``width`` x ``height``: enlarged by ``enlarge`` where it must grow, and the rest by
    Lanczos. Grey pictures (mode L: masks) never meet ``enlarge``."""
    if enlarge is None or picture.mode == "L":
        return picture.resize((width, height), Image.Resampling.LANCZOS)
    scale = max(width / picture.width, height / picture.height)
    if scale > 1:
        picture = enlarge(picture, scale)
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def resize(
    picture: Image.Image,
    width: int,
    height: int,
    mode: ResizeMode = ResizeMode.STRETCH,
    enlarge: Enlarger | None = None,
) -> Image.Image:
    """``picture`` (L or RGB) as ``width`` x ``height`` pixels in the same mode. Where latents are to be resized
    instead, it is filled: masks and overlays still need the shape.
    """
    match mode:
        case ResizeMode.STRETCH:
            return resize_exactly(picture, width, height, enlarge)
        case ResizeMode.CROP:
            return _cropped(picture, width, height, enlarge)
        case ResizeMode.FILL | ResizeMode.LATENT:
            return _filled(picture, width, height, enlarge)


def laid_over(picture: Image.Image, size: tuple[int, int], mode: ControlResize) -> Image.Image:
    """A ControlNet unit's own picture (RGB) as it lies over a picture of ``size`` (width, height)."""
    return resize(flattened(picture), *size, CONTROL_MODES[mode])


def _cropped(picture: Image.Image, width: int, height: int, enlarge: Enlarger | None) -> Image.Image:
    """The middle of ``picture`` at the size at which it covers the whole."""
    wanted, found = width / height, picture.width / picture.height
    inner_width = width if wanted > found else picture.width * height // picture.height
    inner_height = height if wanted <= found else picture.height * width // picture.width
    return _centred(resize_exactly(picture, inner_width, inner_height, enlarge), width, height)


def _filled(picture: Image.Image, width: int, height: int, enlarge: Enlarger | None) -> Image.Image:
    """All of ``picture`` in the middle; its outermost rows or columns are stretched over the two empty borders."""
    wanted, found = width / height, picture.width / picture.height
    inner_width = width if wanted < found else picture.width * height // picture.height
    inner_height = height if wanted >= found else picture.height * width // picture.width
    inner = resize_exactly(picture, max(1, inner_width), max(1, inner_height), enlarge)
    canvas = _centred(inner, width, height)
    top, left = height // 2 - inner.height // 2, width // 2 - inner.width // 2
    if wanted < found and top > 0:
        canvas.paste(_stretched_edge(inner, (width, top), 0, 0, inner.width, 0), (0, 0))
        edge = _stretched_edge(inner, (width, top), 0, inner.height, inner.width, inner.height)
        canvas.paste(edge, (0, top + inner.height))
    elif wanted > found and left > 0:
        canvas.paste(_stretched_edge(inner, (left, height), 0, 0, 0, inner.height), (0, 0))
        edge = _stretched_edge(inner, (left, height), inner.width, 0, inner.width, inner.height)
        canvas.paste(edge, (left + inner.width, 0))
    return canvas


def _stretched_edge(picture: Image.Image, size: tuple[int, int], *box: int) -> Image.Image:
    """An edge of ``picture``, a box without thickness, resampled to ``size``. Bicubic resampling at the very edge
    weighs the two outermost rows 1.125 and -0.125, and A1111's bytes are those."""
    left, top, right, bottom = box
    return picture.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))


def _centred(picture: Image.Image, width: int, height: int) -> Image.Image:
    canvas = Image.new(picture.mode, (width, height))
    canvas.paste(picture, (width // 2 - picture.width // 2, height // 2 - picture.height // 2))
    return canvas
