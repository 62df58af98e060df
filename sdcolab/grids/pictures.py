"""What scripts do to pictures between jobs. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdcolab.core.errors import ScriptNeedsPicture
from sdcolab.core.infotext import parse, render
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.resizing import flattened

BACKGROUND = "#ffffff"


def initial(request: GenerationRequest, script: str) -> tuple[InitImage, Image.Image]:
    """What ``request`` starts from, and its first picture as RGB on the request's background.

    Raises ``ScriptNeedsPicture``.
    """
    if request.init is None:
        raise ScriptNeedsPicture(script=script)
    return request.init, flattened(request.init.images[0], request.init.background)


def relabelled(infotext: str, fields: Mapping[str, str]) -> str:
    """``infotext`` with ``fields``: those it has in their place, the others before the version; empty ones go."""
    told = parse(infotext)
    known = dict(told.fields)
    version = known.pop("Version", None)
    known.update(fields)
    if version is not None:
        known["Version"] = version
    return render(replace(told, fields=tuple((label, value) for label, value in known.items() if value)))


def in_a_grid(pictures: list[Image.Image], rows: int) -> Image.Image:
    """Pictures edge to edge in ``rows`` rows, each in the middle of its cell (hechos/a1111.md 8.5)."""
    columns = math.ceil(len(pictures) / rows)
    width, height = max(one.width for one in pictures), max(one.height for one in pictures)
    canvas = Image.new("RGB", (columns * width, rows * height), BACKGROUND)
    for index, picture in enumerate(pictures):
        left, top = index % columns * width, index // columns * height
        canvas.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
    return canvas


# --- Overlapping tiles ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tiles:
    """A picture of ``width`` x ``height`` cut in tiles of ``tile_width`` x ``tile_height`` that overlap by at least
    ``overlap`` pixels, at equal distances (hechos/a1111.md 9.4)."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    overlap: int

    @property
    def lefts(self) -> tuple[int, ...]:
        """Where the columns begin."""
        return _starts(self.width, self.tile_width, self.overlap)

    @property
    def tops(self) -> tuple[int, ...]:
        """Where the rows begin."""
        return _starts(self.height, self.tile_height, self.overlap)

    def boxes(self) -> Iterator[tuple[int, int, int, int]]:
        """The tiles, row by row."""
        for top in self.tops:
            for left in self.lefts:
                yield left, top, left + self.tile_width, top + self.tile_height

    def combined(self, tiles: list[Image.Image]) -> Image.Image:
        """The picture of all ``tiles`` (RGB, in order), blended in a straight line over their overlaps."""
        canvas = Image.new("RGB", (self.width, self.height))
        across = _ramp(self.overlap, self.tile_height, upright=False)
        down = _ramp(self.overlap, self.width, upright=True)
        for row, top in enumerate(self.tops):
            strip = Image.new("RGB", (self.width, self.tile_height))
            for column, left in enumerate(self.lefts):
                _laid(strip, tiles[row * len(self.lefts) + column], (left, 0), self.overlap if left else 0, across)
            _laid(canvas, strip, (0, top), self.overlap if top else 0, down, upright=True)
        return canvas


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    step = max(1, tile - overlap)
    count = max(1, math.ceil((length - overlap) / step))
    distance = (length - tile) / (count - 1) if count > 1 else 0.0
    return tuple(max(0, min(int(index * distance), length - tile)) for index in range(count))


def _ramp(overlap: int, length: int, *, upright: bool) -> Image.Image | None:
    """A mask from black to white over ``overlap`` pixels."""
    if overlap <= 0:
        return None
    line: NDArray[np.uint8] = (np.arange(overlap) * (255.0 / overlap)).astype(np.uint8)
    values = np.repeat(line[:, None], length, axis=1) if upright else np.repeat(line[None, :], length, axis=0)
    return Image.fromarray(values)


def _laid(
    canvas: Image.Image,
    piece: Image.Image,
    place: tuple[int, int],
    overlap: int,
    ramp: Image.Image | None,
    *,
    upright: bool = False,
) -> None:
    """Put ``piece`` on ``canvas``; its first ``overlap`` pixels blend in."""
    left, top = place
    if not overlap or ramp is None:
        canvas.paste(piece, place)
        return
    split = (0, overlap) if upright else (overlap, 0)
    edge = piece.crop((0, 0, split[0] or piece.width, split[1] or piece.height))
    canvas.paste(edge, place, mask=ramp)
    canvas.paste(piece.crop((*split, piece.width, piece.height)), (left + split[0], top + split[1]))
