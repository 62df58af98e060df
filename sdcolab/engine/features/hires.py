"""A second pass at a larger size (hechos/a1111.md 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from PIL import Image
from torch import Tensor

from sdcolab.core.events import Phase, PhaseStarted
from sdcolab.core.infotext import EngineFacts
from sdcolab.core.request import SIZE_STEP, Hires
from sdcolab.core.resizing import resize_exactly
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.bench import Bench
from sdcolab.engine.decode import to_pixels
from sdcolab.engine.feature import Active, Feature, Start
from sdcolab.engine.plan import Batch, GenerationPlan, Pass, Size
from sdcolab.engine.samplers import resolve_sampler
from sdcolab.engine.shelf import Vae
from sdcolab.engine.upscale.latents import latent_upscaler_called
from sdcolab.engine.upscale.upscalers import Upscaler, upscalers_in


class HiresFix(Feature):
    """Enlarges what the first pass made and goes on from there. ``upscaler`` is None for one that works on latents."""

    def __init__(self, hires: Hires, upscaler: Upscaler | None) -> None:
        self._hires = hires
        self._upscaler = upscaler
        self._second: Pass | None = None
        self._enlarged: Tensor | list[Image.Image] = []

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        """Raises ``UnknownName`` for its sampler, schedule or upscaler."""
        request = asked.request
        hires = request.hires if request.init is None else None
        if hires is None:
            return None
        resolve_sampler(hires.sampler or request.sampler, hires.schedule or request.schedule)
        if latent_upscaler_called(hires.upscaler) is not None:
            return cls(hires, None)
        return cls(hires, upscalers_in(asked.library).find(hires.upscaler))

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """A second one, which takes what it does not say from the first."""
        self._second = second_pass(plan, self._hires)
        return replace(plan, passes=(*plan.passes, self._second))

    def after_pass(self, latents: Tensor, active: Active, vae: Vae, batch: Batch) -> None:
        """Enlarges what the first pass made: latents, or pictures, as the upscaler works on one or the other."""
        del batch
        if self._second is None:
            return
        latent_upscaler, bench, size = latent_upscaler_called(self._hires.upscaler), active.bench, self._second.told
        if latent_upscaler is not None:
            self._enlarged = latent_upscaler.resize(latents, *size.latent)
        elif self._upscaler is not None:
            enlarge = bench.upscalers.enlarger(self._upscaler, bench.listener, bench.cancel)
            bench.listener(PhaseStarted(Phase.DECODING))
            pictures = [bench.darkroom.decoded(latent, vae) for latent in latents.split(1)]
            bench.listener(PhaseStarted(Phase.UPSCALING))
            self._enlarged = [resize_exactly(picture, size.width, size.height, enlarge) for picture in pictures]

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        """The second pass starts from what was enlarged, cropped to its size."""
        if active.one is not self._second:
            return start
        enlarged, one = self._enlarged, active.one
        if isinstance(enlarged, list):
            # A1111 encodes with what the CPU's generator gives after the seed of the batch's last picture.
            generator = torch.Generator().manual_seed(batch.seeds[-1])
            encode = active.bench.darkroom.encoded
            enlarged = torch.cat([encode(active.vae, to_pixels(picture), generator) for picture in enlarged])
        self._enlarged = []
        rows, columns = cropped_latents((enlarged.shape[-2], enlarged.shape[-1]), one.told, one.size)
        return replace(start, init=enlarged[..., rows, columns])

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """Its schedule, and its checkpoint where that is another one."""
        if self._second is None:
            return facts
        schedule = self._second.schedule
        if not self._hires.checkpoint:
            return replace(facts, hires_schedule=schedule)
        file = bench.asked.checkpoint_called(self._hires.checkpoint)
        digest = bench.wait_for(bench.hashes.start(file.path))
        return replace(facts, hires_schedule=schedule, hires_model=file.stem, hires_model_hash=digest)


def second_pass(plan: GenerationPlan, hires: Hires) -> Pass:
    """The pass that ``hires`` adds to ``plan``."""
    first, request = plan.passes[0], plan.request
    enlarged = hires_size(first.size, hires)
    return replace(
        first,
        number=len(plan.passes),
        choice=resolve_sampler(hires.sampler or request.sampler, hires.schedule or request.schedule),
        steps=hires.steps or request.steps,
        strength=hires.strength,
        exact=True,
        size=cropped_size(enlarged, Size(hires.width or enlarged.width, hires.height or enlarged.height)),
        told=enlarged,
        prompt=hires.prompt or request.prompt,
        negative_prompt=hires.negative_prompt or request.negative_prompt,
        cfg_scale=request.cfg_scale if hires.cfg_scale is None else hires.cfg_scale,
        checkpoint=hires.checkpoint or request.checkpoint,
        base_calls=first.prompt_calls,
    )


def hires_size(first: Size, hires: Hires) -> Size:
    """What a picture of the first pass is enlarged to before the second: by a factor, to one side and the other in
    proportion, or so that it covers both (hechos/a1111.md 4.2).
    """
    width, height = hires.width, hires.height
    if not width and not height:
        return Size(int(first.width * hires.scale), int(first.height * hires.scale))
    if not height or (width and first.width / first.height < width / height):
        return Size(width, width * first.height // first.width)
    return Size(height * first.width // first.height, height)


def cropped_size(enlarged: Size, target: Size) -> Size:
    """What remains of ``enlarged`` when its latents are cropped to ``target``: whole blocks of 8 pixels, which may be
    one more a side than a target that is no multiple of 8 has (hechos/a1111.md 4.2).
    """
    across, down = (
        whole // SIZE_STEP - (whole - wanted) // SIZE_STEP
        for whole, wanted in ((enlarged.width, target.width), (enlarged.height, target.height))
    )
    return Size(across * SIZE_STEP, down * SIZE_STEP)


def cropped_latents(shape: tuple[int, int], enlarged: Size, target: Size) -> tuple[slice, slice]:
    """Rows and columns of latents of ``shape`` (h, w) that remain when ``enlarged`` is cropped to ``target``; the odd
    one goes at the end (hechos/a1111.md 4.2).
    """
    down, across = (enlarged.height - target.height) // SIZE_STEP, (enlarged.width - target.width) // SIZE_STEP
    return slice(down // 2, shape[0] - (down + 1) // 2), slice(across // 2, shape[1] - (across + 1) // 2)
