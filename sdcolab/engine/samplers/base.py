"""What samplers are made of: the protocols they call, their options, and the path of noise levels that they walk.

Two families (hechos/a1111.md 3.4 and 3.5). Sigma samplers hold x at signal scale 1 with noise of standard deviation
sigma ("variance exploding") and ask for denoised images. Timestep samplers hold x = sqrt(abar) * image + sqrt(1 - abar)
* noise ("variance preserving") and ask for predicted noise. Both start from pure noise and end at an image.

Scalars of a step are 0-dimensional float32 CPU tensors: float32 as in A1111, and never a wait for the GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from sdcolab.core.tuning import UniPCSkipType, UniPCVariant
from sdcolab.engine.schedules import NoiseTable


@dataclass(frozen=True, slots=True)
class NoisePrediction:
    """Predicted noise, each float32 [B, C, h, w]: ``guided`` after CFG, ``uncond`` of the negative prompt alone."""

    guided: Tensor
    uncond: Tensor


class Denoiser(Protocol):
    """The model with its prompts and guidance, as samplers see it. It may raise to stop sampling."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The image that guidance predicts in ``x``, both float32 [B, C, h, w] at signal scale 1.

        ``sigma``: 0-d float32 CPU tensor > 0. The model runs at ``x / sqrt(sigma^2 + 1)`` and
        ``path.table.sigma_to_t(sigma)``.
        """
        ...

    def epsilon(self, x: Tensor, t: float, guidance_factor: float = 1.0) -> NoisePrediction:
        """The noise predicted in ``x`` (float32 [B, C, h, w], variance preserving).

        ``t``: timestep 0..999, may be fractional. ``guidance_factor`` multiplies the CFG scale.
        """
        ...


class Noise(Protocol):
    """Random numbers of a batch: each image draws from its own seed, so it does not depend on its batch."""

    def normal(self) -> Tensor:
        """The next fresh draw of every image, standard normal, float32 [B, C, h, w]."""
        ...

    def brownian(self, sigma_min: float, sigma_max: float) -> Callable[[float, float], Tensor]:
        """A Brownian path per image over [sigma_min, sigma_max].

        The result maps (sigma, sigma_next) to its increment between them divided by sqrt(|sigma - sigma_next|).
        """
        ...


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """Numbers a request may change (hechos/a1111.md 3.1); a sampler ignores those that A1111 does not hand to it.

    ``eta``: strength of ancestral noise, also for DPM fast, DPM adaptive and the SDE family; ``eta_ddim`` for DDIM and
    DDIM CFG++; ``tcd_gamma``, 0..1, for TCD. ``s_churn``, ``s_tmin``, ``s_tmax``: Euler, Heun, DPM2. ``s_noise``: those
    and most that add noise, but not Euler a.
    """

    eta: float = 1.0
    eta_ddim: float = 0.0
    tcd_gamma: float = 0.3
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0
    unipc_order: int = 3
    unipc_variant: UniPCVariant = UniPCVariant.BH1
    unipc_skip_type: UniPCSkipType = UniPCSkipType.TIME_UNIFORM
    unipc_lower_order_final: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class SigmaPath:
    """Noise levels for a sigma sampler.

    ``sigmas``: float32 CPU [n + 1], falling, normally ending in 0. ``sigma_min``/``sigma_max``: the range of the
    Brownian path, or where DPM fast and DPM adaptive end and start; ``steps``: how many model calls DPM fast makes. The
    denoiser must translate sigma to timestep with ``table``.
    """

    sigmas: Tensor
    steps: int
    sigma_min: float
    sigma_max: float
    table: NoiseTable

    def start(
        self, noise: Tensor, init: Tensor | None = None, *, sgm_noise_multiplier: bool = False, extra_noise: float = 0.0
    ) -> Tensor:
        """The first x, from unit ``noise`` and (img2img, hires) the ``init`` latents (hechos/a1111.md 2.5).

        ``sgm_noise_multiplier`` is for txt2img, ``extra_noise`` for img2img.
        """
        sigma = self.sigmas[0]
        if init is None:
            return noise * (1 + sigma**2).sqrt() if sgm_noise_multiplier else noise * sigma
        return init + noise * sigma + noise * extra_noise


@dataclass(frozen=True, slots=True, eq=False)
class TimestepPath:
    """Timesteps for a timestep sampler.

    ``timesteps``: int64 CPU, rising, walked from the last to the first. ``start_timestep``: the noise level of
    img2img's start, None in txt2img, which starts from pure noise.
    """

    timesteps: Tensor
    start_timestep: int | None
    table: NoiseTable

    def start(
        self, noise: Tensor, init: Tensor | None = None, *, sgm_noise_multiplier: bool = False, extra_noise: float = 0.0
    ) -> Tensor:
        """As ``SigmaPath.start``; the SGM multiplier means nothing here."""
        del sgm_noise_multiplier
        if init is None or self.start_timestep is None:
            return noise
        alpha = self.table.alphas_cumprod[self.start_timestep]
        return init * alpha.sqrt() + noise * (1 - alpha).sqrt() + noise * (extra_noise * alpha.sqrt())


P = TypeVar("P", SigmaPath, TimestepPath)

SamplerFunction = Callable[[Denoiser, Tensor, P, Noise, SamplerOptions], Tensor]
"""(denoise, x, path, noise, options) -> the final x, free of noise or nearly. x is float32 [B, C, h, w]."""


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """dx/dsigma of the probability flow (Karras et al. 2022, arXiv:2206.00364, equations 1 and 3)."""
    return (x - denoised) / sigma


def ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(level to go down to, deviation of the noise to add then): the sum of their squares is sigma_next^2."""
    if eta == 0:
        return sigma_next, torch.zeros(())
    up = torch.minimum(sigma_next, eta * (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2).sqrt())
    return (sigma_next**2 - up**2).sqrt(), up
