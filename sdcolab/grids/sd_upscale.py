"""SD upscale: a picture is enlarged and worked over tile by tile (hechos/a1111.md 9.4)."""

from __future__ import annotations

from dataclasses import replace

from sdcolab.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import NO_UPSCALER, USUAL_SIDE, SdUpscale
from sdcolab.core.upscaling import enlarged_size
from sdcolab.grids.dialogue import Dialogue, Keep, Made, Show, Total, enlarge, make
from sdcolab.grids.pictures import Tiles, initial, relabelled
from sdcolab.grids.ultimate import check_area
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = SdUpscale.title


def dialogue(request: GenerationRequest, settings: SdUpscale, draw_seed: RandomSeed = random_seed) -> Dialogue:
    """Tiles in batches of the request's batch size, the seed going up by one with each; as many results as there are
    batches asked for, with the seeds from the first one on.

    Raises ``ScriptNeedsPicture`` and ``ResultTooLarge``.
    """
    init, picture = initial(request, TITLE)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    grows = settings.upscaler != NO_UPSCALER
    size = enlarged_size(picture.size, settings.scale) if grows else picture.size
    if grows:
        check_area(*size)
    width = min(request.width or USUAL_SIDE, _whole(size[0]))
    height = min(request.height or USUAL_SIDE, _whole(size[1]))
    tiles = Tiles(*size, width, height, min(settings.overlap, width // 2, height // 2))
    boxes = list(tiles.boxes())
    at_once = request.batch_size
    groups = [boxes[start : start + at_once] for start in range(0, len(boxes), at_once)]
    yield Total(len(groups) * request.batch_count)
    if grows:
        picture = yield from enlarge(picture, settings.scale, settings.upscaler)
    yield Show(picture)
    base = replace(request, batch_count=1, width=width, height=height)
    notes = {"SD upscale overlap": str(settings.overlap), "SD upscale upscaler": settings.upscaler}
    for number in range(request.batch_count):
        made: list[Made] = []
        for index, group in enumerate(groups):
            works = tuple(picture.crop(box) for box in group)
            job = replace(
                base,
                seed=(seed + number + index) & MAX_SEED,
                batch_size=len(works),
                init=replace(init, images=works, inpaint=None),
            )
            made += yield from make(job, group[0], group[0])
        whole = tiles.combined([one.picture for one in made])
        yield Keep(Made(whole, relabelled(made[0].infotext, notes), seed + number))


def _whole(side: int) -> int:
    """The largest side of a tile that lies in a picture of ``side`` pixels."""
    return max(64, side // 8 * 8)
