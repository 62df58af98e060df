"""What becomes of enlarged pictures before they are saved: A1111's helpers for training sets (hechos/a1111.md 10.5).
Each is a step of its own, off until it is asked for; they work in the order in which ``Finishing`` has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageFilter, ImageOps

from sdcolab.core.errors import FieldOutOfRange
from sdcolab.core.fields import check, fact
from sdcolab.core.pictures import MAX_PIXELS

MAX_SIDE = 2048
"""Longest side in pixels of what is cut."""
_SIDE_STEP = 64

Point = tuple[float, float]
FindFaces = Callable[[Image.Image], Sequence[Point]]
"""Where the faces of a picture (RGB) are, in its pixels."""


@dataclass(frozen=True, slots=True)
class Split:
    """Cut a long picture into several of ``width`` by ``height`` that overlap by at least ``overlap`` of a side; only
    where its shape is at most ``threshold`` of the wanted one."""

    width: int = fact(512, low=64, high=MAX_SIDE, step=64, control="number")
    height: int = fact(512, low=64, high=MAX_SIDE, step=64, control="number")
    threshold: float = fact(0.5, low=0, high=1, step=0.05)
    overlap: float = fact(0.2, low=0, high=0.9, step=0.05)

    def __post_init__(self) -> None:
        check(self, "split")

    def parts(self, picture: Image.Image) -> Iterator[Image.Image]:
        """The parts of ``picture`` (RGB), from its beginning to its end; itself where it is not long enough. Raises
        ``FieldOutOfRange``."""
        upright = picture.height > picture.width
        long, short = max(picture.size), min(picture.size)
        tall, wide = (self.height, self.width) if upright else (self.width, self.height)
        shape = (short * tall) / (long * wide)
        if shape >= 1 or shape > self.threshold:
            yield picture
            return
        length = max(tall, round(long * wide / short))
        _check_fits(length, wide, "split.width", self.width)
        whole = picture.resize((wide, length) if upright else (length, wide), Image.Resampling.LANCZOS)
        count = max(1, math.ceil((length - tall * self.overlap) / (tall * (1 - self.overlap))))
        for number in range(count):
            start = round((length - tall) * number / (count - 1)) if count > 1 else 0
            yield whole.crop((0, start, wide, start + tall) if upright else (start, 0, start + tall, wide))


@dataclass(frozen=True, slots=True)
class FocalCrop:
    """Cut to ``width`` by ``height`` around what matters: the mean of where ``faces``, the most varied part
    (``entropy``) and ``edges`` lie, with these weights."""

    width: int = fact(512, low=64, high=MAX_SIDE, step=64, control="number")
    height: int = fact(512, low=64, high=MAX_SIDE, step=64, control="number")
    faces: float = fact(0.9, low=0, high=1, step=0.05)
    entropy: float = fact(0.15, low=0, high=1, step=0.05)
    edges: float = fact(0.5, low=0, high=1, step=0.05)

    def __post_init__(self) -> None:
        check(self, "focal")

    def cut(self, picture: Image.Image, find_faces: FindFaces | None = None) -> Image.Image:
        """The part of ``picture`` (RGB) around its focal point; the whole height or width of it is kept. Raises
        ``FieldOutOfRange``."""
        scale = max(self.width / picture.width, self.height / picture.height)
        size = (max(self.width, round(picture.width * scale)), max(self.height, round(picture.height * scale)))
        _check_fits(*size, "focal.width", self.width)
        covering = picture.resize(size, Image.Resampling.LANCZOS)
        x, y = self.focus(covering, find_faces)
        left = min(max(round(x - self.width / 2), 0), size[0] - self.width)
        top = min(max(round(y - self.height / 2), 0), size[1] - self.height)
        return covering.crop((left, top, left + self.width, top + self.height))

    def focus(self, picture: Image.Image, find_faces: FindFaces | None = None) -> Point:
        """The focal point of ``picture``, in its pixels; its middle when nothing says more."""
        faces = find_faces(picture) if find_faces and self.faces else ()
        found = [
            (self.faces, mean_of(faces)),
            (self.entropy, _most_varied(picture, (self.width, self.height)) if self.entropy else None),
            (self.edges, _edges(picture) if self.edges else None),
        ]
        known = [(weight, point) for weight, point in found if weight and point]
        total = sum(weight for weight, _ in known)
        if not total:
            return picture.width / 2, picture.height / 2
        x, y = (sum(weight * point[axis] for weight, point in known) / total for axis in (0, 1))
        return x, y


class CropObjective(StrEnum):
    """What an automatic size is chosen by."""

    AREA = "Maximize area"
    ERROR = "Minimize error"


@dataclass(frozen=True, slots=True)
class SizedCrop:
    """Cut to the size that suits each picture best: sides in steps of 64 between ``low`` and ``high`` pixels, of at
    least ``min_area`` and at most ``max_area`` pixels, whose shape differs from the picture's by at most ``error``.
    Where there is none the picture stays as it is."""

    low: int = fact(384, low=64, high=MAX_SIDE, step=64)
    high: int = fact(768, low=64, high=MAX_SIDE, step=64)
    min_area: int = fact(64 * 64, low=64 * 64, high=MAX_SIDE**2, control="number")
    max_area: int = fact(640 * 640, low=64 * 64, high=MAX_SIDE**2, control="number")
    objective: CropObjective = fact(CropObjective.AREA, control="radio")
    error: float = fact(0.1, low=0, high=1, step=0.01)

    def __post_init__(self) -> None:
        check(self, "sized")

    def size_for(self, width: int, height: int) -> tuple[int, int] | None:
        """The best size for a picture of ``width`` by ``height``."""
        sides = range(math.ceil(self.low / _SIDE_STEP) * _SIDE_STEP, self.high + 1, _SIDE_STEP)
        fitting = [
            (wide, high, error)
            for wide in sides
            for high in sides
            if self.min_area <= wide * high <= self.max_area
            and (error := _shape_error(width / height, wide / high)) <= self.error
        ]
        if not fitting:
            return None
        if self.objective is CropObjective.AREA:
            wide, high, _ = max(fitting, key=lambda one: (one[0] * one[1], -one[2]))
        else:
            wide, high, _ = min(fitting, key=lambda one: (one[2], -one[0] * one[1]))
        return wide, high

    def cut(self, picture: Image.Image) -> Image.Image:
        """The middle of ``picture`` (RGB) in the best size."""
        size = self.size_for(*picture.size)
        return ImageOps.fit(picture, size, Image.Resampling.LANCZOS) if size else picture


@dataclass(frozen=True, slots=True)
class Flip:
    """Flipped copies beside each picture."""

    horizontal: bool = True
    vertical: bool = False
    both: bool = False

    def copies(self, picture: Image.Image) -> Iterator[Image.Image]:
        """``picture`` and its copies."""
        yield picture
        if self.horizontal:
            yield ImageOps.mirror(picture)
        if self.vertical:
            yield ImageOps.flip(picture)
        if self.both:
            yield ImageOps.mirror(ImageOps.flip(picture))


@dataclass(frozen=True, slots=True)
class Caption:
    """A text beside each picture: the tags that ``tagger`` sees with at least the probability ``threshold``, or its
    sentence."""

    tagger: str = fact("wd-vit-tagger-v3", choices="captioners")
    threshold: float = fact(0.5, low=0, high=1, step=0.01)

    def __post_init__(self) -> None:
        check(self, "caption")


@dataclass(frozen=True, slots=True)
class Cutting:
    """The steps that make other pictures of one, in their order; None for those that were not asked for."""

    split: Split | None = None
    focal: FocalCrop | None = None
    sized: SizedCrop | None = None
    flip: Flip | None = None
    find_faces: FindFaces | None = None

    def of(self, picture: Image.Image) -> Iterator[Image.Image]:
        """What becomes of ``picture`` (RGB), one after another."""
        for part in self.split.parts(picture) if self.split else (picture,):
            cut = self.focal.cut(part, self.find_faces) if self.focal else part
            cut = self.sized.cut(cut) if self.sized else cut
            yield from self.flip.copies(cut) if self.flip else (cut,)


def _check_fits(width: int, height: int, field: str, value: int) -> None:
    """Raise ``FieldOutOfRange`` when a very narrow picture would have more than ``MAX_PIXELS`` at the wanted size."""
    if width * height > MAX_PIXELS:
        raise FieldOutOfRange(
            field=field, value=value, low=64, high=int(value * (MAX_PIXELS / (width * height)) ** 0.5)
        )


def mean_of(points: Iterable[Point]) -> Point | None:
    """The middle of ``points``; None for none."""
    every = list(points)
    if not every:
        return None
    return sum(x for x, _ in every) / len(every), sum(y for _, y in every) / len(every)


def _shape_error(one: float, other: float) -> float:
    return 1 - min(one / other, other / one)


_SEEN = 128
"""Longest side in pixels at which edges are looked for: where they lie shows in a small picture."""


def _edges(picture: Image.Image) -> Point | None:
    """The middle of the edges of ``picture``, each by its strength; None for a plain one."""
    scale = min(1.0, _SEEN / max(picture.size))
    size = (max(3, round(picture.width * scale)), max(3, round(picture.height * scale)))
    edges = picture.convert("L").resize(size).filter(ImageFilter.FIND_EDGES)
    edges = edges.crop((1, 1, size[0] - 1, size[1] - 1))  # the border's own edge is none
    across, down = _sums(edges), _sums(edges.transpose(Image.Transpose.TRANSPOSE))
    total = sum(across)
    if not total:
        return None
    x, y = (sum(place * weight for place, weight in enumerate(sums)) / total for sums in (across, down))
    return (x + 1.5) * picture.width / size[0], (y + 1.5) * picture.height / size[1]


def _sums(grey: Image.Image) -> list[int]:
    """The sum of every column of a picture (L)."""
    pixels = grey.tobytes()
    return [sum(pixels[column :: grey.width]) for column in range(grey.width)]


_STEPS = 16


def _most_varied(picture: Image.Image, size: tuple[int, int]) -> Point:
    """The middle of the part of ``size`` whose brightness is the most varied (entropy of its histogram)."""
    grey = picture.convert("L")
    spare = (picture.width - size[0], picture.height - size[1])
    places = {tuple(room * number // _STEPS for room in spare) for number in range(_STEPS + 1)}
    left, top = max(
        sorted(places), key=lambda at: grey.crop((at[0], at[1], at[0] + size[0], at[1] + size[1])).entropy()
    )
    return left + size[0] / 2, top + size[1] / 2
