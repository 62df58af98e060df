"""FreeU against its paper's equations, and on whole generations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sdcolab.core.freeu import FreeU
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.freeu import joints, strengthened, without_low_tones

REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64
)


def test_structure_grows_and_half_of_the_channels_stay() -> None:
    features = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    made = strengthened(features, 1.5)
    assert torch.equal(made[:, 2:], features[:, 2:])
    ratio = made[:, 0] / features[:, 0]
    assert torch.allclose(ratio.amin(dim=(1, 2)), torch.ones(2))  # the flattest place of each picture
    assert torch.allclose(ratio.amax(dim=(1, 2)), torch.full((2,), 1.5))
    assert torch.allclose(strengthened(torch.ones(1, 4, 2, 2), 1.5), torch.ones(1, 4, 2, 2))  # nothing stands out


def test_only_low_frequencies_are_scaled() -> None:
    assert torch.allclose(without_low_tones(torch.ones(1, 1, 8, 8), 0.25), torch.full((1, 1, 8, 8), 0.25))
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)[None, None]
    assert torch.allclose(without_low_tones(checks, 0.25), checks, atol=1e-6)


def made(engine: Engine, request: GenerationRequest) -> np.ndarray:
    return np.asarray(engine.generate(request, save=False).images[0].image, np.int16)


def test_ones_change_nothing_and_nothing_is_left_behind(engine: Engine) -> None:
    plain = made(engine, REQUEST)
    assert np.abs(made(engine, replace(REQUEST, freeu=FreeU(1, 1, 1, 1))) - plain).max() <= 1
    assert np.abs(made(engine, replace(REQUEST, freeu=FreeU())) - plain).max() > 1
    assert np.array_equal(made(engine, REQUEST), plain)
    unet = engine.models.checkpoints[0].model.unet
    assert next(width for _, width in joints(unet)) == unet.config.block_out_channels[-1]


@pytest.mark.parametrize("changes", [{"b1": 1.0, "b2": 1.0}, {"s1": 1.0, "s2": 1.0}])
def test_each_half_does_something(engine: Engine, changes: dict[str, float]) -> None:
    freeu = replace(FreeU(b1=1.8, b2=1.8, s1=0.2, s2=0.2), **changes)
    assert np.abs(made(engine, replace(REQUEST, freeu=freeu)) - made(engine, REQUEST)).max() > 1


def test_the_infotext_says_so_in_forges_words(engine: Engine) -> None:
    text = engine.generate(replace(REQUEST, freeu=FreeU(b1=1.25)), save=False).images[0].infotext
    assert "freeu_b1: 1.25, freeu_b2: 1.4, freeu_s1: 0.9, freeu_s2: 0.2" in text
