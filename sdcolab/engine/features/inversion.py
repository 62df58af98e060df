"""Starting from the noise that a picture might have come from: Euler's steps of the probability flow, walked backwards
(Song et al. 2021, arXiv:2011.13456, section 4.3; A1111's "img2img alternative test", hechos/a1111.md 9.6).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sdcolab.core.inversion import Inversion
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.feature import Active, Feature, Opening, Start
from sdcolab.engine.plan import Batch, GenerationPlan
from sdcolab.engine.samplers.base import slope
from sdcolab.engine.schedules import AUTOMATIC, NoiseTable, build_sigmas

Image = Callable[[Tensor, Tensor], Tensor]
"""(x, sigma) -> the guided image in x at sigma."""


@dataclass(eq=False)
class Remembered:
    """The last noise that was found with a checkpoint: other prompts for the same picture begin with it at once."""

    asked: object = None
    latents: Tensor | None = None
    noise: Tensor | None = None

    def of(self, asked: object, latents: Tensor) -> bool:
        """Whether it is that of these ``latents``, looked for in the same way."""
        mine = self.latents
        return asked == self.asked and mine is not None and mine.shape == latents.shape and torch.equal(mine, latents)


class FromItsNoise(Feature):
    """The first pass begins with the noise of its initial pictures."""

    def __init__(self, request: GenerationRequest, inversion: Inversion, tags: object) -> None:
        self._inversion = inversion
        self._asked = (inversion, tags, request.tuning, request.freeu, request.clip_skip)
        self._table: NoiseTable | None = None
        self._remembered = Remembered()

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        request = asked.request
        return cls(request, request.inversion, asked.tags) if request.inversion and request.init else None

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """The way back comes before the first step."""
        first, *others = plan.passes
        return replace(plan, passes=(replace(first, calls_before=self._inversion.steps), *others))

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        del batch
        self._table = active.table
        self._remembered = active.checkpoint.kept.of(Remembered, Remembered)
        return start

    def begin(self, opening: Opening) -> Opening:
        """That noise, mixed with random one, in the place of what img2img adds to the picture."""
        init, table = opening.init, self._table
        if opening.round.one.number or init is None or table is None:
            return opening
        noise = mixed(self._noise(opening, init, table), opening.noise, self._inversion.randomness)
        return replace(opening, noise=noise - init / table.sigma_max)

    def _noise(self, opening: Opening, init: Tensor, table: NoiseTable) -> Tensor:
        known, how = self._remembered, self._inversion
        if known.noise is not None and known.of(self._asked, init):
            return known.noise
        back = replace(
            opening.round.one,
            prompt=how.prompt,
            negative_prompt=how.negative_prompt,
            cfg_scale=how.cfg_scale,
            steps=how.steps,
        )
        image = opening.lend(back)
        sigmas = build_sigmas(AUTOMATIC, how.steps, table).flip(0)
        walked = adjusted_inverse if how.sigma_adjustment else inverse
        known.asked, known.latents, known.noise = self._asked, init, walked(image, init, sigmas)
        return known.noise


def inverse(image: Image, x: Tensor, sigmas: Tensor) -> Tensor:
    """The noise of the latents ``x`` [B, C, h, w], brought to deviation 1. ``sigmas`` rise from 0; each step reads the
    model at the level that it goes to.
    """
    for before, sigma in itertools.pairwise(sigmas):
        x = x + slope(x, sigma, image(x, sigma)) * (sigma - before)
    return x / x.std()


def adjusted_inverse(image: Image, x: Tensor, sigmas: Tensor) -> Tensor:
    """The same, each step reading the model at the level that it comes from; from 0 there is nothing to read. The
    result is divided by the last level, not brought to deviation 1.
    """
    for before, sigma in itertools.pairwise(sigmas[1:]):
        x = x + slope(x, before, image(x, before)) * (sigma - before)
    return x / sigmas[-1]


def mixed(noise: Tensor, random: Tensor, share: float) -> Tensor:
    """``share`` 0..1 of ``random`` noise in ``noise``, with the deviation that both have."""
    return ((1 - share) * noise + share * random) / (share**2 + (1 - share) ** 2) ** 0.5
