"""Pictures with prompts of their own in one batch: the same as one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, Hires, Variation
from sdcolab.core.resolved import share_a_batch
from sdcolab.core.result import GeneratedImage
from sdcolab.engine import denoise
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.engine import Engine

REQUEST = GenerationRequest(prompt="a cat", sampler="Euler a", steps=2, seed=7, width=64, height=64)
LONG = ", ".join(f"word {number}" for number in range(60))


def alone(engine: Engine, requests: list[GenerationRequest]) -> list[GeneratedImage]:
    return [engine.generate(request, save=False).images[0] for request in requests]


def apart(one: GeneratedImage, other: GeneratedImage) -> int:
    return int(np.abs(np.asarray(one.image, np.int16) - np.asarray(other.image, np.int16)).max())


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each call of the UNet."""
    seen: list[int] = []
    answered = denoise.answered

    def spying(call: UNetCall) -> torch.Tensor:
        seen.append(len(call.x))
        return answered(call)

    monkeypatch.setattr(denoise, "answered", spying)
    return seen


def test_each_picture_has_its_own_prompts_and_seed(engine: Engine, folders: Folders, rows: list[int]) -> None:
    place = folders.models(ModelKind.EMBEDDING)
    place.mkdir(parents=True)
    save_file({"emb_params": torch.ones(2, 64)}, place / "EasyNegative.safetensors")
    requests = [
        REQUEST,
        replace(REQUEST, prompt="a dog", negative_prompt="EasyNegative"),
        replace(REQUEST, prompt="[a dog:a cat:0.5]", seed=9),
        replace(REQUEST, prompt=LONG),
        replace(REQUEST, prompt="a cat AND a dog :0.5"),
    ]
    expected = alone(engine, requests)
    rows.clear()
    first, *beside = requests
    made = engine.generate(first, save=False, beside=beside).images
    assert rows[:2] == [4, 4]  # two pictures with both prompts; edited, long and joined ones are rounds of their own
    assert [image.infotext for image in made] == [image.infotext for image in expected]
    assert [image.seed for image in made] == [7, 7, 9, 7, 7]
    assert max(map(apart, made, expected)) <= 1
    assert ["TI hashes" in image.infotext for image in made] == [False, True, False, False, False]
    assert apart(made[0], made[1]) > 1


def test_the_hires_pass_and_variations_too(engine: Engine) -> None:
    hires = Hires(scale=1.5, steps=1, negative_prompt="ugly")
    plain = replace(REQUEST, hires=hires, variation=Variation(strength=0.3, seed=4))
    requests = [plain, replace(plain, prompt="a red dog", variation=Variation(strength=0.3, seed=5))]
    expected = alone(engine, requests)
    made = engine.generate(requests[0], save=False, beside=requests[1:]).images
    assert [image.infotext for image in made] == [image.infotext for image in expected]
    assert max(map(apart, made, expected)) <= 1


def test_what_can_share_a_batch() -> None:
    assert share_a_batch(REQUEST, replace(REQUEST, prompt="a dog", negative_prompt="x", seed=3))
    assert not share_a_batch(REQUEST, replace(REQUEST, steps=3))
    assert not share_a_batch(REQUEST, replace(REQUEST, prompt="a cat <lora:x:1>"))
    assert not share_a_batch(replace(REQUEST, batch_size=2), replace(REQUEST, batch_size=2))


def test_saved_pictures_lie_on_disk(engine: Engine) -> None:
    made = engine.generate(REQUEST, beside=[replace(REQUEST, prompt="a dog", seed=8)]).images
    paths = [image.path for image in made]
    assert all(isinstance(path, Path) and path.is_file() for path in paths)
    assert len(set(paths)) == 2
