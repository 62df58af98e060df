"""UniPC, a multistep predictor-corrector (Zhao et al. 2023, arXiv:2302.04867), predicting images.

Times are continuous: 1 is timestep 999 and 1/1000 is timestep 0. lambda = ln(alpha / sigma) is half the log
signal-to-noise ratio, with alpha = sqrt(abar) and sigma = sqrt(1 - abar). Settings: hechos/a1111.md 3.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sdcolab.core.tuning import UniPCSkipType, UniPCVariant
from sdcolab.engine.samplers.base import (
    Denoiser,
    Noise,
    SamplerOptions,
    TimestepPath,
)
from sdcolab.engine.schedules import TRAIN_STEPS


@dataclass(frozen=True, slots=True)
class _Node:
    """A moment of the process: the model's ``timestep`` (fractional), and the scales of image and noise in x."""

    timestep: float
    alpha: float
    sigma: float
    lam: float


def sample_unipc(denoise: Denoiser, x: Tensor, path: TimestepPath, noise: Noise, options: SamplerOptions) -> Tensor:
    """One model call per timestep of ``path``, but at UniPC's own times: only their start is the path's, in img2img."""
    del noise
    nodes = _nodes(path, options.unipc_skip_type)
    steps = len(nodes) - 1
    highest = min(options.unipc_order, steps)

    def predict(x: Tensor, node: _Node) -> Tensor:
        return (x - node.sigma * denoise.epsilon(x, node.timestep).guided) / node.alpha

    history = [(nodes[0], predict(x, nodes[0]))]  # newest first
    for step, node in enumerate(nodes[1:], start=1):
        order = min(step, highest)
        if options.unipc_lower_order_final and step >= highest:
            order = min(order, steps + 1 - step)
        (newest_node, newest), older = history[0], history[1:order]
        h = node.lam - newest_node.lam
        ratios = [(past.lam - newest_node.lam) / h for past, _ in older]
        differences = [(image - newest) / ratio for (_, image), ratio in zip(older, ratios, strict=True)]
        first_order = node.sigma / newest_node.sigma * x - node.alpha * math.expm1(-h) * newest
        predictor, corrector = update_weights(ratios, h, options.unipc_variant)
        x = first_order - node.alpha * _weighted(predictor, differences)
        if step < steps:  # the last step is not corrected: that would take one more call
            image = predict(x, node)
            x = first_order - node.alpha * _weighted(corrector, [*differences, image - newest])
            history = [(node, image), *history][:highest]
    return x


def _weighted(weights: list[float], terms: list[Tensor]) -> Tensor | float:
    """Sum of weight times term; 0 for none."""
    return sum((weight * term for weight, term in zip(weights, terms, strict=True)), start=0.0)


def update_weights(ratios: list[float], h: float, variant: UniPCVariant) -> tuple[list[float], list[float]]:
    """Weights of the differences in the predictor and in the corrector (one more); their sum times alpha is subtracted.

    ``ratios``: (lambda of each older prediction - that of the newest) / h, negative.
    """
    nodes = np.array([*ratios, 1.0])
    order = len(nodes)
    phis = [math.expm1(-h)]  # phis[k] is the k-th Taylor remainder of exp(-h), divided by (-h)^k
    for k in range(1, order + 1):
        phis.append(phis[-1] / -h - 1 / math.factorial(k))
    if variant is UniPCVariant.VARY_COEFF:
        return _vary_coeff_weights(nodes, np.array(phis))
    scale = -h if variant is UniPCVariant.BH1 else math.expm1(-h)
    powers = np.vander(nodes, increasing=True).T
    targets = np.array([phis[k] * math.factorial(k) for k in range(1, order + 1)])
    # Theorem 3.1; the one-unknown systems have the value 1/2 in the limit of small h, and the paper uses that.
    predictor = np.linalg.solve(powers[:-1, :-1], targets[:-1]) if order > 2 else np.full(order - 1, 0.5 * scale)
    corrector = np.linalg.solve(powers, targets) if order > 1 else np.full(1, 0.5 * scale)
    return predictor.tolist(), corrector.tolist()


def _vary_coeff_weights(nodes: np.ndarray, phis: np.ndarray) -> tuple[list[float], list[float]]:
    """The variant without B(h) (the paper's UniPC_v): the inverse of a matrix of scaled powers, times ``phis``."""
    order = len(nodes)
    matrix = np.stack([nodes**k / math.factorial(k + 1) for k in range(order)], axis=1)
    predictor = phis[1:order] @ np.linalg.inv(matrix[:-1, :-1]) if order > 1 else np.zeros(0)
    inverse = np.linalg.inv(matrix)
    # The published code (and so A1111) takes the newest difference from the row before the last, and only there.
    corrector = phis[1:order] @ inverse[:-1, :-1]
    newest = phis[order] * inverse[max(order - 2, 0), -1]
    return predictor.tolist(), [*corrector.tolist(), float(newest)]


def _nodes(path: TimestepPath, skip_type: UniPCSkipType) -> list[_Node]:
    """len(timesteps) + 1 moments from the start (pure noise in txt2img) to timestep 0."""
    log_alphas = 0.5 * path.table.alphas_cumprod.double().log().numpy()
    grid = np.arange(1, TRAIN_STEPS + 1) / TRAIN_STEPS
    start = 1.0 if path.start_timestep is None else (int(path.timesteps[-1]) + 1) / TRAIN_STEPS
    end, count = 1 / TRAIN_STEPS, len(path.timesteps) + 1
    if skip_type is UniPCSkipType.TIME_UNIFORM:
        times = np.linspace(start, end, count)
    elif skip_type is UniPCSkipType.TIME_QUADRATIC:
        times = np.linspace(math.sqrt(start), math.sqrt(end), count) ** 2
    else:
        first, last = _half_log_snr(np.interp([start, end], grid, log_alphas)).tolist()
        wanted = -0.5 * np.logaddexp(0, -2 * np.linspace(first, last, count))
        times = np.interp(wanted, log_alphas[::-1], grid[::-1])
    logs = np.interp(times, grid, log_alphas)
    return [
        _Node((time - end) * TRAIN_STEPS, math.exp(log), math.sqrt(-math.expm1(2 * log)), lam)
        for time, log, lam in zip(times.tolist(), logs.tolist(), _half_log_snr(logs).tolist(), strict=True)
    ]


def _half_log_snr(log_alphas: np.ndarray) -> np.ndarray:
    return log_alphas - 0.5 * np.log(-np.expm1(2 * log_alphas))
