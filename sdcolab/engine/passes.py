"""One pass of a sampler over one batch of pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sdcolab.engine.at_work import AtWork, predictor
from sdcolab.engine.calls import Predictor, Round
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.denoise import GuidedDenoiser
from sdcolab.engine.feature import Active, Feature, Opening, Start
from sdcolab.engine.memory import MemoryPolicy, sliced_attention
from sdcolab.engine.noise import BatchNoise, NoiseSpec
from sdcolab.engine.plan import Batch, Pass, sampler_options
from sdcolab.engine.shelf import Vae

Tell = Callable[[Tensor, int, int], None]
"""Hears of each denoiser call: the image that it predicts [B, C, h, w], and how many of how many calls are done."""


@dataclass(slots=True, eq=False)
class PassSampler:
    """A pass over a batch with everything it needs. ``decoder`` is the VAE for what comes out: that of the model which
    worked last.
    """

    active: Active
    batch: Batch
    conditioning: Conditioning
    start: Start
    features: Sequence[Feature]
    work: AtWork
    before_call: Callable[[], None]
    tell: Tell
    decoder: Vae = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = self.active.vae

    def latents(self, policy: MemoryPolicy) -> Tensor:
        """The latents [B, C, h, w] that come out, in as many rounds as memory asks for."""
        size = 1 if self.active.one.one_by_one else policy.max_batch
        parts = [part for alike in self._alike() for part in alike.parts(size)]
        with sliced_attention(self.active.checkpoint.model.unet, policy.slice_attention):
            return torch.cat([self._part(part, index, len(parts), policy) for index, part in enumerate(parts)])

    def _alike(self) -> Iterator[Batch]:
        """The batch in runs of pictures whose prompts a UNet can read together."""
        own, at = self.conditioning.own, 0
        if not own:
            yield self.batch
        for _, alike in itertools.groupby(own, key=lambda one: one.shape):
            count = len(list(alike))
            yield self.batch.of(slice(at, at + count))
            at += count

    def _part(self, part: Batch, index: int, count: int, policy: MemoryPolicy) -> Tensor:
        """The latents of ``part``, which is round number ``index`` (from 0) of ``count``."""
        one, active, tuning = self.active.one, self.active, self.active.bench.request.tuning
        first = part.first - self.batch.first
        rows = slice(first, first + len(part.seeds))
        start, conditioning = self.start.part(rows), self.conditioning.of(rows)
        sampling = one.sampling(active.table)
        of = Round(one, part, sampling.expected_calls, start.crops)
        calls, done = sampling.expected_calls + one.calls_before, 0

        def after_call(image: Tensor) -> None:
            nonlocal done
            done = min(done + 1, calls)  # adaptive samplers may call more often than expected
            self.tell(image, (index * calls + done) // count, calls)

        noise = BatchNoise(self._noise(part), active.checkpoint.model.device)
        opening = Opening(
            of, noise.normal(), start.init, lambda other: self._lent(other, of, rows, start, policy, after_call)
        )
        for feature in self.features:
            opening = feature.begin(opening)
        done = one.calls_before
        with ExitStack() as borrowed:
            denoiser = GuidedDenoiser(
                predictor(active, conditioning, start.extra_channels),
                sampling.table,
                of,
                before_call=self.before_call,
                after_call=after_call,
                features=self.features,
                borrow=lambda name: self._borrowed(name, rows, start, borrowed),
                split=policy.split_guidance,
            )
            x = sampling.start(
                opening.noise,
                opening.init,
                sgm_noise_multiplier=tuning.sgm_noise_multiplier,
                extra_noise=tuning.extra_noise,
            )
            samples = sampling.sample(denoiser, x, noise, sampler_options(tuning))
        for feature in self.features:
            samples = feature.end(samples, of)
        return samples

    def _lent(
        self,
        other: Pass,
        of: Round,
        rows: slice,
        start: Start,
        policy: MemoryPolicy,
        after_call: Callable[[Tensor], None],
    ) -> GuidedDenoiser:
        """The model at work as the pass ``other`` says, without the features."""
        conditioning = self.work.conditioning(replace(self.active, one=other)).of(rows)
        return GuidedDenoiser(
            predictor(self.active, conditioning, start.extra_channels),
            self.active.table,
            replace(of, one=other),
            before_call=self.before_call,
            after_call=after_call,
            split=policy.split_guidance,
        )

    def _noise(self, part: Batch) -> NoiseSpec:
        active, request = self.active, self.active.bench.request
        variation = request.variation
        resize = (variation.resize_height // 8, variation.resize_width // 8) if variation.resizes else None
        return NoiseSpec(
            seeds=part.seeds,
            shape=(active.checkpoint.model.unet.config.out_channels, *active.one.size.latent),
            origin=request.noise_origin,
            subseeds=part.variation_seeds,
            subseed_strength=variation.strength,
            resize_from=resize,
            eta_seed_delta=request.tuning.ensd,
        )

    def _borrowed(self, name: str, rows: slice, start: Start, until: ExitStack) -> Predictor:
        """Another checkpoint with the pass's prompts, at work ``until`` the round ends."""
        active = until.enter_context(self.work.working(name, self.active.one, helps=self.active.checkpoint))
        self.decoder = active.vae
        return predictor(active, self.work.conditioning(active).of(rows), start.extra_channels)
