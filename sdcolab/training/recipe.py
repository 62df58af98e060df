"""One training step in formulas: noise, target and loss. Pure functions over tensors.

Latents are [B, C, h, w] in the UNet's scale; timesteps are integers [B] in 0..999; ``abar`` [1000] is the product of 1
- beta (Ho et al. 2020, arXiv:2006.11239). Which options trainers have: hechos/extensiones.md 11, "Training step".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sdcolab.engine.schedules import rescale_zero_terminal_snr, stable_diffusion_alphas_cumprod
from sdcolab.training.plan import TrainingPlan

TIMESTEPS = 1000
MAX_SNR = 1000.0
"""Above it the debiased and v-scaled weights do not follow the ratio any more."""
_LEAST_SNR = 1e-6
"""In place of a ratio of zero, which nothing may be divided by."""
_PYRAMID_STEP = (2.0, 4.0)


def noise_levels(*, zero_terminal_snr: bool = False) -> Tensor:
    """``abar`` [1000], float32, of Stable Diffusion's schedule; with ``zero_terminal_snr`` rescaled so that the last
    step is pure noise (Lin et al. 2024, arXiv:2305.08891, algorithm 1).
    """
    abar = stable_diffusion_alphas_cumprod()
    if zero_terminal_snr:
        abar = rescale_zero_terminal_snr(abar)
        abar[-1] = 0.0  # samplers need a finite sigma there; training does not
    return abar


# --- Noise ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoiseRules:
    """What is added to plain normal noise.

    ``offset`` shifts whole channels (Guttenberg 2023, "Diffusion with offset noise"), ``adaptive`` times the mean of
    the latents more; ``pyramid_levels`` of ever coarser noise are added, each ``pyramid_discount`` of the one before
    (Whitaker 2023);
    ``input_gamma`` disturbs the noise that the UNet sees, not the one that it must find (Ning et al. 2023,
    arXiv:2301.11706).
    """

    offset: float = 0.0
    offset_random: bool = False
    adaptive: float = 0.0
    pyramid_levels: int = 0
    pyramid_discount: float = 0.3
    input_gamma: float = 0.0
    input_gamma_random: bool = False

    @classmethod
    def of(cls, plan: TrainingPlan) -> NoiseRules:
        """Those of a plan."""
        return cls(
            plan.noise_offset or 0.0,
            plan.noise_offset_random_strength,
            plan.adaptive_noise_scale or 0.0,
            plan.multires_noise_iterations or 0,
            plan.multires_noise_discount,
            plan.ip_noise_gamma or 0.0,
            plan.ip_noise_gamma_random_strength,
        )


def draw_noise(latents: Tensor, rules: NoiseRules, generator: torch.Generator) -> Tensor:
    """Noise for ``latents``, drawn on the generator's device."""
    noise = _normal(latents.shape, generator).to(latents.device)
    if rules.offset:
        strength = rules.offset * (_uniform(generator) if rules.offset_random else 1.0)
        shift = _normal((*latents.shape[:2], 1, 1), generator).to(latents.device)
        noise = offset_noise(noise, latents, shift, strength, rules.adaptive)
    if rules.pyramid_levels:
        noise = pyramid_noise(noise, rules.pyramid_levels, rules.pyramid_discount, generator)
    return noise


def offset_noise(noise: Tensor, latents: Tensor, shift: Tensor, strength: float, adaptive: float = 0.0) -> Tensor:
    """``noise`` with each channel shifted by ``shift`` [B, C, 1, 1] times ``strength`` plus ``adaptive`` times |mean
    of the channel's latents|.
    """
    scale: Tensor | float = strength
    if adaptive:
        scale = (strength + adaptive * latents.mean(dim=(2, 3), keepdim=True).abs()).clamp(min=0)
    return noise + scale * shift


def pyramid_noise(noise: Tensor, levels: int, discount: float, generator: torch.Generator) -> Tensor:
    """``noise`` plus coarser and coarser noise, brought back to a deviation of 1."""
    height, width = noise.shape[-2:]
    low, high = _PYRAMID_STEP
    total = noise
    for level in range(levels):
        ratio = (low + (high - low) * _uniform(generator)) ** level
        small = max(1, int(height / ratio)), max(1, int(width / ratio))
        coarse = _normal((*noise.shape[:2], *small), generator).to(noise.device)
        total = total + functional.interpolate(coarse, size=(height, width), mode="bilinear") * discount**level
        if 1 in small:
            break
    return total / total.std()


def noisy(latents: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """sqrt(abar) latents + sqrt(1 - abar) noise, with ``abar`` [B] of each sample's timestep (Ho et al. 2020, eq.
    4).
    """
    signal = abar.view(-1, 1, 1, 1).to(latents)
    return signal.sqrt() * latents + (1 - signal).sqrt() * noise


def target_of(latents: Tensor, noise: Tensor, abar: Tensor, *, v: bool) -> Tensor:
    """What the UNet must answer: the noise, or v = sqrt(abar) noise - sqrt(1 - abar) latents (Salimans & Ho 2022,
    arXiv:2202.00512, appendix D).
    """
    if not v:
        return noise
    signal = abar.view(-1, 1, 1, 1).to(latents)
    return signal.sqrt() * noise - (1 - signal).sqrt() * latents


def draw_timesteps(count: int, plan: TrainingPlan, generator: torch.Generator) -> Tensor:
    """Timesteps [count], uniform between the plan's bounds."""
    low, high = plan.min_timestep or 0, plan.max_timestep or TIMESTEPS
    return torch.randint(low, high, (count,), generator=generator)


def _normal(shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(tuple(shape), generator=generator, device=generator.device)


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, device=generator.device))


def input_noise(noise: Tensor, rules: NoiseRules, generator: torch.Generator) -> Tensor:
    """The noise that the UNet sees, where it is another than the one that it must find."""
    if not rules.input_gamma:
        return noise
    strength = rules.input_gamma * (_uniform(generator) if rules.input_gamma_random else 1.0)
    return noise + strength * _normal(noise.shape, generator).to(noise.device)


# --- Loss -------------------------------------------------------------------------------------------------------------


def signal_to_noise(abar: Tensor) -> Tensor:
    """abar / (1 - abar)."""
    return abar / (1 - abar)


def min_snr_weight(abar: Tensor, gamma: float, *, v: bool) -> Tensor:
    """min(SNR, gamma) / SNR for noise, / (SNR + 1) for v (Hang et al. 2023, arXiv:2303.09556, section 3.4).

    Where nothing is left of the signal the limit counts: 1 for noise and 0 for v.
    """
    snr = signal_to_noise(abar)
    capped = snr.clamp(max=gamma)
    if v:
        return capped / (snr + 1)
    return torch.where(snr > 0, capped / snr.clamp(min=torch.finfo(snr.dtype).tiny), torch.ones_like(snr))


def debiased_weight(abar: Tensor, *, v: bool) -> Tensor:
    """1 / sqrt(SNR) for noise (Yu et al. 2023, arXiv:2310.08442), 1 / (SNR + 1) for v; SNR at most ``MAX_SNR``."""
    snr = signal_to_noise(abar).clamp(max=MAX_SNR)
    return 1 / (snr + 1) if v else 1 / snr.clamp(min=_LEAST_SNR).sqrt()


def v_scale(abar: Tensor) -> Tensor:
    """SNR / (SNR + 1): brings a loss of v to the size of one of noise."""
    snr = signal_to_noise(abar).clamp(max=MAX_SNR)
    return snr.clamp(min=_LEAST_SNR) / (snr + 1)


def huber_threshold(timesteps: Tensor, abar: Tensor, schedule: str, c: float, scale: float) -> Tensor:
    """Where the loss turns from square to straight, for each sample: the same everywhere ("constant"), falling with the
    timestep ("exponential") or with the noise ("snr") (Khrapov et al. 2024, arXiv:2403.16728).
    """
    if schedule == "constant":
        return torch.full_like(abar, c * scale)
    if schedule == "exponential":
        return torch.exp(math.log(c) / TIMESTEPS * timesteps) * scale
    sigma = ((1 - abar) / abar).sqrt()
    return (1 - c) / (1 + sigma) ** 2 + c


def elementwise_loss(prediction: Tensor, target: Tensor, kind: str, threshold: Tensor | float = 1.0) -> Tensor:
    """Loss of each element: square, absolute, pseudo-Huber 2 c (sqrt(d² + c²) - c) or smooth 2 (sqrt(d² + c²) - c)."""
    difference = prediction - target
    if kind == "l2":
        return difference**2
    if kind == "l1":
        return difference.abs()
    c = threshold.view(-1, *[1] * (difference.dim() - 1)) if isinstance(threshold, Tensor) else threshold
    smooth = 2 * ((difference**2 + c**2) ** 0.5 - c)
    return c * smooth if kind == "huber" else smooth


def loss_of(
    prediction: Tensor,
    target: Tensor,
    timesteps: Tensor,
    abar: Tensor,
    plan: TrainingPlan,
    *,
    v: bool,
    weights: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """The batch's loss, a number: the mean over each sample, times its weights, then the mean of the samples.

    ``abar`` [B] and ``weights`` [B] belong to the samples; ``mask`` [B, 1, h, w] in 0..1 tells where the loss counts.
    """
    threshold = huber_threshold(timesteps, abar, plan.huber_schedule, plan.huber_c, plan.huber_scale)
    losses = elementwise_loss(prediction.float(), target.float(), plan.loss_type, threshold)
    if mask is not None:
        losses = losses * mask
    each = losses.mean(dim=(1, 2, 3)) * weights
    if plan.min_snr_gamma:
        each = each * min_snr_weight(abar, plan.min_snr_gamma, v=v)
    if plan.scale_v_pred_loss_like_noise_pred and v:
        each = each * v_scale(abar)
    if plan.v_pred_like_loss:
        each = each + each / v_scale(abar) * plan.v_pred_like_loss
    if plan.debiased_estimation_loss:
        each = each * debiased_weight(abar, v=v)
    return each.mean()
