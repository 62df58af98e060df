"""Samplers that remove more noise than a step needs and add fresh noise: the "a" samplers, LCM, TCD and Restart.

Formulas: hechos/a1111.md 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, SigmaPath, ancestral_step, slope
from sdcolab.engine.samplers.ode import midpoint_step
from sdcolab.engine.schedules import karras_sigmas


def sample_euler_ancestral(
    denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions
) -> Tensor:
    """Euler with ancestral noise; it has no ``s_noise``."""
    for sigma, sigma_next in pairwise(path.sigmas):
        down, up = ancestral_step(sigma, sigma_next, options.eta)
        x = x + slope(x, sigma, denoise(x, sigma)) * (down - sigma)
        if sigma_next > 0:
            x = x + noise.normal() * up
    return x


def sample_ddpm(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Denoising diffusion (Ho et al. 2020, arXiv:2006.11239, algorithm 2) between any two levels. At signal scale 1 its
    mean is a step of Euler's to sigma_next^2 / sigma and its variance that of ancestral noise: Euler a with eta 1.
    """
    return sample_euler_ancestral(denoise, x, path, noise, replace(options, eta=1.0))


def sample_dpm_2_ancestral(
    denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions
) -> Tensor:
    """DPM2 with ancestral noise."""
    for sigma, sigma_next in pairwise(path.sigmas):
        down, up = ancestral_step(sigma, sigma_next, options.eta)
        x = midpoint_step(denoise, x, sigma, down)
        if down > 0:
            x = x + noise.normal() * options.s_noise * up
    return x


def sample_dpmpp_2s_ancestral(
    denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions
) -> Tensor:
    """DPM-Solver++(2S) (Lu et al. 2022, arXiv:2211.01095, algorithm 1 with r = 1/2) with ancestral noise."""
    for sigma, sigma_next in pairwise(path.sigmas):
        down, up = ancestral_step(sigma, sigma_next, options.eta)
        denoised = denoise(x, sigma)
        if down > 0:
            t, t_next = -sigma.log(), -down.log()
            h = t_next - t
            middle = (-(t + h / 2)).exp()
            halfway = (middle / (-t).exp()) * x - (-h / 2).expm1() * denoised
            x = ((-t_next).exp() / (-t).exp()) * x - (-h).expm1() * denoise(halfway, middle)
        else:
            x = x + slope(x, sigma, denoised) * (down - sigma)
        if sigma_next > 0:
            x = x + noise.normal() * options.s_noise * up
    return x


def sample_lcm_plain(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """``sample_lcm`` without its boundary condition, on any table: Forge's."""
    del options
    for sigma, sigma_next in pairwise(path.sigmas):
        x = denoise(x, sigma)
        if sigma_next > 0:
            x = x + sigma_next * noise.normal()
    return x


LCM_SIGMA_DATA = 0.5
LCM_TIMESTEP_SCALE = 10.0


def sample_lcm(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Latent consistency sampling (Luo et al. 2023, arXiv:2310.04378): predict the image, add noise again."""
    del options
    for sigma, sigma_next in pairwise(path.sigmas):
        scaled = path.table.sigma_to_t(sigma) * LCM_TIMESTEP_SCALE
        norm = scaled**2 + LCM_SIGMA_DATA**2
        # The boundary condition (section 3): at t = 0 the model must give back its input.
        x = scaled / norm.sqrt() * denoise(x, sigma) + LCM_SIGMA_DATA**2 / norm * x
        if sigma_next > 0:
            x = x + sigma_next * noise.normal()
    return x


def sample_tcd(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Strategic stochastic sampling of trajectory consistency distillation (Zheng et al. 2024, arXiv:2402.19159,
    algorithm 4): go down along the trajectory to timestep s = (1 - gamma) t, where t is the next level's, then add the
    noise that is missing to it. Gamma 0 adds none; gamma 1 goes down to the image, as LCM does.
    """
    for sigma, sigma_next in pairwise(path.sigmas):
        lowest = sigma_next
        if sigma_next > 0 and options.tcd_gamma > 0:  # its authors round s down, which must add no noise at gamma 0
            lowest = path.table.t_to_sigma(((1 - options.tcd_gamma) * path.table.sigma_to_t(sigma_next)).floor())
        denoised = denoise(x, sigma)
        x = denoised + slope(x, sigma, denoised) * lowest
        if sigma_next > lowest:
            x = x + noise.normal() * (sigma_next**2 - lowest**2).sqrt()
    return x


RESTART_FROM, RESTART_TO = 0.1, 2.0
"""Restart goes back from the level nearest the first to the level nearest the second."""


def sample_restart(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Heun with jumps back to a higher noise level (Xu et al. 2023, arXiv:2306.14878)."""
    del options
    last: Tensor | None = None
    for sigma, sigma_next in restart_steps(path.sigmas):
        if last is not None and last < sigma:
            x = x + noise.normal() * (sigma**2 - last**2).sqrt()
        direction = slope(x, sigma, denoise(x, sigma))
        if sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            direction = (direction + slope(ahead, sigma_next, denoise(ahead, sigma_next))) / 2
        x = x + direction * (sigma_next - sigma)
        last = sigma_next
    return x


def restart_steps(sigmas: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The (sigma, sigma_next) of each Heun step.

    From 20 steps on, fewer Karras levels replace the given ones and make room for jumps.
    """
    steps, jump, times = len(sigmas) - 1, 0, 0
    if steps >= 20:
        jump, times = (steps // 4, 2) if steps >= 36 else (9, 1)
        sigmas = karras_sigmas(steps - jump * times, float(sigmas[-2]), float(sigmas[0]))
    low, high = int((sigmas - RESTART_FROM).abs().argmin()), int((sigmas - RESTART_TO).abs().argmin())
    for i, step in enumerate(pairwise(sigmas), start=1):
        yield step
        if jump and i == low and high < low:
            again = karras_sigmas(jump + 1, float(sigmas[low]), float(sigmas[high]))[:-1]
            for _ in range(times):
                yield from pairwise(again)
