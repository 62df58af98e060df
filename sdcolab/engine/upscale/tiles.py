"""Large pictures through a network piece by piece, with A1111's seams (hechos/a1111.md 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

Patch = Callable[[Image.Image], Image.Image]
"""What is done to a tile: an RGB picture -> the same picture a whole number of times larger."""

TILE, OVERLAP = 192, 8
"""A1111's sides in pixels."""


def starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """Where the tiles of a side of ``length`` begin: evenly spread, the last one flush with the end. The one tile of a
    side that is shorter begins before it, at ``length - tile``."""
    count = max(1, -(-(length - overlap) // (tile - overlap)))
    last = length - tile
    return (*(int(index * last / (count - 1)) for index in range(count - 1)), last)


@dataclass(frozen=True, slots=True)
class Grid:
    """How a picture of ``width`` x ``height`` is cut into tiles."""

    width: int
    height: int
    tile: int = TILE
    overlap: int = OVERLAP

    @property
    def columns(self) -> tuple[int, ...]:
        """Left sides of the tiles."""
        return starts(self.width, self.tile, self.overlap)

    @property
    def rows(self) -> tuple[int, ...]:
        """Upper sides of the tiles."""
        return starts(self.height, self.tile, self.overlap)

    def __len__(self) -> int:
        return len(self.columns) * len(self.rows)


def in_tiles(picture: Image.Image, grid: Grid, patch: Patch) -> Image.Image:
    """``patch`` over all of ``picture`` (RGB), tile by tile; each tile fades in over its left and upper neighbour along
    ``grid.overlap`` pixels. What a tile reaches beyond the picture is black, and left out of the result."""
    factor = 1
    bands: list[tuple[int, list[tuple[int, Image.Image]]]] = []
    for top in grid.rows:
        band = []
        for left in grid.columns:
            done = patch(picture.crop((left, top, left + grid.tile, top + grid.tile)))
            factor = done.width // grid.tile
            band.append((left * factor, done))
        bands.append((top * factor, band))
    width, height, overlap = grid.width * factor, grid.height * factor, grid.overlap * factor
    whole = Image.new("RGB", (width, height))
    for top, band in bands:
        row = Image.new("RGB", (width, grid.tile * factor))
        for left, done in band:
            _lay(row, done, (left, 0), _ramp(overlap, done.height, across=True) if left > 0 else None)
        _lay(whole, row, (0, top), _ramp(width, overlap, across=False) if top > 0 else None)
    return whole


def _lay(canvas: Image.Image, piece: Image.Image, place: tuple[int, int], ramp: Image.Image | None) -> None:
    """``piece`` on ``canvas``, its first columns or rows faded in by ``ramp``."""
    if ramp is None:
        canvas.paste(piece, place)
        return
    blended = piece.copy()
    left, top = place
    under = canvas.crop((left, top, left + ramp.width, top + ramp.height))
    blended.paste(Image.composite(piece.crop((0, 0, *ramp.size)), under, ramp), (0, 0))
    canvas.paste(blended, place)


def _ramp(width: int, height: int, *, across: bool) -> Image.Image:
    """A mask (mode L) of ``width`` x ``height`` that grows from 0 towards 255, to the right or down."""
    length = width if across else height
    values = (np.arange(length) * 255 / length).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(values if across else values[:, None], (height, width)).copy())
