"""The noise of a picture: the steps by hand, and a picture of the demo model made again from its own noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.inversion import Inversion
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.inversion import adjusted_inverse, inverse, mixed

REQUEST = GenerationRequest(prompt="un gato", sampler="Euler", steps=25, seed=7, width=128, height=128, cfg_scale=1.0)


def test_each_step_reads_the_level_that_it_goes_to() -> None:
    asked: list[float] = []

    def image(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        asked.append(float(sigma))
        return x / 2

    x = torch.tensor([[[[1.0, -2.0]]]])
    made = inverse(image, x, torch.tensor([0.0, 1.0, 3.0]))
    once = x + (x / 2) / 1 * 1
    twice = once + (once / 2) / 3 * 2
    assert torch.allclose(made, twice / twice.std())
    assert asked == [1.0, 3.0]


def test_the_adjusted_way_reads_the_level_that_it_comes_from() -> None:
    x = torch.tensor([[[[1.0, -2.0]]]])
    made = adjusted_inverse(lambda x, _sigma: x / 2, x, torch.tensor([0.0, 1.0, 3.0]))
    assert torch.allclose(made, (x + x / 2 / 1 * 2) / 3)


def test_random_noise_keeps_the_deviation() -> None:
    one, other = torch.randn(1, 4, 64, 64), torch.randn(1, 4, 64, 64)
    assert torch.equal(mixed(one, other, 0.0), one)
    assert mixed(one, other, 0.5).std() == pytest.approx(1.0, abs=0.03)


def test_a_picture_is_made_again_from_its_own_noise(demo_checkpoint: Path, tmp_path: Path) -> None:
    file = ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint)
    engine = Engine(Library(Folders(tmp_path), bundled=(file,)), None, device="cpu")
    picture = engine.generate(REQUEST, save=False).images[0].image
    init = InitImage((picture,), strength=1.0)
    plain = replace(REQUEST, init=init, seed=8)
    inverted = replace(plain, inversion=Inversion("un gato", steps=25, sigma_adjustment=True))
    made, other = (engine.generate(one, save=False).images[0] for one in (inverted, plain))
    target = np.asarray(picture, np.int16)
    near, far = (np.abs(np.asarray(one.image, np.int16) - target).mean() for one in (made, other))
    assert near < 2 < far / 5
    assert "Decode prompt: un gato, Decode CFG scale: 1, Decode steps: 25, Randomness: 0, Sigma Adjustment: True" in (
        made.infotext
    )
    again = engine.generate(inverted, save=False).images[0]  # its noise is remembered
    assert np.array_equal(np.asarray(again.image), np.asarray(made.image))
