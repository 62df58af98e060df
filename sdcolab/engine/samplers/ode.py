"""Samplers that follow the probability flow: Euler, Heun, DPM2 (with optional churn noise) and LMS.

Formulas: hechos/a1111.md 3.4; Karras et al. 2022 (arXiv:2206.00364), algorithm 2.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, SigmaPath, slope


def _churned(x: Tensor, sigma: Tensor, steps: int, noise: Noise, options: SamplerOptions) -> tuple[Tensor, Tensor]:
    """(x, sigma) after raising the noise level before a step (Karras et al. 2022, algorithm 2, lines 4 to 6)."""
    if options.s_churn <= 0:
        return x, sigma
    fresh = noise.normal()  # at every step, also outside the window: later draws must not depend on it
    if not options.s_tmin <= sigma <= options.s_tmax:
        return x, sigma
    raised = sigma * (1 + min(options.s_churn / steps, math.sqrt(2) - 1))
    return x + fresh * options.s_noise * (raised**2 - sigma**2).sqrt(), raised


def sample_euler(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Euler's method."""
    steps = len(path.sigmas) - 1
    for sigma, sigma_next in pairwise(path.sigmas):
        x, sigma = _churned(x, sigma, steps, noise, options)
        x = x + slope(x, sigma, denoise(x, sigma)) * (sigma_next - sigma)
    return x


def sample_heun(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Heun's method: the average of the slopes at both ends of the step; Euler where it ends at 0."""
    steps = len(path.sigmas) - 1
    for sigma, sigma_next in pairwise(path.sigmas):
        x, sigma = _churned(x, sigma, steps, noise, options)
        direction = slope(x, sigma, denoise(x, sigma))
        if sigma_next > 0:
            ahead = x + direction * (sigma_next - sigma)
            direction = (direction + slope(ahead, sigma_next, denoise(ahead, sigma_next))) / 2
        x = x + direction * (sigma_next - sigma)
    return x


def sample_dpm_2(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """DPM-Solver-2 as a midpoint method: every step is a ``midpoint_step``."""
    steps = len(path.sigmas) - 1
    for sigma, sigma_next in pairwise(path.sigmas):
        x, sigma = _churned(x, sigma, steps, noise, options)
        x = midpoint_step(denoise, x, sigma, sigma_next)
    return x


def midpoint_step(denoise: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """From ``sigma`` to ``sigma_next`` along the slope at their geometric mean (Euler if ``sigma_next`` is 0)."""
    direction = slope(x, sigma, denoise(x, sigma))
    if sigma_next > 0:
        middle = sigma.log().lerp(sigma_next.log(), 0.5).exp()
        halfway = x + direction * (middle - sigma)
        direction = slope(halfway, middle, denoise(halfway, middle))
    return x + direction * (sigma_next - sigma)


LMS_ORDER = 4


def sample_lms(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Linear multistep (Adams-Bashforth on uneven steps) of order up to 4."""
    del noise, options
    sigmas = path.sigmas.double().numpy()
    slopes: list[Tensor] = []
    for i, sigma in enumerate(path.sigmas[:-1]):
        slopes = [slope(x, sigma, denoise(x, sigma)), *slopes][:LMS_ORDER]
        weights = adams_bashforth_weights(sigmas[i::-1][: len(slopes)], sigmas[i + 1])
        x = x + torch.stack([weight * past for weight, past in zip(weights, slopes, strict=True)]).sum(0)
    return x


def adams_bashforth_weights(nodes: np.ndarray, end: float) -> list[float]:
    """Integrals from ``nodes[0]`` to ``end`` of the Lagrange basis polynomials on ``nodes`` (1 to 4, newest first)."""
    # Two Gauss-Legendre points are exact up to degree 3, so no adaptive quadrature is needed.
    points, quadrature = np.polynomial.legendre.leggauss(2)
    half = (end - nodes[0]) / 2
    at = nodes[0] + half * (points + 1)
    weights = []
    for j, node in enumerate(nodes):
        others = np.delete(nodes, j)
        basis = np.prod((at[:, None] - others) / (node - others), axis=1)
        weights.append(float(half * (quadrature * basis).sum()))
    return weights
