"""Ultimate SD upscale: pictures of any size, worked over in tiles (hechos/extensiones.md 0 and 4).

Every job sees only the part of the picture around its tile, so that what it takes does not grow with the picture. The
part is chosen so that "only masked" finds the same crop in it as it would in the whole picture.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageOps

from sdcolab.core.control import ControlType, ControlUnit
from sdcolab.core.errors import ResultTooLarge
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.request import RANDOM_SEED, GenerationRequest, InitImage, Inpaint, MaskedContent
from sdcolab.core.resizing import flattened, part_laid_over, part_resized
from sdcolab.core.scripts import NO_UPSCALER, USUAL_SIDE, Redraw, SeamsFix, Ultimate
from sdcolab.grids.dialogue import Answer, Ask, Box, Dialogue, Keep, Made, Show, Total, enlarge, make
from sdcolab.grids.pictures import initial, relabelled
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = Ultimate.title
MAX_MEGAPIXELS = 151
"""A result is at most this large: 12288 x 12288 pixels."""

_BLOCK = 64
_LONGEST = 2048
"""Longest side of one job; longer bands are worked over in pieces."""


def _blocks(side: float) -> int:
    return math.ceil(side / _BLOCK) * _BLOCK


def factors(scale: int) -> tuple[int, ...]:
    """How an enlargement by ``scale`` is made of upscaler calls by 4, 3 and 2; a scale that cannot is made larger."""
    while not _smooth(scale):
        scale += 1
    found: list[int] = []
    while scale > 1:
        found.append(next(factor for factor in (4, 3, 2) if scale % factor == 0))
        scale //= found[-1]
    return tuple(found)


def _smooth(number: int) -> bool:
    for factor in (2, 3):
        while number % factor == 0:
            number //= factor
    return number == 1


def check_area(width: int, height: int) -> None:
    """Raise ``ResultTooLarge`` unless so large a result can be made."""
    megapixels = math.ceil(width * height / 1_000_000)
    if megapixels > MAX_MEGAPIXELS:
        raise ResultTooLarge(megapixels=megapixels, limit=MAX_MEGAPIXELS)


# --- Tiles ----------------------------------------------------------------------------------------------------------

Shape = Callable[[], Image.Image]
"""The mask of a job (mode L), as large as its box."""


@dataclass(frozen=True, slots=True)
class Job:
    """One tile. ``box``: what is white in the mask, or the gradient's place; it may reach over the picture's edge.
    ``shape`` None is plain white. ``work``: size of the picture that is made, before it is made to fit the model's
    blocks."""

    box: Box
    work: tuple[int, int]
    padding: int
    blur: int
    strength: float
    shape: Shape | None = None


def redraw_jobs(settings: Ultimate, size: tuple[int, int], strength: float) -> Iterator[Job]:
    """The tiles of a picture of ``size``, in order. Each reaches one pixel into the next one."""
    (width, height), (columns, rows) = settings.tile, _counts(settings, size)
    work = (_blocks(width + settings.padding), _blocks(height + settings.padding))
    for column, row in _ordered(columns, rows, settings.redraw):
        left, top = column * width, row * height
        box = (left, top, min(left + width + 1, size[0]), min(top + height + 1, size[1]))
        yield Job(box, work, settings.padding, settings.mask_blur, strength)


def _ordered(columns: int, rows: int, redraw: Redraw) -> list[tuple[int, int]]:
    places = [(column, row) for row in range(rows) for column in range(columns)]
    match redraw:
        case Redraw.LINEAR:
            return places
        case Redraw.CHESS:
            return sorted(places, key=lambda place: (place[0] + place[1]) % 2)
        case Redraw.NONE:
            return []


def seam_jobs(settings: Ultimate, size: tuple[int, int]) -> Iterator[Job]:
    """What is done over the seams, in order."""
    match settings.seams_fix:
        case SeamsFix.NONE:
            return
        case SeamsFix.BAND:
            yield from _bands(settings, size)
        case SeamsFix.HALF:
            yield from _halves(settings, size)
        case SeamsFix.HALF_CROSS:
            yield from _halves(settings, size)
            yield from _crossings(settings, size)


def _bands(settings: Ultimate, size: tuple[int, int]) -> Iterator[Job]:
    """A band over each inner border, those that stand first."""
    (width, height), (columns, rows) = settings.tile, _counts(settings, size)
    band, across = settings.seams_width, settings.seams_width + settings.seams_padding * 2
    for column in range(1, columns):
        left = column * width - band // 2
        for start, end in _pieces(size[1]):
            box = (left, start, left + band, end)
            shape = _band_shape(band, end - start, upright=True)
            yield Job(box, (across, end - start), settings.seams_padding, 0, settings.seams_strength, shape)
    for row in range(1, rows):
        top = row * height - band // 2
        for start, end in _pieces(size[0]):
            box = (start, top, end, top + band)
            shape = _band_shape(band, end - start, upright=False)
            yield Job(box, (end - start, across), settings.seams_padding, 0, settings.seams_strength, shape)


def _pieces(length: int) -> Iterator[tuple[int, int]]:
    """``length`` pixels in equal pieces that one job can make."""
    count = math.ceil(length / _LONGEST)
    edges = [length * number // count for number in range(count + 1)]
    yield from itertools.pairwise(edges)


def _halves(settings: Ultimate, size: tuple[int, int]) -> Iterator[Job]:
    """Tiles shifted down by half over each row border, then to the right over each column border."""
    (width, height), (columns, rows) = settings.tile, _counts(settings, size)
    for row in range(rows - 1):
        for column in range(columns):
            yield _tile_job(settings, column * width, row * height + height // 2, _half_shape(width, height, False))
    for row in range(rows):
        for column in range(columns - 1):
            yield _tile_job(settings, column * width + width // 2, row * height, _half_shape(width, height, True))


def _crossings(settings: Ultimate, size: tuple[int, int]) -> Iterator[Job]:
    (width, height), (columns, rows) = settings.tile, _counts(settings, size)
    for row in range(rows - 1):
        for column in range(columns - 1):
            job = _tile_job(
                settings, column * width + width // 2, row * height + height // 2, _round_shape(width, height)
            )
            yield replace(job, padding=0)


def _tile_job(settings: Ultimate, left: int, top: int, shape: Shape) -> Job:
    width, height = settings.tile
    box = (left, top, left + width, top + height)
    return Job(box, (width, height), settings.seams_padding, settings.seams_mask_blur, settings.seams_strength, shape)


def _counts(settings: Ultimate, size: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows."""
    width, height = settings.tile
    return math.ceil(size[0] / width), math.ceil(size[1] / height)


# --- Masks ----------------------------------------------------------------------------------------------------------


def _band_shape(band: int, length: int, *, upright: bool) -> Shape:
    """From black over white to black across a band."""

    def drawn() -> Image.Image:
        ramp = Image.linear_gradient("L")
        both = Image.new("L", (256, 256))
        both.paste(ramp.resize((256, 128), Image.Resampling.BICUBIC), (0, 0))
        both.paste(ramp.rotate(180).resize((256, 128), Image.Resampling.BICUBIC), (0, 128))
        if upright:
            return both.rotate(90).resize((band, length), Image.Resampling.BICUBIC)
        return both.resize((length, band), Image.Resampling.BICUBIC)

    return drawn


def _half_shape(width: int, height: int, sideways: bool) -> Shape:
    """From black over white to black over a tile, from top to bottom or ``sideways``."""

    def drawn() -> Image.Image:
        ramp, tile = Image.linear_gradient("L"), Image.new("L", (width, height))
        if sideways:
            half = (width // 2, height)
            tile.paste(ramp.rotate(90).resize(half, Image.Resampling.BICUBIC), (0, 0))
            tile.paste(ramp.rotate(270).resize(half, Image.Resampling.BICUBIC), (width // 2, 0))
        else:
            half = (width, height // 2)
            tile.paste(ramp.resize(half, Image.Resampling.BICUBIC), (0, 0))
            tile.paste(ramp.rotate(180).resize(half, Image.Resampling.BICUBIC), (0, height // 2))
        return tile

    return drawn


def _round_shape(width: int, height: int) -> Shape:
    return lambda: ImageOps.invert(Image.radial_gradient("L").resize((width, height), Image.Resampling.BICUBIC))


def mask_of(job: Job, window: Box) -> Image.Image:
    """The mask (mode L) of ``job`` in the part ``window`` of the picture."""
    mask = Image.new("L", (window[2] - window[0], window[3] - window[1]))
    left, top = job.box[0] - window[0], job.box[1] - window[1]
    if job.shape is None:
        mask.paste(255, (left, top, job.box[2] - window[0], job.box[3] - window[1]))
    else:
        mask.paste(job.shape(), (left, top))
    return mask


# --- What a job sees ------------------------------------------------------------------------------------------------


def request_size(work: tuple[int, int]) -> tuple[int, int]:
    """``work`` as a request takes it: in blocks of 8 pixels, not smaller than 64 and not larger than 2048."""
    width, height = (min(_LONGEST, max(_BLOCK, math.ceil(side / 8) * 8)) for side in work)
    return width, height


def focus_of(job: Job, size: tuple[int, int]) -> Box:
    """The part of a picture of ``size`` that "only masked" will work on: the blurred mask with its padding, in the
    shape of the work. A pixel more or less where the edge of a blur is too faint to count."""
    reach = _reach(job.blur) + job.padding
    left, right = max(0, job.box[0] - reach), min(size[0], job.box[2] + reach)
    top, bottom = max(0, job.box[1] - reach), min(size[1], job.box[3] + reach)
    width, height = request_size(job.work)
    if (right - left) * height > (bottom - top) * width:
        top, bottom = _grown(top, bottom, math.ceil((right - left) * height / width), size[1])
    else:
        left, right = _grown(left, right, math.ceil((bottom - top) * width / height), size[0])
    return left, top, right, bottom


def window_of(job: Job, size: tuple[int, int]) -> Box:
    """The part of the picture that the job is given: more than it works on, wherever the picture goes on."""
    left, top, right, bottom = focus_of(job, size)
    more = 2 * _reach(job.blur) + 16
    return max(0, left - more), max(0, top - more), min(size[0], right + more), min(size[1], bottom + more)


def _reach(blur: int) -> int:
    """How far a blur reaches."""
    return int(2.5 * blur + 0.5)


def _grown(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """``start``..``end`` made ``length`` long around its middle, inside of 0..``limit`` as far as it fits."""
    missing = max(0, length - (end - start))
    start, end = start - missing // 2, end + missing - missing // 2
    if end > limit:
        start, end = start - (end - limit), limit
    if start < 0:
        start, end = 0, min(limit, end - start)
    return start, end


# --- The script -----------------------------------------------------------------------------------------------------


def dialogue(request: GenerationRequest, settings: Ultimate, draw_seed: RandomSeed = random_seed) -> Dialogue:
    """The picture enlarged and worked over, and then, if asked for, once more over its seams: one result each.

    Raises ``ScriptNeedsPicture`` and ``ResultTooLarge``.
    """
    init, picture = initial(request, TITLE)
    form = (request.width or USUAL_SIDE, request.height or USUAL_SIDE)
    size = settings.size_for(picture.size, form)
    check_area(*size)
    redraw = list(redraw_jobs(settings, size, init.strength))
    seams = list(seam_jobs(settings, size))
    yield Total(len(redraw) + len(seams))
    canvas = yield from _enlarged(picture, size, settings.upscaler)
    yield Show(canvas)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    control = tuple(unit if _no_places(unit) else _flat(unit) for unit in request.control)
    base = replace(request, seed=seed, batch_size=1, batch_count=1, control=control)
    told = yield from _worked_over(canvas, redraw, base, init)
    notes = _notes(settings, size)
    # What goes on after the first result must not change it.
    if settings.seams_fix is SeamsFix.NONE:
        yield Keep(Made(canvas, relabelled(told, notes), seed))
        return
    before = canvas.copy() if settings.save_upscaled else None
    told_later = yield from _worked_over(canvas, seams, base, init)
    infotext = relabelled(told or told_later, notes)
    if before is not None:
        yield Keep(Made(before, infotext, seed))
    yield Keep(Made(canvas, infotext, seed))


def _enlarged(picture: Image.Image, size: tuple[int, int], upscaler: str) -> Generator[Ask, Answer, Image.Image]:
    if upscaler != NO_UPSCALER:
        for factor in factors(math.ceil(max(size) / max(picture.size))):
            picture = yield from enlarge(picture, factor, upscaler)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _worked_over(
    canvas: Image.Image, jobs: Sequence[Job], base: GenerationRequest, init: InitImage
) -> Generator[Ask, Answer, str]:
    """Do ``jobs`` on ``canvas`` one after another; the infotext of the first one."""
    told = ""
    for job in jobs:
        window = window_of(job, canvas.size)
        width, height = request_size(job.work)
        inpaint = Inpaint(
            mask=mask_of(job, window),
            blur_x=job.blur,
            blur_y=job.blur,
            content=MaskedContent.ORIGINAL,
            only_masked=True,
            padding=job.padding,
        )
        seen = replace(init, images=(canvas.crop(window),), strength=job.strength, inpaint=inpaint)
        focus = focus_of(job, canvas.size)
        control = tuple(_cut(unit, canvas.size, window, focus) for unit in base.control)
        made = yield from make(replace(base, width=width, height=height, init=seen, control=control), window, focus)
        canvas.paste(made[0].picture, window[:2])
        told = told or made[0].infotext
    return told


# --- What ControlNet sees --------------------------------------------------------------------------------------------


def _flat(unit: ControlUnit) -> ControlUnit:
    """``unit`` with its own pictures as each job cuts them (hechos/extensiones.md 3): RGB, at their own size."""

    def flat(picture: Image.Image | None, background: str = "#ffffff") -> Image.Image | None:
        return None if picture is None else flattened(picture, background)

    return replace(
        unit,
        images=tuple(flattened(picture) for picture in unit.images),
        drawing=flat(unit.drawing),
        mask=flat(unit.mask),
        region=flat(unit.region, "#000000"),
    )


def _cut(unit: ControlUnit, size: tuple[int, int], window: Box, focus: Box) -> ControlUnit:
    """A unit as a job sees it, whose pictures lie over a whole of ``size`` that is never made: of them the part that
    the job is given, which is cut to what it works on together with it; of where it acts, the part that is worked on.
    Those that say what to draw and not where stay as they are."""
    if _no_places(unit):
        return unit

    def part(picture: Image.Image | None) -> Image.Image | None:
        return None if picture is None else part_laid_over(picture, size, unit.resize, window)

    return replace(
        unit,
        images=tuple(part_laid_over(picture, size, unit.resize, window) for picture in unit.images),
        drawing=part(unit.drawing),
        mask=part(unit.mask),
        region=unit.region and part_resized(unit.region, size, focus, Image.Resampling.BICUBIC),
        crop_to_mask=True,
    )


def _no_places(unit: ControlUnit) -> bool:
    """Whether a unit's picture is a model for what is drawn and lies nowhere over the whole."""
    kinds = {unit.kind, *PREPROCESSORS.find(unit.module).types[:1]}
    return not kinds.isdisjoint((ControlType.REFERENCE, ControlType.IP_ADAPTER))


def _notes(settings: Ultimate, size: tuple[int, int]) -> dict[str, str]:
    width, height = settings.tile
    return {
        "Size": f"{size[0]}x{size[1]}",
        f"{TITLE} upscaler": settings.upscaler,
        f"{TITLE} tile_width": str(width),
        f"{TITLE} tile_height": str(height),
        f"{TITLE} mask_blur": str(settings.mask_blur),
        f"{TITLE} padding": str(settings.padding),
    }
