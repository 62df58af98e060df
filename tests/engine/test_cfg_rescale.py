"""CFG rescale against its paper's equations, and on whole generations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sdcolab.core.request import GenerationRequest
from sdcolab.core.tuning import Tuning
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.cfg_rescale import rescaled

REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64, cfg_scale=15.0
)


def test_the_spread_becomes_the_prompts_own_in_each_picture() -> None:
    draw = torch.Generator().manual_seed(1)
    own, guided = (torch.randn(2, 4, 8, 8, generator=draw) * scale for scale in (1.0, 5.0))
    made = rescaled(guided, own, 1.0)
    assert torch.allclose(made.std(dim=(1, 2, 3)), own.std(dim=(1, 2, 3)))
    assert torch.allclose(rescaled(guided, own, 0.25), 0.25 * made + 0.75 * guided, atol=1e-5)
    assert torch.equal(rescaled(torch.zeros(1, 4, 2, 2), own[:1], 1.0), torch.zeros(1, 4, 2, 2))


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_it_changes_strong_guidance_and_not_guidance_of_one(engine: Engine, sampler: str) -> None:
    def made(scale: float, share: float) -> np.ndarray:
        request = replace(REQUEST, sampler=sampler, cfg_scale=scale, tuning=Tuning(cfg_rescale=share))
        return np.asarray(engine.generate(request, save=False).images[0].image, np.int16)

    assert np.abs(made(15.0, 0.7) - made(15.0, 0.0)).max() > 1
    assert np.abs(made(1.0, 0.7) - made(1.0, 0.0)).max() <= 1


def test_the_infotext_says_so_in_the_extension_s_words(engine: Engine) -> None:
    request = replace(REQUEST, tuning=Tuning(cfg_rescale=0.7))
    assert ", CFG Rescale: 0.7," in engine.generate(request, save=False).images[0].infotext
