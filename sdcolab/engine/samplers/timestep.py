"""Samplers on timesteps: DDIM, DDIM CFG++ and PLMS. Formulas: hechos/a1111.md 3.5.

The last update lands on the first timestep (1), not on a clean image, and ``len(timesteps) - 1`` updates are made:
upstream's way.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, TimestepPath

CFG_PP_FACTOR = 1 / 12.5
"""CFG++ wants a guidance of about 0 to 1; the usual scales are brought there."""


def _steps(path: TimestepPath) -> list[tuple[int, int, Tensor, Tensor]]:
    """(t, t_next, abar, abar_next) of each update, falling; abar are 0-d float32 CPU tensors."""
    alphas = path.table.alphas_cumprod
    return [(t, t_next, alphas[t], alphas[t_next]) for t, t_next in pairwise(path.timesteps.flip(0).tolist())]


def sample_ddim(denoise: Denoiser, x: Tensor, path: TimestepPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Denoising diffusion implicit models (Song et al. 2020, arXiv:2010.02502, equation 12)."""
    for t, _, alpha, alpha_next in _steps(path):
        eps = denoise.epsilon(x, float(t)).guided
        x = _ddim_update(x, alpha, alpha_next, eps, eps, noise, options.eta_ddim)
    return x


def sample_ddim_cfgpp(
    denoise: Denoiser, x: Tensor, path: TimestepPath, noise: Noise, options: SamplerOptions
) -> Tensor:
    """DDIM whose direction is the unconditional noise (CFG++, Chung et al. 2024, arXiv:2406.08070, algorithm 2)."""
    for t, _, alpha, alpha_next in _steps(path):
        prediction = denoise.epsilon(x, float(t), CFG_PP_FACTOR)
        x = _ddim_update(x, alpha, alpha_next, prediction.guided, prediction.uncond, noise, options.eta_ddim)
    return x


def _ddim_update(
    x: Tensor, alpha: Tensor, alpha_next: Tensor, eps: Tensor, direction: Tensor, noise: Noise, eta: float
) -> Tensor:
    """One step: the image that ``eps`` implies, noise of the next level along ``direction``, fresh noise by ``eta``."""
    image = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
    sigma = eta * ((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next)).sqrt()
    x = alpha_next.sqrt() * image + (1 - alpha_next - sigma**2).sqrt() * direction
    return x + sigma * noise.normal() if eta > 0 else x


_ADAMS_BASHFORTH = ((1.5, -0.5), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Weights of the newest and the previous predictions, for 2, 3 and 4 of them."""


def sample_plms(denoise: Denoiser, x: Tensor, path: TimestepPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Pseudo linear multistep (Liu et al. 2022, arXiv:2202.09778), the first step by improved Euler (2 calls)."""
    del options
    history: list[Tensor] = []
    for t, t_next, alpha, alpha_next in _steps(path):
        history = [denoise.epsilon(x, float(t)).guided, *history][:4]
        if len(history) == 1:
            ahead = _ddim_update(x, alpha, alpha_next, history[0], history[0], noise, 0.0)
            eps = (history[0] + denoise.epsilon(ahead, float(t_next)).guided) / 2
        else:
            weights = _ADAMS_BASHFORTH[len(history) - 2]
            eps = torch.stack([weight * past for weight, past in zip(weights, history, strict=True)]).sum(0)
        x = _ddim_update(x, alpha, alpha_next, eps, eps, noise, 0.0)
    return x
