"""Each parameterisation on what it was trained on: the mixture it reads and the answer it is to give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sdcolab.engine.levels import Epsilon, Levels, Velocity

IMAGE, NOISE = (torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))

Trained = Callable[[float], tuple[Tensor, Tensor]]
"""sigma -> (what the model reads, what it answers)."""


def epsilon(sigma: float) -> tuple[Tensor, Tensor]:
    alpha = 1 / (1 + sigma**2)
    return alpha**0.5 * IMAGE + (1 - alpha) ** 0.5 * NOISE, NOISE


def velocity(sigma: float) -> tuple[Tensor, Tensor]:
    alpha = 1 / (1 + sigma**2)
    return epsilon(sigma)[0], alpha**0.5 * NOISE - (1 - alpha) ** 0.5 * IMAGE


@pytest.mark.parametrize(("levels", "trained"), [(Epsilon(), epsilon), (Velocity(), velocity)])
@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_it_reads_and_answers_as_it_was_trained(levels: Levels, trained: Trained, sigma: float) -> None:
    read, output = trained(sigma)
    level = torch.tensor(sigma)
    x = IMAGE + level * NOISE
    assert torch.allclose(levels.scaled(x, level), read, atol=1e-5)
    assert torch.allclose(levels.image(x, output, level), IMAGE, atol=1e-5)
    assert torch.allclose(levels.noise(x / (1 + level**2).sqrt(), output, level), NOISE, atol=1e-4)
