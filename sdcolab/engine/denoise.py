"""The model as samplers see it: UNet calls with classifier-free guidance, at any noise level.

Ho & Salimans 2022 (arXiv:2207.12598) equation 6; numerics of hechos/a1111.md 0, 1.6, 1.7, 3.2, 3.5 and 3.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from sdcolab.core.detect import Prediction
from sdcolab.engine.conditioning import Conditioning, Context
from sdcolab.engine.precision import autocast
from sdcolab.engine.samplers.base import NoisePrediction
from sdcolab.engine.schedules import NoiseTable


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A UNet and the prompts encoded for it. ``extra_channels`` [1 or B, k, h, w] go to the UNet beside the latents
    (inpainting models).
    """

    unet: UNet2DConditionModel
    conditioning: Conditioning
    prediction: Prediction = Prediction.EPSILON
    extra_channels: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the prompts pull. In the first ``skip_early`` (0..1) of the ``total_calls``, and below the sigma ``ngms``
    every other call (``ngms_all``: at every call), the negative prompt is not evaluated (hechos/a1111.md 3.7).
    """

    scale: float
    total_calls: int = 0
    skip_early: float = 0.0
    ngms: float = 0.0
    ngms_all: bool = False

    def skips_negative(self, call: int, sigma: float) -> bool:
        """Whether denoiser call number ``call`` (from 0) at noise level ``sigma`` does without the negative prompt."""
        if self.skip_early and self.total_calls and call / self.total_calls <= self.skip_early:
            return True
        return sigma < self.ngms and (self.ngms_all or call % 2 == 1)


class Blend(Protocol):
    """Keeps the part of a picture that must stay (inpainting). Tensors are [B, C, h, w]."""

    def before(self, x: Tensor, sigma: Tensor | None) -> Tensor:
        """``x`` before a call, at signal scale 1 with noise of deviation ``sigma``; at None nothing is known of its
        noise."""
        ...

    def after(self, image: Tensor) -> Tensor:
        """The predicted ``image``."""
        ...

    @property
    def fresh(self) -> bool:
        """Whether what stays is noised afresh before each call."""
        ...


class Switch(Protocol):
    """Changes the model in the middle of a run (refiner)."""

    def due(self, call: int, t: float) -> bool:
        """Whether to change before denoiser call number ``call`` (from 0) at timestep ``t``."""
        ...

    def make(self) -> Predictor:
        """The model to go on with."""
        ...


class GuidedDenoiser:
    """``samplers.base.Denoiser`` for one run of a sampler (it counts its calls)."""

    def __init__(
        self,
        predictor: Predictor,
        table: NoiseTable,
        guidance: Guidance,
        *,
        before_call: Callable[[], None],
        after_call: Callable[[Tensor], None],
        blend: Blend | None = None,
        switch: Switch | None = None,
        split: bool = False,
    ) -> None:
        """``before_call`` runs before each UNet call and may raise to stop. ``after_call`` hears the image that each
        denoiser call predicts, [B, C, h, w]. ``split`` evaluates the prompts in separate UNet calls even when one would
        do, for half the memory.
        """
        self._use(predictor)
        self._table = table
        self._guidance = guidance
        self._before_call = before_call
        self._after_call = after_call
        self._blend = blend
        self._switch = switch
        self._split = split
        self._calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided image in ``x`` (float32 [B, C, h, w]) at ``sigma`` (0-d CPU)."""
        t = self._table.sigma_to_t(sigma)
        self._maybe_switch(float(t))
        if self._blend is not None and self._blend.fresh:
            x = self._blend.before(x, sigma)
        level = sigma**2 + 1
        outputs, negative, scale = self._predict(x / level.sqrt(), t, float(sigma))
        if self._predictor.prediction is Prediction.V:
            *images, base = [x / level - output * (sigma / level.sqrt()) for output in (*outputs, negative)]
        else:
            *images, base = [x - output * sigma for output in (*outputs, negative)]
        image = self._guided(images, base, scale)
        if self._blend is not None:
            image = self._blend.after(image)
        self._after_call(image)
        return image

    def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
        """The guided noise in ``x`` (float32 [B, C, h, w], variance preserving) at timestep ``t``."""
        self._maybe_switch(t)
        sigma = self._table.t_to_sigma(t)
        level = (sigma**2 + 1).sqrt()
        blend = self._blend
        if blend is not None:
            x = blend.before(x * level, sigma) / level if blend.fresh else blend.before(x, None)
        # To A1111 the noise level of these samplers is the timestep, here too.
        outputs, negative, scale = self._predict(x, torch.tensor(float(t)), t)
        if self._predictor.prediction is Prediction.V:
            *noises, base = [output / level + x * (sigma / level) for output in (*outputs, negative)]
        else:
            *noises, base = [*outputs, negative]
        guided = self._guided(noises, base, scale * guidance_factor)
        image = x * level - guided * sigma
        if blend is not None and blend.fresh:
            image = blend.after(image)
            guided = (x * level - image) / sigma
        self._after_call(image)
        return NoisePrediction(guided=guided, uncond=base)

    def _use(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._dtype = next(predictor.unet.parameters()).dtype  # diffusers' own ``dtype`` looks through every tensor

    def _maybe_switch(self, t: float) -> None:
        if self._switch is not None and self._switch.due(self._calls, t):
            switch, self._switch = self._switch, None
            self._use(switch.make())

    def _guided(self, positive: list[Tensor], negative: Tensor, scale: float) -> Tensor:
        parts = zip(self._predictor.conditioning.positive, positive, strict=True)
        return negative + sum((prediction - negative) * (part.weight * scale) for part, prediction in parts)

    def _predict(self, x: Tensor, t: Tensor, level: float) -> tuple[list[Tensor], Tensor, float]:
        """What the UNet says for each part of the prompt and for the negative prompt, and the guidance scale; one UNet
        call when lengths allow. Without negative prompt the first part stands in for it, at scale 1.
        """
        conditioning = self._predictor.conditioning
        positive = equal_lengths([part.at(self._calls) for part in conditioning.positive])
        negative = conditioning.negative.at(self._calls)
        skip = self._guidance.skips_negative(self._calls, level)
        self._calls += 1
        if skip:
            outputs = self._outputs(x, t, positive)
            return outputs, outputs[0], 1.0
        if positive[0].tokens.shape == negative.tokens.shape:
            *outputs, base = self._outputs(x, t, [*positive, negative])
        else:
            outputs, (base,) = self._outputs(x, t, positive), self._outputs(x, t, [negative])
        return outputs, base, self._guidance.scale

    def _outputs(self, x: Tensor, t: Tensor, contexts: list[Context]) -> list[Tensor]:
        if self._split:
            return [self._call(x, t, [context])[0] for context in contexts]
        return self._call(x, t, contexts)

    def _call(self, x: Tensor, t: Tensor, contexts: list[Context]) -> list[Tensor]:
        """One UNet call: ``x`` [B, C, h, w] at timestep ``t`` with each of ``contexts`` of one length."""
        self._before_call()
        unet, extra = self._predictor.unet, self._predictor.extra_channels
        count = len(contexts)
        if extra is not None:
            x = torch.cat([x, extra.expand(len(x), -1, -1, -1)], dim=1)
        # A1111 1.10 rounds the timestep to the UNet's type too (hechos/a1111.md 0).
        timesteps = t.to(x.device, self._dtype).expand(count * len(x))
        with autocast(unet):
            output = unet(
                x.to(self._dtype).repeat(count, 1, 1, 1),
                timesteps,
                self._joined([context.tokens for context in contexts], len(x)),
                added_cond_kwargs=self._joined_added(contexts, len(x)),
                return_dict=False,
            )[0]
        return list(output.float().chunk(count))

    def _joined(self, rows: list[Tensor], images: int) -> Tensor:
        """``rows`` (each [1, ...]), each repeated for every image: [rows * images, ...]."""
        return torch.cat([row.expand(images, *row.shape[1:]) for row in rows]).to(self._dtype)

    def _joined_added(self, contexts: list[Context], images: int) -> Mapping[str, Tensor] | None:
        names = contexts[0].added
        return {name: self._joined([one.added[name] for one in contexts], images) for name in names} or None


def equal_lengths(contexts: list[Context]) -> list[Context]:
    """Contexts of one length: the shorter ones repeat their last token (hechos/a1111.md 1.6)."""
    longest = max(context.tokens.shape[1] for context in contexts)
    return [
        Context(
            torch.cat(
                [context.tokens, context.tokens[:, -1:].expand(-1, longest - context.tokens.shape[1], -1)], dim=1
            ),
            context.added,
        )
        for context in contexts
    ]
