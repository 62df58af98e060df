"""Outpainting: pictures continued beyond their edges (hechos/a1111.md 9.6)."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sdcolab.core.errors import DirectionMissing
from sdcolab.core.request import (
    MAX_SEED,
    RANDOM_SEED,
    GenerationRequest,
    InitImage,
    Inpaint,
    MaskedContent,
    ResizeMode,
)
from sdcolab.core.scripts import EVERYWHERE, USUAL_SIDE, Direction, Outpainting, PoorMansOutpainting
from sdcolab.grids.dialogue import Answer, Ask, Box, Dialogue, Keep, Made, Show, Total, make
from sdcolab.grids.pictures import Tiles, initial
from sdcolab.grids.ultimate import check_area
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = Outpainting.title
POOR_TITLE = PoorMansOutpainting.title

_BLOCK = 64

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Borders:
    """How many pixels are added on each side."""

    left: int
    right: int
    up: int
    down: int

    @classmethod
    def around(cls, size: tuple[int, int], pixels: int, directions: Sequence[Direction]) -> Borders:
        """``pixels`` in each of ``directions``, and more so that the whole comes in blocks of 64: what is missing goes
        in proportion to the left and up, the rest to the right and down."""
        left, right = _pair(size[0], pixels, Direction.LEFT in directions, Direction.RIGHT in directions)
        up, down = _pair(size[1], pixels, Direction.UP in directions, Direction.DOWN in directions)
        return cls(left, right, up, down)


def _pair(side: int, pixels: int, before: bool, after: bool) -> tuple[int, int]:
    first, last = pixels * before, pixels * after
    if not first and not last:
        return 0, 0
    more = _blocks(side + first + last) - side
    first = first * more // (first + last)
    return (first, more - first) if after else (more, 0)


def _blocks(side: int) -> int:
    return math.ceil(side / _BLOCK) * _BLOCK


# --- mk2 ------------------------------------------------------------------------------------------------------------


def dialogue(request: GenerationRequest, settings: Outpainting, draw_seed: RandomSeed = random_seed) -> Dialogue:
    """Each direction is an inpainting of its strip, after noise that looks like the picture was laid under it.

    Raises ``ScriptNeedsPicture``, ``DirectionMissing`` and ``ResultTooLarge``.
    """
    init, picture = initial(request, TITLE)
    if not settings.directions:
        raise DirectionMissing
    borders = Borders.around(picture.size, settings.pixels, settings.directions)
    check_area(picture.width + borders.left + borders.right, picture.height + borders.up + borders.down)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    wanted = [
        (direction, count)
        for direction, count in zip(EVERYWHERE, (borders.left, borders.right, borders.up, borders.down), strict=True)
        if count
    ]
    yield Total(len(wanted) * request.batch_count)
    for number in range(request.batch_count):
        base = replace(request, seed=(seed + number * request.batch_size) & MAX_SEED, batch_count=1)
        whole = [Made(picture, "", base.seed_of(index)) for index in range(request.batch_size)]
        for direction, count in wanted:
            yield Show(whole[0].picture)
            whole = yield from _expanded(base, init, settings, whole, direction, count)
        for made in whole:
            yield Keep(made)


def _expanded(
    base: GenerationRequest,
    init: InitImage,
    settings: Outpainting,
    pictures: list[Made],
    direction: Direction,
    count: int,
) -> Generator[Ask, Answer, list[Made]]:
    """``pictures`` with ``count`` pixels more in one direction."""
    strip = _Strip(pictures[0].picture.size, direction, count, settings.mask_blur, _form(base))
    mask = strip.mask()
    filled = [_filled(strip.placed(one.picture), mask, settings) for one in pictures]
    blur = settings.mask_blur * 4
    inpaint = Inpaint(
        mask=mask.crop(strip.work),
        blur_x=blur if strip.sideways else 0,
        blur_y=0 if strip.sideways else blur,
        content=MaskedContent.ORIGINAL,
        only_masked=False,
        latent_mask=strip.latent_mask(),
    )
    works = tuple(one.crop(strip.work) for one in filled)
    job = replace(
        base,
        width=strip.work[2] - strip.work[0],
        height=strip.work[3] - strip.work[1],
        init=replace(init, images=works, inpaint=inpaint, resize_mode=ResizeMode.STRETCH),
    )
    answers = yield from make(job)
    done: list[Made] = []
    for canvas, answer in zip(filled, answers, strict=False):
        canvas.paste(answer.picture, strip.work[:2])
        done.append(replace(answer, picture=canvas.crop((0, 0, *strip.size))))
    return done


def _form(request: GenerationRequest) -> tuple[int, int]:
    return request.width or USUAL_SIDE, request.height or USUAL_SIDE


@dataclass(frozen=True, slots=True)
class _Strip:
    """One direction of a picture of size ``source``: ``count`` new pixels, worked on at most ``form`` large."""

    source: tuple[int, int]
    direction: Direction
    count: int
    blur: int
    form: tuple[int, int]

    @property
    def sideways(self) -> bool:
        return self.direction in (Direction.LEFT, Direction.RIGHT)

    @property
    def before(self) -> bool:
        """Whether the new pixels come before the picture."""
        return self.direction in (Direction.LEFT, Direction.UP)

    @property
    def size(self) -> tuple[int, int]:
        """Of the picture with its new pixels."""
        return (
            self.source[0] + self.count * self.sideways,
            self.source[1] + self.count * (not self.sideways),
        )

    @property
    def canvas(self) -> tuple[int, int]:
        """The same in whole blocks."""
        return _blocks(self.size[0]), _blocks(self.size[1])

    @property
    def work(self) -> Box:
        """The part of the canvas that is made anew with what it needs to know of the rest."""
        width, height = self.canvas
        if self.sideways:
            wide = min(self.form[0], self.size[0])
            return (0, 0, wide, height) if self.before else (width - wide, 0, width, height)
        high = min(self.form[1], self.size[1])
        return (0, 0, width, high) if self.before else (0, height - high, width, height)

    def placed(self, picture: Image.Image) -> Image.Image:
        """``picture`` at its place on the canvas."""
        canvas = Image.new("RGB", self.canvas)
        left = self.count if self.before and self.sideways else 0
        top = self.count if self.before and not self.sideways else 0
        canvas.paste(picture, (left, top))
        return canvas

    def mask(self) -> Image.Image:
        """White over the new pixels and a little of the picture, on the canvas."""
        return self._kept(self.canvas, self.blur)

    def latent_mask(self) -> Image.Image:
        """What of the latents is made anew, on the work: twice as far into the picture."""
        left, top, right, bottom = self.work
        return self._kept((right - left, bottom - top), self.blur * 2)

    def _kept(self, size: tuple[int, int], inset: int) -> Image.Image:
        """Black where the picture stays, ``inset`` pixels less of it than there is."""
        mask = Image.new("L", size, 255)
        edge = self.count + inset
        box = {
            Direction.LEFT: (edge, 0, *self.size),
            Direction.UP: (0, edge, *self.size),
            Direction.RIGHT: (0, 0, size[0] - edge, self.size[1]),
            Direction.DOWN: (0, 0, self.size[0], size[1] - edge),
        }[self.direction]
        if box[2] >= box[0] and box[3] >= box[1]:
            ImageDraw.Draw(mask).rectangle(box, fill=0)
        return mask


def _filled(picture: Image.Image, mask: Image.Image, settings: Outpainting) -> Image.Image:
    """``picture`` (RGB) with shaped noise where ``mask`` is white."""
    pixels = np.asarray(picture, dtype=np.float64) / 255
    covered = np.repeat(np.asarray(mask, dtype=np.float64)[..., None] / 255, 3, axis=2)
    noised = shaped_noise(pixels, covered, settings.falloff, settings.colour_variation)
    return Image.fromarray((noised * 255).clip(0, 255).astype(np.uint8))


def shaped_noise(pixels: Floats, mask: Floats, falloff: float, colour_variation: float) -> Floats:
    """``pixels`` [H, W, 3] in 0..1 with noise under ``mask`` (0 or 1, same shape) that has the picture's spectrum and
    phase, and its histogram. Always the same noise: seed 0 of NumPy's PCG64.
    """
    kept, new = mask.mean(axis=2) < 1e-3, mask.mean(axis=2) > 1e-6
    if not new.any() or not kept.any():
        return pixels
    seen = pixels * (1 - mask)
    seen /= max(float(seen.max()), 1e-12)
    seen += pixels.mean() * mask
    spectrum = _spectrum(seen)
    size = np.abs(spectrum)
    phase = np.divide(spectrum, size, out=np.zeros_like(spectrum), where=size > 0)
    noise = np.random.default_rng(0).random(pixels.shape)
    grey = noise.mean(axis=2, keepdims=True)
    noise = noise * colour_variation + (1 - colour_variation) * grey
    noise = _picture(_spectrum(noise) * _window(*pixels.shape[:2])[..., None])
    shaped = _picture(np.abs(_spectrum(noise)) ** 2 * size**falloff * phase)
    shaped -= shaped.min()
    shaped /= max(float(shaped.max()), 1e-12)
    shaped[new] = _matched(shaped[new], pixels[kept])
    return (pixels * (1 - mask) + shaped * mask).clip(0, 1)


def _spectrum(values: Floats) -> NDArray[np.complex128]:
    """The centred spectrum of each channel."""
    shifted = np.fft.fftshift(values, axes=(0, 1))
    return np.fft.ifftshift(np.fft.fft2(shifted, axes=(0, 1), norm="ortho"), axes=(0, 1))


def _picture(spectrum: NDArray[np.complex128] | Floats) -> Floats:
    """The inverse of ``_spectrum``."""
    shifted = np.fft.fftshift(spectrum, axes=(0, 1))
    return np.real(np.fft.ifftshift(np.fft.ifft2(shifted, axes=(0, 1), norm="ortho"), axes=(0, 1)))


def _window(height: int, width: int) -> Floats:
    """1 / ((x^2 + 1)(y^2 + 1)) with 1 at half the shorter side: what of the noise's spectrum stays."""
    short = min(height, width)
    down = (np.arange(height) / height * 2 - 1) * (height / short)
    across = (np.arange(width) / width * 2 - 1) * (width / short)
    return 1 / ((down[:, None] ** 2 + 1) * (across[None, :] ** 2 + 1))


def _matched(values: Floats, wanted: Floats) -> Floats:
    """``values`` [N, 3] with the histogram of ``wanted`` [M, 3], channel by channel."""
    return np.stack([_matched_channel(values[:, c], wanted[:, c]) for c in range(values.shape[1])], axis=1)


def _matched_channel(values: Floats, wanted: Floats) -> Floats:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    levels, wanted_counts = np.unique(wanted, return_counts=True)
    quantiles = counts.cumsum() / values.size
    return np.interp(quantiles, wanted_counts.cumsum() / wanted.size, levels)[index]


# --- Poor man's -----------------------------------------------------------------------------------------------------


def poor_dialogue(
    request: GenerationRequest, settings: PoorMansOutpainting, draw_seed: RandomSeed = random_seed
) -> Dialogue:
    """Tiles of the request's size over the picture on its larger canvas; those that touch the new area are inpainted,
    the seed going up by one with each.

    Raises ``ScriptNeedsPicture``, ``DirectionMissing`` and ``ResultTooLarge``.
    """
    init, picture = initial(request, POOR_TITLE)
    if not settings.directions:
        raise DirectionMissing
    borders = Borders.around(picture.size, settings.pixels, settings.directions)
    width, height = picture.width + borders.left + borders.right, picture.height + borders.up + borders.down
    check_area(width, height)
    canvas = Image.new("RGB", (width, height))
    canvas.paste(picture, (borders.left, borders.up))
    mask = _frame(canvas.size, borders, settings.mask_blur * 2)
    latent_mask = _frame(canvas.size, borders, settings.mask_blur // 2)
    form = tuple(min(side, whole // 8 * 8) for side, whole in zip(_form(request), canvas.size, strict=True))
    tiles = Tiles(width, height, form[0], form[1], min(settings.pixels, form[0] // 2, form[1] // 2))
    inner = (borders.left, borders.up, width - borders.right, height - borders.down)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    yield Total(sum(not _inside(box, inner) for box in tiles.boxes()))
    yield Show(canvas)
    pieces: list[Image.Image] = []
    first: Made | None = None
    for box in tiles.boxes():
        if _inside(box, inner):
            pieces.append(canvas.crop(box))
            continue
        inpaint = Inpaint(
            mask=mask.crop(box),
            blur_x=settings.mask_blur * 2,
            blur_y=settings.mask_blur * 2,
            content=settings.content,
            only_masked=False,
            latent_mask=latent_mask.crop(box),
        )
        started = replace(init, images=(canvas.crop(box),), inpaint=inpaint)
        job = replace(request, seed=seed, batch_size=1, batch_count=1, width=form[0], height=form[1], init=started)
        made = (yield from make(job, box, box))[0]
        first = first or made
        seed = (seed + 1) & MAX_SEED
        pieces.append(made.picture)
    if first is not None:
        yield Keep(replace(first, picture=tiles.combined(pieces)))


def _frame(size: tuple[int, int], borders: Borders, inset: int) -> Image.Image:
    """White over the new area and ``inset`` pixels of the picture beside it."""
    mask = Image.new("L", size, 255)
    left = borders.left + (inset if borders.left else 0)
    top = borders.up + (inset if borders.up else 0)
    right = size[0] - borders.right - (inset if borders.right else 0)
    bottom = size[1] - borders.down - (inset if borders.down else 0)
    if right >= left and bottom >= top:
        ImageDraw.Draw(mask).rectangle((left, top, right, bottom), fill=0)
    return mask


def _inside(box: Box, inner: Box) -> bool:
    return box[0] >= inner[0] and box[1] >= inner[1] and box[2] <= inner[2] and box[3] <= inner[3]
