"""Loopback: a picture goes through img2img again and again (hechos/a1111.md 9.5)."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace

from sdcolab.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest, InitImage, MaskedContent
from sdcolab.core.scripts import Curve, Loopback
from sdcolab.grids.dialogue import Answer, Ask, Dialogue, Keep, Made, Total, make
from sdcolab.grids.pictures import in_a_grid, initial, relabelled
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = Loopback.title


def strength_of(loop: int, first: float, settings: Loopback) -> float:
    """The denoising strength of ``loop`` (from 0), between ``first`` and the settings' final one."""
    if settings.loops == 1:
        return first
    progress = loop / (settings.loops - 1)
    match settings.curve:
        case Curve.AGGRESSIVE:
            progress = math.sin(progress * math.pi * 0.5)
        case Curve.LAZY:
            progress = 1 - math.cos(progress * math.pi * 0.5)
        case Curve.LINEAR:
            pass
    return first + (settings.final_strength - first) * progress


def dialogue(request: GenerationRequest, settings: Loopback, draw_seed: RandomSeed = random_seed) -> Dialogue:
    """Every loop starts from what the last one made, with the next seed; as often as there are batches, from the
    beginning. With several loops there is a sheet of all of them first.

    Raises ``ScriptNeedsPicture``.
    """
    init, _ = initial(request, TITLE)
    seed = draw_seed() if request.seed == RANDOM_SEED else request.seed
    base = replace(request, batch_size=1, batch_count=1)
    yield Total(settings.loops * request.batch_count)
    for _ in range(request.batch_count):
        history = yield from _loops(base, init, settings, seed)
        seed = (seed + settings.loops) & MAX_SEED
        if len(history) > 1:
            sheet = in_a_grid([made.picture for made in history], rows=1)
            yield Keep(replace(history[0], picture=sheet), sheet=True)


def _loops(
    base: GenerationRequest, init: InitImage, settings: Loopback, seed: int
) -> Generator[Ask, Answer, list[Made]]:
    history: list[Made] = []
    notes = {"Final denoising strength": repr(settings.final_strength), "Denoising curve": settings.curve.value}
    for loop in range(settings.loops):
        now = replace(init, strength=strength_of(loop, init.strength, settings))
        job = replace(base, seed=(seed + loop) & MAX_SEED, init=now)
        made = (yield from make(job))[0]
        made = replace(made, infotext=relabelled(made.infotext, notes))
        yield Keep(made)
        history.append(made)
        init = replace(init, images=(made.picture,))
        if init.inpaint is not None:
            init = replace(init, inpaint=replace(init.inpaint, content=MaskedContent.ORIGINAL))
    return history
