"""On a GPU: half precision gives nearly the pictures of the CPU, and the decoder's overflow is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import MemoryChoice
from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.core.speed import Speed
from sdcolab.engine.engine import Engine
from sdcolab.engine.memory import free_vram

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no hay GPU")

REQUEST = GenerationRequest(
    prompt="un (gato:1.3) naranja", negative_prompt="feo", sampler="DPM++ 2M", steps=10, cfg_scale=5, seed=1
)


@pytest.fixture
def engine_on(demo_checkpoint: Path, tmp_path: Path) -> Callable[[str], Engine]:
    file = ModelFile(ModelKind.CHECKPOINT, demo_checkpoint.name, demo_checkpoint)
    library = Library(Folders(tmp_path), bundled=(file,))
    return lambda device: Engine(library, None, device=device)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DDIM"])
def test_gpu_and_cpu_nearly_agree(engine_on: Callable[[str], Engine], sampler: str) -> None:
    request = replace(REQUEST, sampler=sampler)
    gpu, cpu = (
        np.asarray(engine_on(device).generate(request).images[0].image, np.float64) for device in ("cuda", "cpu")
    )
    error = np.abs(gpu - cpu).mean()
    print(f"{sampler}: mean difference {error:.2f} of 255")
    assert error < 4


def test_weights_are_halves_and_previews_come(engine_on: Callable[[str], Engine]) -> None:
    ticks = iter(range(1000))
    engine = engine_on("cuda")
    engine._clock = lambda: float(next(ticks))
    previews: list[object] = []
    engine.generate(REQUEST, lambda event: previews.append(event.preview) if isinstance(event, StepDone) else None)
    assert engine.models.checkpoints[0].model.dtype == torch.float16
    assert sum(preview is not None for preview in previews) == REQUEST.steps - 1


def test_a_batch_equals_its_pictures_alone(engine_on: Callable[[str], Engine]) -> None:
    engine = engine_on("cuda")
    batch = engine.generate(replace(REQUEST, batch_size=2)).images
    alone = [engine.generate(replace(REQUEST, seed=seed)).images[0] for seed in (1, 2)]
    for a, b in zip(batch, alone, strict=True):
        assert np.abs(np.asarray(a.image, np.float64) - np.asarray(b.image, np.float64)).mean() < 2


def test_an_overflowing_decoder_goes_on_in_full_precision(engine_on: Callable[[str], Engine]) -> None:
    engine = engine_on("cuda")
    expected = np.asarray(engine.generate(REQUEST).images[0].image, np.float64)
    decoder = engine.models.vaes[0].module.decoder
    with torch.no_grad():  # what is beyond 65504 in halves cancels out in full precision
        decoder.conv_norm_out.weight.mul_(2.0**14)
        decoder.conv_norm_out.bias.mul_(2.0**14)
        decoder.conv_out.weight.mul_(2.0**-14)
    made = np.asarray(engine.generate(REQUEST).images[0].image, np.float64)
    assert engine.models.vaes[0].module.dtype == torch.float32
    assert np.isfinite(made).all()
    assert made.shape == expected.shape


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch_size": 2},
        {"hires": Hires(scale=2, steps=5)},
        {"sampler": "DPM++ 2M", "speed": Speed.FAST, "steps": 12},
    ],
)
def test_recorded_calls_make_the_same_pictures(engine_on: Callable[[str], Engine], change: dict[str, Any]) -> None:
    request = replace(REQUEST, **change)
    plain = engine_on("cuda")
    recording = Engine(plain._library, None, device="cuda", memory=MemoryChoice(graphs=True))
    expected = [np.asarray(one.image, np.float64) for one in plain.generate(request).images]
    for _ in range(2):
        recording.generate(REQUEST)
        made = [np.asarray(one.image, np.float64) for one in recording.generate(request).images]
        for one, other in zip(made, expected, strict=True):
            assert np.abs(one - other).mean() < 1
    (checkpoint,) = recording.models.checkpoints
    assert checkpoint.model.replays is not None and not checkpoint.model.replays.news()


def test_what_torch_keeps_is_free() -> None:
    device = torch.device("cuda")
    torch.zeros(1, device=device)
    before = free_vram(device)
    block = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    assert before is not None and free_vram(device) == pytest.approx(before - len(block), abs=1 << 26)
    del block
    assert torch.cuda.memory_reserved(device) >= 1 << 30
    assert free_vram(device) == pytest.approx(before, abs=1 << 26)
