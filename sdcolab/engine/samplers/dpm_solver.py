"""DPM-Solver with a fixed number of model calls ("DPM fast") and with adaptive steps.

Lu et al. 2022 (arXiv:2206.00927). Time is t = -ln sigma here, so it rises while noise falls. A1111's settings:
hechos/a1111.md 3.4.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, SigmaPath, ancestral_step, slope


def _eps(denoise: Denoiser, x: Tensor, t: Tensor) -> Tensor:
    sigma = (-t).exp()
    return slope(x, sigma, denoise(x, sigma))


def _first_order(x: Tensor, t_next: Tensor, h: Tensor, eps: Tensor) -> Tensor:
    """DPM-Solver-1 (equation 3.7): also how the inner points of higher orders are reached."""
    return x - (-t_next).exp() * h.expm1() * eps


def _second_order(x: Tensor, t_next: Tensor, h: Tensor, eps: Tensor, eps_1: Tensor, r_1: float) -> Tensor:
    """DPM-Solver-2, given the noise ``eps_1`` predicted at t + r_1 h."""
    return _first_order(x, t_next, h, eps) - (-t_next).exp() / (2 * r_1) * h.expm1() * (eps_1 - eps)


def _third_order(denoise: Denoiser, x: Tensor, t: Tensor, t_next: Tensor, eps: Tensor, eps_1: Tensor) -> Tensor:
    """DPM-Solver-3 with r_1 = 1/3 and r_2 = 2/3, given the noise ``eps_1`` predicted at t + h/3."""
    r_1, r_2 = 1 / 3, 2 / 3
    h = t_next - t
    s_2, h_2 = t + r_2 * h, r_2 * h
    inner = _first_order(x, s_2, h_2, eps) - (-s_2).exp() * (r_2 / r_1) * (h_2.expm1() / h_2 - 1) * (eps_1 - eps)
    eps_2 = _eps(denoise, inner, s_2)
    return _first_order(x, t_next, h, eps) - (-t_next).exp() / r_2 * (h.expm1() / h - 1) * (eps_2 - eps)


def _inner_eps(denoise: Denoiser, x: Tensor, t: Tensor, t_next: Tensor, eps: Tensor, r: float) -> Tensor:
    """The noise predicted at t + r h, reached by a first-order step."""
    h = t_next - t
    return _eps(denoise, _first_order(x, t + r * h, r * h, eps), t + r * h)


def _step(denoise: Denoiser, x: Tensor, t: Tensor, t_next: Tensor, order: int) -> Tensor:
    eps = _eps(denoise, x, t)
    if order == 1:
        return _first_order(x, t_next, t_next - t, eps)
    if order == 2:
        return _second_order(x, t_next, t_next - t, eps, _inner_eps(denoise, x, t, t_next, eps, 0.5), 0.5)
    return _third_order(denoise, x, t, t_next, eps, _inner_eps(denoise, x, t, t_next, eps, 1 / 3))


def _ancestral(t: Tensor, t_next: Tensor, t_end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(time to step to, at most ``t_end``; standard deviation of the noise that brings back to ``t_next``)."""
    if eta == 0:
        return t_next, torch.zeros(())
    down, _ = ancestral_step((-t).exp(), (-t_next).exp(), eta)
    t_down = torch.minimum(t_end, -down.log())
    return t_down, ((-2 * t_next).exp() - (-2 * t_down).exp()).clamp(min=0).sqrt()


def fast_orders(calls: int) -> list[int]:
    """Orders of steps that together take ``calls`` >= 1 model calls: threes, then what is left."""
    threes = calls // 3
    if calls % 3:
        return [3] * threes + [calls % 3]
    return [3] * (threes - 1) + [2, 1]


def sample_dpm_fast(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """``path.steps`` model calls from the highest to the lowest sigma; it stays there, without a last denoising."""
    orders = fast_orders(path.steps)
    times = torch.linspace(-math.log(path.sigma_max), -math.log(path.sigma_min), len(orders) + 1)
    for order, (t, t_next) in zip(orders, pairwise(times), strict=True):
        t_down, up = _ancestral(t, t_next, times[-1], options.eta)
        x = _step(denoise, x, t, t_down, order)
        if options.eta > 0:
            x = x + up * options.s_noise * noise.normal()
    return x


RELATIVE_TOLERANCE = 0.05
ABSOLUTE_TOLERANCE = 0.0078
FIRST_STEP = 0.05
ACCEPT_FACTOR = 0.81


def sample_dpm_adaptive(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Steps of order 3 whose length keeps the difference from order 2 within tolerance, whatever their number.

    The error is measured over the whole batch, so an image depends on its batch (upstream's way).
    """
    t, t_end = torch.tensor(-math.log(path.sigma_max)), torch.tensor(-math.log(path.sigma_min))
    h, order = FIRST_STEP, 1.5 if options.eta > 0 else 3.0
    previous = x
    while t < t_end - 1e-5:
        t_next = torch.minimum(t_end, t + h)
        t_down, up = _ancestral(t, t_next, t_end, options.eta)
        eps = _eps(denoise, x, t)
        eps_1 = _inner_eps(denoise, x, t, t_down, eps, 1 / 3)
        low = _second_order(x, t_down, t_down - t, eps, eps_1, 1 / 3)
        high = _third_order(denoise, x, t, t_down, eps, eps_1)
        allowed = (RELATIVE_TOLERANCE * torch.maximum(low.abs(), previous.abs())).clamp(min=ABSOLUTE_TOLERANCE)
        error = float(((low - high) / allowed).square().mean().sqrt())
        # An integral controller whose factor is softly limited to (0.21, 2.57).
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / order) - 1)
        h *= factor
        if factor >= ACCEPT_FACTOR:
            previous, x, t = low, high, t_next
            if options.eta > 0:
                x = x + up * options.s_noise * noise.normal()
    return x
