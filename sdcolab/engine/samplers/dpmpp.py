"""DPM-Solver++ in its multistep and stochastic forms (Lu et al. 2022, arXiv:2211.01095). Formulas: hechos/a1111.md 3.4.

lambda = -ln sigma is time here; h is the length of a step in it.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, SigmaPath, ancestral_step, slope


def sample_dpmpp_2m(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """DPM-Solver++(2M) (algorithm 2): a second-order step from this prediction and the previous one."""
    del noise, options
    previous: Tensor | None = None
    h_last: Tensor | None = None
    for sigma, sigma_next in pairwise(path.sigmas):
        denoised = denoise(x, sigma)
        h = sigma.log() - sigma_next.log()
        target = denoised
        if previous is not None and h_last is not None and sigma_next > 0:
            weight = h / (2 * h_last)
            target = (1 + weight) * denoised - weight * previous
        x = (sigma_next / sigma) * x - (-h).expm1() * target
        previous, h_last = denoised, h
    return x


def sample_dpmpp_sde(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Stochastic DPM-Solver++ with a call in the middle of each step (r = 1/2); Euler where the step ends at 0."""
    brownian = noise.brownian(path.sigma_min, path.sigma_max)
    for sigma, sigma_next in pairwise(path.sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = x + slope(x, sigma, denoised) * (sigma_next - sigma)
            continue
        t, t_next = -sigma.log(), -sigma_next.log()
        # Through the logarithm and back, as upstream: the Brownian path is sensitive to the last bit of its times.
        start, middle, end = (-t).exp(), (-(t + (t_next - t) / 2)).exp(), (-t_next).exp()
        down, up = ancestral_step(start, middle, options.eta)
        halfway = (down / start) * x - (t + down.log()).expm1() * denoised
        halfway = halfway + brownian(float(start), float(middle)) * options.s_noise * up
        denoised = denoise(halfway, middle)
        down, up = ancestral_step(start, end, options.eta)
        x = (down / start) * x - (t + down.log()).expm1() * denoised
        x = x + brownian(float(start), float(end)) * options.s_noise * up
    return x


def sample_dpmpp_2m_sde(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """SDE-DPM-Solver++(2M), midpoint correction."""
    return _dpmpp_2m_sde(denoise, x, path, noise, options, heun=False)


def sample_dpmpp_2m_sde_heun(
    denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions
) -> Tensor:
    """SDE-DPM-Solver++(2M), Heun correction."""
    return _dpmpp_2m_sde(denoise, x, path, noise, options, heun=True)


def _dpmpp_2m_sde(
    denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions, *, heun: bool
) -> Tensor:
    brownian = noise.brownian(path.sigma_min, path.sigma_max)
    previous: Tensor | None = None
    h_last: Tensor | None = None
    for sigma, sigma_next in pairwise(path.sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            continue
        h = sigma.log() - sigma_next.log()
        decay = -h - options.eta * h
        gain = -decay.expm1()
        x = sigma_next / sigma * (-options.eta * h).exp() * x + gain * denoised
        if previous is not None and h_last is not None:
            correction = gain / decay + 1 if heun else 0.5 * gain
            x = x + correction * (h / h_last) * (denoised - previous)
        if options.eta > 0:
            x = x + _sde_noise(brownian(float(sigma), float(sigma_next)), sigma_next, h, options)
        previous, h_last = denoised, h
    return x


def sample_dpmpp_3m_sde(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """SDE-DPM-Solver++ with two previous predictions."""
    brownian = noise.brownian(path.sigma_min, path.sigma_max)
    history: list[tuple[Tensor, Tensor]] = []  # (prediction, the step after it), newest first
    for sigma, sigma_next in pairwise(path.sigmas):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            x = denoised
            continue
        h = sigma.log() - sigma_next.log()
        decay = h * (options.eta + 1)
        x = (-decay).exp() * x - (-decay).expm1() * denoised
        phi_2 = (-decay).expm1() / decay + 1
        if len(history) == 2:
            (first, h_1), (second, h_2) = history
            r_1, r_2 = h_1 / h, h_2 / h
            newer, older = (denoised - first) / r_1, (first - second) / r_2
            d_2 = (newer - older) / (r_1 + r_2)
            x = x + phi_2 * (newer + d_2 * r_1) - (phi_2 / decay - 0.5) * d_2
        elif history:
            ((first, h_1),) = history
            x = x + phi_2 * (denoised - first) / (h_1 / h)
        if options.eta > 0:
            x = x + _sde_noise(brownian(float(sigma), float(sigma_next)), sigma_next, h, options)
        history = [(denoised, h), *history][:2]
    return x


def _sde_noise(increment: Tensor, sigma_next: Tensor, h: Tensor, options: SamplerOptions) -> Tensor:
    return increment * sigma_next * (-(-2 * options.eta * h).expm1()).sqrt() * options.s_noise
