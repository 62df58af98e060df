"""Resizing pictures as A1111 does (hechos/a1111.md 4.4 and 5.1)."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageOps

from sdcolab.core.control import ControlResize
from sdcolab.core.request import ResizeMode

Enlarger = Callable[[Image.Image, float], Image.Image]
"""An upscaler: a picture and how many times larger it should be -> a picture of about that size."""

Size = tuple[int, int]
"""Width and height in pixels."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

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


def part_laid_over(picture: Image.Image, size: Size, mode: ControlResize, box: Box) -> Image.Image:
    """What ``laid_over`` makes of ``picture`` (RGB), in a ``box`` of it alone: the whole may be far larger than what
    memory should hold. A few pixels differ by one or two."""
    width, height = size
    inner = size if mode is ControlResize.JUST else _inner_size(picture.size, size, covers=mode is ControlResize.CROP)
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    canvas = Image.new(picture.mode, (box[2] - box[0], box[3] - box[1]))

    def put(place: Box, draw: Callable[[Box], Image.Image]) -> None:
        """Draw what of ``place`` is in the box; ``draw`` hears which part of the resized picture lies there."""
        seen = (max(box[0], place[0]), max(box[1], place[1]), min(box[2], place[2]), min(box[3], place[3]))
        if seen[0] < seen[2] and seen[1] < seen[3]:
            inside = (seen[0] - left, seen[1] - top, seen[2] - left, seen[3] - top)
            canvas.paste(draw(inside), (seen[0] - box[0], seen[1] - box[1]))

    def edge(inside: Box) -> Image.Image:
        """Beside the resized picture, its outermost rows or columns, as ``_filled`` stretches them."""
        size = (inside[2] - inside[0], inside[3] - inside[1])
        (first, last), (upper, lower) = _edge(inside[0], inside[2], inner[0]), _edge(inside[1], inside[3], inner[1])
        strip = part_resized(picture, inner, (first, upper, last, lower), Image.Resampling.LANCZOS)
        across = (0, 0) if inside[2] <= 0 else (strip.width,) * 2 if inside[0] >= inner[0] else (0, strip.width)
        down = (0, 0) if inside[3] <= 0 else (strip.height,) * 2 if inside[1] >= inner[1] else (0, strip.height)
        return _stretched_edge(strip, size, across[0], down[0], across[1], down[1])

    put(
        (left, top, left + inner[0], top + inner[1]),
        lambda inside: part_resized(picture, inner, inside, Image.Resampling.LANCZOS),
    )
    if mode is ControlResize.FILL:
        right, bottom = left + inner[0], top + inner[1]
        beside = [(0, 0, left, height), (right, 0, right + left, height)] if left > 0 else []
        above = [(0, 0, width, top), (0, bottom, width, bottom + top)] if top > 0 else []
        for place in (*beside, *above):
            put(place, edge)
    return canvas


def part_resized(picture: Image.Image, size: Size, box: Box, resample: Image.Resampling) -> Image.Image:
    """The ``box`` of ``picture`` at ``size``, without the rest."""
    across, down = picture.width / size[0], picture.height / size[1]
    source = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    return picture.resize((box[2] - box[0], box[3] - box[1]), resample, box=source)


def _edge(start: int, end: int, length: int) -> tuple[int, int]:
    """The part of a side of ``length`` that ``start``..``end`` shows: where that is outside, the outermost two, which
    are all that ``_stretched_edge`` weighs."""
    if end <= 0:
        return 0, min(2, length)
    return (max(0, length - 2), length) if start >= length else (start, end)


def _inner_size(found: Size, size: Size, *, covers: bool) -> Size:
    """The size of a picture in its own shape: as it ``covers`` all of ``size``, or as it is all inside."""
    width, height = size
    wanted, shape = width / height, found[0] / found[1]
    full_width = wanted > shape if covers else wanted < shape
    full_height = wanted <= shape if covers else wanted >= shape
    return (
        width if full_width else max(1, found[0] * height // found[1]),
        height if full_height else max(1, found[1] * width // found[0]),
    )


def _cropped(picture: Image.Image, width: int, height: int, enlarge: Enlarger | None) -> Image.Image:
    """The middle of ``picture`` at the size at which it covers the whole."""
    inner = _inner_size(picture.size, (width, height), covers=True)
    return _centred(resize_exactly(picture, *inner, enlarge), width, height)


def _filled(picture: Image.Image, width: int, height: int, enlarge: Enlarger | None) -> Image.Image:
    """All of ``picture`` in the middle; its outermost rows or columns are stretched over the two empty borders."""
    inner = resize_exactly(picture, *_inner_size(picture.size, (width, height), covers=False), enlarge)
    canvas = _centred(inner, width, height)
    top, left = height // 2 - inner.height // 2, width // 2 - inner.width // 2
    if top > 0:
        canvas.paste(_stretched_edge(inner, (width, top), 0, 0, inner.width, 0), (0, 0))
        edge = _stretched_edge(inner, (width, top), 0, inner.height, inner.width, inner.height)
        canvas.paste(edge, (0, top + inner.height))
    elif left > 0:
        canvas.paste(_stretched_edge(inner, (left, height), 0, 0, 0, inner.height), (0, 0))
        edge = _stretched_edge(inner, (left, height), inner.width, 0, inner.width, inner.height)
        canvas.paste(edge, (left + inner.width, 0))
    return canvas


def _centred(picture: Image.Image, width: int, height: int) -> Image.Image:
    canvas = Image.new(picture.mode, (width, height))
    canvas.paste(picture, (width // 2 - picture.width // 2, height // 2 - picture.height // 2))
    return canvas


def _stretched_edge(picture: Image.Image, size: tuple[int, int], *box: int) -> Image.Image:
    """An edge of ``picture``, a box without thickness, resampled to ``size``. Bicubic resampling at the very edge
    weighs the two outermost rows 1.125 and -0.125, and A1111's bytes are those."""
    left, top, right, bottom = box
    return picture.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
