"""The model as samplers see it: UNet calls with classifier-free guidance, at any noise level.

Ho & Salimans 2022 (arXiv:2207.12598) equation 6; numerics of hechos/a1111.md 0, 1.6, 1.7, 3.2, 3.5 and 3.7.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.precision import autocast
from sdcolab.engine.samplers.base import NoisePrediction
from sdcolab.engine.schedules import NoiseTable


class GuidedDenoiser:
    """``samplers.base.Denoiser`` over a noise-predicting UNet, for one run of a sampler (it counts its calls)."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        table: NoiseTable,
        conditioning: Conditioning,
        cfg_scale: float,
        *,
        before_call: Callable[[], None],
        after_call: Callable[[Tensor], None],
        extra_channels: Tensor | None = None,
        split: bool = False,
    ) -> None:
        """``before_call`` runs before each UNet call and may raise to stop. ``after_call`` hears the image that each
        denoiser call predicts, [B, C, h, w]. ``extra_channels`` [1, k, h, w] go to the UNet beside the latents
        (inpainting models). ``split`` evaluates the prompts in separate UNet calls even when one would do, for half the
        memory.
        """
        self._unet = unet
        self._dtype = next(unet.parameters()).dtype  # diffusers' own ``dtype`` looks through every tensor each time
        self._table = table
        self._conditioning = conditioning
        self._cfg_scale = cfg_scale
        self._before_call = before_call
        self._after_call = after_call
        self._extra_channels = extra_channels
        self._split = split
        self._calls = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided image in ``x`` (float32 [B, C, h, w]) at ``sigma`` (0-d CPU)."""
        noises = self._predict(x / (sigma**2 + 1).sqrt(), self._table.sigma_to_t(sigma))
        *positive, negative = [x - noise * sigma for noise in noises]
        image = self._guided(positive, negative, self._cfg_scale)
        self._after_call(image)
        return image

    def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
        """The guided noise in ``x`` (float32 [B, C, h, w], variance preserving) at timestep ``t``."""
        *positive, negative = self._predict(x, torch.tensor(float(t)))
        guided = self._guided(positive, negative, self._cfg_scale * guidance_factor)
        sigma = self._table.t_to_sigma(t)
        self._after_call(x * (sigma**2 + 1).sqrt() - guided * sigma)
        return NoisePrediction(guided=guided, uncond=negative)

    def _guided(self, positive: list[Tensor], negative: Tensor, scale: float) -> Tensor:
        parts = zip(self._conditioning.positive, positive, strict=True)
        return negative + sum((prediction - negative) * (part.weight * scale) for part, prediction in parts)

    def _predict(self, x: Tensor, t: Tensor) -> list[Tensor]:
        """Predicted noise for each part of the prompt and, last, for the negative prompt; one UNet call when lengths
        allow.
        """
        contexts = equal_lengths([part.at(self._calls) for part in self._conditioning.positive])
        contexts.append(self._conditioning.negative.at(self._calls))
        self._calls += 1
        if self._split:
            return [self._call(x, t, [context])[0] for context in contexts]
        if contexts[0].shape == contexts[-1].shape:
            return self._call(x, t, contexts)
        return self._call(x, t, contexts[:-1]) + self._call(x, t, contexts[-1:])

    def _call(self, x: Tensor, t: Tensor, contexts: list[Tensor]) -> list[Tensor]:
        """One UNet call: ``x`` [B, C, h, w] at timestep ``t`` with each of ``contexts`` (all [1, tokens, C])."""
        self._before_call()
        count = len(contexts)
        if self._extra_channels is not None:
            x = torch.cat([x, self._extra_channels.expand(len(x), -1, -1, -1)], dim=1)
        context = torch.cat([context.expand(len(x), -1, -1) for context in contexts]).to(self._dtype)
        timesteps = t.to(x.device).expand(count * len(x))  # float32: t is fractional, and float16 would round it
        with autocast(self._unet):
            noise = self._unet(x.to(self._dtype).repeat(count, 1, 1, 1), timesteps, context, return_dict=False)[0]
        return list(noise.float().chunk(count))


def equal_lengths(contexts: list[Tensor]) -> list[Tensor]:
    """Contexts [1, tokens, C] of one length: the shorter ones repeat their last token (hechos/a1111.md 1.6)."""
    longest = max(context.shape[1] for context in contexts)
    return [
        torch.cat([context, context[:, -1:].expand(-1, longest - context.shape[1], -1)], dim=1) for context in contexts
    ]
