"""A UNet in bfloat16 on a processor: when, how near, and what the infotext says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import GB, FreeMemory, Placement, WeightCounts, WorkMemory, plan_memory
from sdcolab.core.request import GenerationRequest
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, Tuning
from sdcolab.engine.engine import Engine
from sdcolab.engine.precision import settled, unet_dtype

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
CPU, CARD = torch.device("cpu"), torch.device("cuda")
AUTOMATIC, FULL, BFLOAT16 = CpuPrecision
PLAIN = GenerationRequest(prompt="pizza", sampler="Euler", steps=12, seed=100, width=128, height=128)


@pytest.fixture(scope="module")
def demo_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The model that ships in the package: random weights would hide what rounding costs."""
    file = ModelFile(ModelKind.CHECKPOINT, DEMO.name, DEMO)
    return Engine(Library(Folders(tmp_path_factory.mktemp("demo")), bundled=(file,)), None, device="cpu")


@pytest.mark.parametrize(
    ("asked", "speed", "device", "quick", "settles", "dtype"),
    [
        (AUTOMATIC, Speed.FAITHFUL, CPU, True, AUTOMATIC, torch.float32),
        (AUTOMATIC, Speed.BALANCED, CPU, True, AUTOMATIC, torch.float32),
        (AUTOMATIC, Speed.FAST, CPU, True, BFLOAT16, torch.bfloat16),
        (AUTOMATIC, Speed.FAST, CPU, False, AUTOMATIC, torch.float32),
        (FULL, Speed.FAST, CPU, True, FULL, torch.float32),
        (BFLOAT16, Speed.FAITHFUL, CPU, False, BFLOAT16, torch.bfloat16),
        (BFLOAT16, Speed.FAST, CARD, True, AUTOMATIC, torch.float16),
        (FULL, Speed.FAITHFUL, CARD, True, AUTOMATIC, torch.float16),
    ],
)
def test_who_gets_which(
    asked: CpuPrecision, speed: Speed, device: torch.device, quick: bool, settles: CpuPrecision, dtype: torch.dtype
) -> None:
    request = settled(replace(PLAIN, speed=speed, tuning=Tuning(cpu_precision=asked)), device, quick=quick)
    assert request.tuning.cpu_precision is settles
    assert unet_dtype(request, device) is dtype


def test_nearly_the_same_picture_and_the_infotext_tells(demo_engine: Engine) -> None:
    plain = demo_engine.generate(PLAIN, save=False).images[0]
    asked = replace(PLAIN, tuning=Tuning(cpu_precision=BFLOAT16))
    half = demo_engine.generate(asked, save=False).images[0]
    model = demo_engine.models.checkpoints[0].model
    assert {tensor.dtype for tensor in model.unet.parameters()} == {torch.bfloat16}
    assert model.text_encoder.dtype is torch.float32
    far = np.abs(np.asarray(half.image, np.int16) - np.asarray(plain.image, np.int16))
    assert 0 < far.mean() < 1
    assert "CPU precision: bf16" in half.infotext
    assert "precision" not in plain.infotext
    again = demo_engine.generate(PLAIN, save=False).images[0]
    assert np.array_equal(np.asarray(again.image), np.asarray(plain.image))


def test_every_kind_of_work_runs_in_bfloat16(demo_engine: Engine) -> None:
    """Second order, forecast steps, prompts with AND, a hires pass and a batch; all parts agree on their numbers."""
    tuning = Tuning(cpu_precision=BFLOAT16, forecast=0.4, token_merging=0.3)
    request = replace(PLAIN, prompt="pizza AND sun", sampler="DPM++ SDE", batch_size=2, tuning=tuning)
    images = demo_engine.generate(request, save=False).images
    assert len(images) == 2
    assert all(np.asarray(one.image).std() > 10 for one in images)


def test_it_needs_half_the_memory_for_the_unet_alone() -> None:
    counts, work = WeightCounts(unet=2_567_463_684, text=817_719_808, vae=83_653_863), WorkMemory()
    free = FreeMemory(ram=64 * GB, vram=None)
    whole, half = (plan_memory(Path("xl"), counts, work, free, element_bytes=size) for size in (4, 2))
    assert whole.placement is half.placement is Placement.CPU
    assert whole.ram - half.ram == 2 * counts.unet
