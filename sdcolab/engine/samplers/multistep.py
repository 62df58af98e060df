"""Forge's samplers along the probability flow that remember earlier slopes or look more than one level ahead.

IPNDM and IPNDM_V: Zhang & Chen 2022 (arXiv:2204.13902) with the pseudo numerical weights of Liu et al. 2022
(arXiv:2202.09778). DEIS: Zhang & Chen 2022, its "tAB". HeunPP2: a Heun that weighs slopes by their noise level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sdcolab.engine.samplers.base import Denoiser, Noise, SamplerOptions, SigmaPath, slope

_EVEN = ((1.0,), (1.5, -0.5), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Adams-Bashforth's weights for even steps, newest slope first."""

_DEIS_ORDER = 3
_DEIS_POINTS = 10_000


def sample_ipndm(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Four slopes at most, weighted as if the levels were evenly spaced."""
    del noise, options

    def weights(levels: Sequence[float]) -> list[float]:
        step = levels[0] - levels[1]
        return [step * weight for weight in _EVEN[len(levels) - 2]]

    return _along_slopes(denoise, x, path, len(_EVEN), weights)


def sample_ipndm_v(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Four slopes at most, weighted by the true distances of the levels."""
    del noise, options

    def weights(levels: Sequence[float]) -> list[float]:
        steps = [after - before for after, before in pairwise(levels)]
        return [steps[0] * weight for weight in ipndm_v_weights(steps)]

    return _along_slopes(denoise, x, path, len(_EVEN), weights)


def sample_deis(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Three slopes at most, their polynomial integrated exponentially."""
    del noise, options
    return _along_slopes(denoise, x, path, _DEIS_ORDER, deis_weights)


def _along_slopes(
    denoise: Denoiser, x: Tensor, path: SigmaPath, order: int, weights: Callable[[Sequence[float]], Sequence[float]]
) -> Tensor:
    """Add to ``x`` the last ``order`` slopes, times ``weights`` of (the next level, this one, those before)."""
    slopes: list[Tensor] = []
    levels: list[float] = []
    for sigma, sigma_next in pairwise(path.sigmas):
        slopes = [slope(x, sigma, denoise(x, sigma)), *slopes][:order]
        levels = [float(sigma), *levels][:order]
        factors = weights([float(sigma_next), *levels])
        x = x + torch.stack([factor * past for factor, past in zip(factors, slopes, strict=False)]).sum(0)
    return x


def ipndm_v_weights(steps: Sequence[float]) -> list[float]:
    """Weights of 1 to 4 slopes, newest first, for the newest step and the ones before it: Adams-Bashforth's in Newton's
    form, with the slips of the published code, which every program has.
    """
    h, *past = steps
    weights = [1.0]
    if past:
        _add(weights, h / (2 * past[0]), (1, -1))
    if len(past) > 1:
        h1, h2 = past[:2]
        # Exact: 1 less the first quotient, times the second one.
        second = (1 - h / (3 * (h + h1)) * (h * (h + h1)) / (h1 * (h1 + h2))) / 2
        _add(weights, second, (1, -1 - h1 / h2, h1 / h2))
    if len(past) > 2:
        h1, h2, h3 = past
        # Exact: the second summand taken away.
        third = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
        third *= (h * (h + h1) * (h + h1 + h2)) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        ratio = h1 * (h1 + h2) / (h2 * (h2 + h3))
        # Exact: h2 / h3 in the last of them.
        _add(weights, third, (1, -1 - h1 / h2 - ratio, h1 / h2 + ratio * (1 + h2 / h3), -ratio * h1 / h2))
    return weights


def _add(weights: list[float], factor: float, terms: Sequence[float]) -> None:
    weights.extend([0.0] * (len(terms) - len(weights)))
    for place, term in enumerate(terms):
        weights[place] += factor * term


def deis_weights(levels: Sequence[float]) -> list[float]:
    """Weights of the slopes at ``levels[1:]`` (newest first) on the way to ``levels[0]``: integrals of Lagrange's
    polynomials in the time of a variance preserving process (Song et al. 2020, arXiv:2011.13456). To 0 only the newest.
    """
    if len(levels) == 2 or levels[0] <= 0:
        return [levels[0] - levels[1]]
    end, *nodes = (_time(level) for level in levels)
    taus = np.linspace(nodes[0], end, _DEIS_POINTS)
    alphas = np.exp(-0.5 * taus**2 * _BETA_RISE - taus * _BETA_START)
    speed = 0.5 * (taus * _BETA_RISE + _BETA_START) / np.sqrt(alphas * (1 - alphas))
    weights = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        basis = np.prod([(taus - other) / (node - other) for other in others], axis=0)
        # The plain mean of the points, ends and all, as upstream: 1e-4 from the integral.
        weights.append(float((speed * basis).mean() * (end - nodes[0])))
    return weights


_TIME_START, _SIGMA_START, _SIGMA_END = 1e-3, 0.002, 80.0
"""The process that DEIS takes its times from (Karras et al. 2022, arXiv:2206.00364, table 1)."""
_LOG_START, _LOG_END = math.log(_SIGMA_START**2 + 1), math.log(_SIGMA_END**2 + 1)
_BETA_RISE = 2 * (_LOG_START / _TIME_START - _LOG_END) / (_TIME_START - 1)
_BETA_START = _LOG_END - 0.5 * _BETA_RISE


def _time(sigma: float) -> float:
    return (math.sqrt(_BETA_START**2 + 2 * _BETA_RISE * math.log(sigma**2 + 1)) - _BETA_START) / _BETA_RISE


def sample_heunpp2(denoise: Denoiser, x: Tensor, path: SigmaPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """Each step follows the mean of the slopes at its start and at up to two levels ahead, those ahead weighing as
    their sigma to the first one of the path. The last step is Euler's, the last but one looks ahead once."""
    del noise, options
    sigmas = path.sigmas
    first = sigmas[0]
    for i, sigma in enumerate(sigmas[:-1]):
        ahead = sigmas[i + 1 : min(i + 3, len(sigmas) - 1)]
        slopes = [slope(x, sigma, denoise(x, sigma))]
        point, at = x, sigma
        for further in ahead:
            point, at = point + slopes[-1] * (further - at), further
            slopes.append(slope(point, at, denoise(point, at)))
        shares = ahead / ((len(ahead) + 1) * first)
        direction = (1 - shares.sum()) * slopes[0]
        for share, later in zip(shares, slopes[1:], strict=True):
            direction = direction + share * later
        x = x + direction * (sigmas[i + 1] - sigma)
    return x
