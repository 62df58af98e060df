"""One pass of a sampler over one batch of pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.denoise import Guidance, GuidedDenoiser, Predictor
from sdcolab.engine.features.embeddings import EmbeddingShelf
from sdcolab.engine.features.init_image import InitLatents, KeptPart
from sdcolab.engine.features.refiner import RefinerSwitch
from sdcolab.engine.memory import MemoryPolicy, sliced_attention
from sdcolab.engine.noise import BatchNoise, NoiseSpec, make_generator
from sdcolab.engine.plan import Batch, Pass, sampler_options
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.shelf import Checkpoint, Vae

FRESH_SEED_SHIFT, FRESH_SEEDS = 100_000, 65_536
"""Forge's seed for the noise of what a mask keeps is (seed + shift) modulo this (found from its reference images)."""


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """Models that work now: LoRAs are merged and ``shelf`` has the textual inversions that prompts can use."""

    checkpoint: Checkpoint
    vae: Vae
    shelf: EmbeddingShelf
    table: NoiseTable

    @property
    def inpaints(self) -> bool:
        """Whether the UNet reads a mask and a masked picture beside the latents."""
        config = self.checkpoint.model.unet.config
        return bool(config.in_channels != config.out_channels)

    def predictor(self, conditioning: Conditioning, extra_channels: Tensor | None) -> Predictor:
        """The UNet with ``conditioning``. Only inpainting UNets read ``extra_channels``."""
        model = self.checkpoint.model
        return Predictor(model.unet, conditioning, model.prediction, extra_channels if self.inpaints else None)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a pass over a batch starts from (None: noise), and what an inpainting UNet reads beside the latents."""

    init: InitLatents | None = None
    extra_channels: Tensor | None = None

    def part(self, rows: slice) -> Start:
        """The same for some images of the batch."""
        init, extra = self.init, self.extra_channels
        return Start(init and init.part(rows), extra if extra is None or len(extra) == 1 else extra[rows])


Refine = Callable[[], AbstractContextManager[tuple[Active, Conditioning]]]
"""Makes the refiner work, with the pass's prompts."""
Tell = Callable[[Tensor, int, int], None]
"""Hears of each denoiser call: the image that it predicts [B, C, h, w], and how many of how many calls are done."""


@dataclass(slots=True, eq=False)
class PassSampler:
    """A pass over a batch with everything it needs. ``decoder`` is the VAE for what comes out: the refiner's if it took
    over.
    """

    request: GenerationRequest
    one: Pass
    batch: Batch
    active: Active
    conditioning: Conditioning
    start: Start
    before_call: Callable[[], None]
    tell: Tell
    refine: Refine
    decoder: Vae = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = self.active.vae

    def latents(self, policy: MemoryPolicy) -> Tensor:
        """The latents [B, C, h, w] that come out, in as many runs as memory asks for."""
        size = 1 if self.one.one_by_one else policy.max_batch
        parts = list(self.batch.parts(size))
        with sliced_attention(self.active.checkpoint.model.unet, policy.slice_attention):
            return torch.cat([self._part(part, index, len(parts), policy) for index, part in enumerate(parts)])

    def _part(self, part: Batch, index: int, count: int, policy: MemoryPolicy) -> Tensor:
        """The latents of ``part``, which is run number ``index`` (from 0) of ``count``."""
        tuning, one, active = self.request.tuning, self.one, self.active
        first = part.first - self.batch.first
        start = self.start.part(slice(first, first + len(part.seeds)))
        sampling = one.sampling(active.table)
        calls, done = sampling.expected_calls, 0

        def after_call(image: Tensor) -> None:
            nonlocal done
            done = min(done + 1, calls)  # adaptive samplers may call more often than expected
            self.tell(image, (index * calls + done) // count, calls)

        noise = BatchNoise(self._noise(part), active.checkpoint.model.device)
        fresh = noise.normal()
        init = start.init and start.init.with_content(fresh)
        with ExitStack() as refined:
            denoiser = GuidedDenoiser(
                active.predictor(self.conditioning, start.extra_channels),
                sampling.table,
                Guidance(one.cfg_scale, one.prompt_calls, tuning.skip_early_cfg, tuning.ngms, tuning.ngms_all),
                before_call=self.before_call,
                after_call=after_call,
                blend=self._kept(init, part),
                switch=self._switch(refined, start),
                split=policy.split_guidance,
            )
            if init is not None and self.request.init is not None:
                fresh = fresh * self.request.init.noise_multiplier
            x = sampling.start(
                fresh,
                None if init is None else init.latents,
                sgm_noise_multiplier=tuning.sgm_noise_multiplier,
                extra_noise=tuning.extra_noise,
            )
            samples = sampling.sample(denoiser, x, noise, sampler_options(tuning))
        return samples if init is None else init.blend(samples)

    def _kept(self, init: InitLatents | None, part: Batch) -> KeptPart | None:
        """What a mask keeps, if there is one."""
        if init is None or init.paint is None:
            return None
        if self.request.tuning.classic_inpainting:
            return KeptPart(init, None)
        device, shape = init.latents.device, init.latents.shape[1:]
        # Philox has no part in this: Forge draws from torch, which it seeds like this when it makes the first noise.
        origin = NoiseOrigin.GPU if self.request.noise_origin is NoiseOrigin.GPU else NoiseOrigin.CPU
        seeds = [(seed + FRESH_SEED_SHIFT) % FRESH_SEEDS for seed in part.seeds]
        generators = [make_generator(origin, seed, device) for seed in seeds]
        return KeptPart(init, lambda: torch.stack([one.normal(tuple(shape)) for one in generators]).to(device))

    def _noise(self, part: Batch) -> NoiseSpec:
        variation = self.request.variation
        resize = (variation.resize_height // 8, variation.resize_width // 8) if variation.resizes else None
        return NoiseSpec(
            seeds=part.seeds,
            shape=(self.active.checkpoint.model.unet.config.out_channels, *self.one.size.latent),
            origin=self.request.noise_origin,
            subseeds=part.variation_seeds,
            subseed_strength=variation.strength,
            resize_from=resize,
            eta_seed_delta=self.request.tuning.ensd,
        )

    def _switch(self, refined: ExitStack, start: Start) -> RefinerSwitch | None:
        """Changes to the refiner, which stays until ``refined`` is closed."""
        if self.one.refiner is None:
            return None

        def load() -> Predictor:
            active, conditioning = refined.enter_context(self.refine())
            self.decoder = active.vae
            return active.predictor(conditioning, start.extra_channels)

        return RefinerSwitch(self.one.refiner, self.one.prompt_calls, load)
