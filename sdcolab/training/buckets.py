"""Aspect ratio buckets: at which size each picture is trained (NovelAI 2022, "NovelAI Improvements on Stable
Diffusion"; rules in hechos/extensiones.md 11, "Buckets"). Sizes are (width, height) in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sdcolab.core.errors import BucketRange, PictureTooSmall

Size = tuple[int, int]

BUCKET_STEP = 64
MIN_BUCKET = 256
MAX_BUCKET = 1024


@dataclass(frozen=True, slots=True)
class BucketRules:
    """How pictures are sorted into sizes.

    ``area`` is the resolution whose number of pixels no bucket exceeds. Without ``enabled`` every picture is brought to
    that very size. ``shortest`` and ``longest`` bound a bucket's sides; with ``no_upscale`` they do not count, and a
    small picture keeps its size, less what is over a multiple of ``step``.
    """

    area: Size = (512, 512)
    enabled: bool = True
    shortest: int = MIN_BUCKET
    longest: int = MAX_BUCKET
    step: int = BUCKET_STEP
    no_upscale: bool = False

    def adjusted(self) -> BucketRules:
        """The same with bounds that are multiples of ``step``: the lower goes down, not to 0, the upper up.

        Raises ``BucketRange`` when the resolution does not lie between them.
        """
        low = max(self.step, self.shortest // self.step * self.step)
        high = -(-self.longest // self.step) * self.step
        if self.enabled and not low <= min(self.area):
            raise BucketRange(bound="min_bucket_reso", value=low, resolution=f"{self.area[0]}x{self.area[1]}")
        if self.enabled and not max(self.area) <= high:
            raise BucketRange(bound="max_bucket_reso", value=high, resolution=f"{self.area[0]}x{self.area[1]}")
        return BucketRules(self.area, self.enabled, low, high, self.step, self.no_upscale)


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a picture goes: the size it is scaled to, and the bucket that is cut out of its middle.

    ``ratio_error`` is the bucket's width / height less the picture's.
    """

    bucket: Size
    resized: Size
    ratio_error: float

    @property
    def offset(self) -> Size:
        """Pixels cut off at the left and at the top."""
        return tuple(max(0, side - room) // 2 for side, room in zip(self.resized, self.bucket, strict=True))  # type: ignore[return-value]


def bucket_sizes(area: Size, shortest: int, longest: int, step: int) -> tuple[Size, ...]:
    """Every size that a picture may be trained at, sorted: one square, and for each side the longest other side whose
    product does not exceed ``area``'s.
    """
    pixels = area[0] * area[1]
    square = int(math.sqrt(pixels) // step) * step
    sizes = {(square, square)}
    for side in range(shortest, longest + 1, step):
        other = min(longest, pixels // side // step * step)
        if other >= shortest:
            sizes |= {(side, other), (other, side)}
    return tuple(sorted(sizes))


@dataclass(frozen=True, slots=True)
class Buckets:
    """Sorts pictures by ``rules``, which must be adjusted. ``sizes`` is empty where pictures make their own."""

    rules: BucketRules
    sizes: tuple[Size, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        rules = self.rules
        if not rules.enabled:
            object.__setattr__(self, "sizes", (rules.area,))
        elif not rules.no_upscale:
            object.__setattr__(self, "sizes", bucket_sizes(rules.area, rules.shortest, rules.longest, rules.step))

    def fit(self, picture: Size) -> Fit:
        """The bucket of a picture. Raises ``PictureTooSmall`` where nothing of it would be left."""
        if not self.sizes:
            return self._own_bucket(picture)
        bucket = picture if picture in self.sizes else self._nearest(picture)
        return Fit(bucket, covering(picture, bucket), bucket[0] / bucket[1] - picture[0] / picture[1])

    def _nearest(self, picture: Size) -> Size:
        """The bucket whose width / height is nearest to the picture's; the first of equals."""
        ratio = picture[0] / picture[1]
        return min(self.sizes, key=lambda size: abs(size[0] / size[1] - ratio))

    def _own_bucket(self, picture: Size) -> Fit:
        width, height = picture
        ratio, pixels = width / height, self.rules.area[0] * self.rules.area[1]
        resized = picture if width * height <= pixels else self._shrunk(ratio, pixels)
        bucket = (self._floor(resized[0]), self._floor(resized[1]))
        if not all(bucket):
            raise PictureTooSmall(width=width, height=height, step=self.rules.step)
        return Fit(bucket, resized, bucket[0] / bucket[1] - ratio)

    def _shrunk(self, ratio: float, pixels: int) -> Size:
        """The size of that area with one side a multiple of the step: the side that errs less in shape."""
        ideal_width = math.sqrt(pixels * ratio)
        ideal_height = pixels / ideal_width
        width, height = self._rounded(ideal_width), self._rounded(ideal_height)
        other_height, other_width = self._rounded(width / ratio), self._rounded(height * ratio)
        if not (width and height and other_height):
            raise PictureTooSmall(width=round(ideal_width), height=round(ideal_height), step=self.rules.step)
        if abs(width / other_height - ratio) < abs(other_width / height - ratio):
            return width, int(width / ratio + 0.5)
        return int(height * ratio + 0.5), height

    def _rounded(self, side: float) -> int:
        return self._floor(int(side + 0.5))

    def _floor(self, side: int) -> int:
        return side // self.rules.step * self.rules.step


def covering(picture: Size, bucket: Size) -> Size:
    """The size to which the picture is scaled to cover the bucket: one side is the bucket's, the other no less."""
    wider = picture[0] / picture[1] > bucket[0] / bucket[1]
    scale = bucket[1] / picture[1] if wider else bucket[0] / picture[0]
    return int(picture[0] * scale + 0.5), int(picture[1] * scale + 0.5)


def crop_box(bucket: Size, picture: Size) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the whole picture inside the bucket, as SDXL's size conditioning has it in
    sd-scripts' cache files (``crop_ltrb``): the picture fitted into the bucket, not covering it.
    """
    ratio = picture[0] / picture[1]
    if bucket[0] / bucket[1] > ratio:
        width, height = bucket[1] * ratio, float(bucket[1])
    else:
        width, height = float(bucket[0]), bucket[0] / ratio
    left, top = (bucket[0] - width) // 2, (bucket[1] - height) // 2
    return left, top, left + width, top + height
