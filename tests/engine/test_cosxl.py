"""CosXL: SDXL that is told noise levels and no timesteps, and its edition that changes pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.core.detect import ModelFamily, ModelKind, Prediction, detect
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.tensors import read_header
from sdcolab.engine.engine import Engine
from sdcolab.engine.levels import LEVELS
from sdcolab.engine.models import load_vae
from sdcolab.engine.prediction import noise_range
from sdcolab.engine.schedules import ContinuousTable, StepTables
from sdcolab.engine.weights import open_weights
from tools.make_random_families import MINIATURES, write

LOW, HIGH = 0.002, 120.0
REQUEST = GenerationRequest("gato", steps=4, seed=7, width=64, height=64, sampler="Euler")
CPU = torch.device("cpu")

MakeCosxl = Callable[[int], Engine]


@pytest.fixture
def path(folders: Folders) -> Path:
    return folders.models(ModelKind.CHECKPOINT) / "cosxl.safetensors"


@pytest.fixture
def cosxl(path: Path, make_engine: Callable[..., Engine]) -> MakeCosxl:
    def made(channels: int) -> Engine:
        (path.parent / "mini.safetensors").unlink()
        plain = MINIATURES["sdxl"]
        write(path, replace(plain, sizes=replace(plain.sizes, in_channels=channels)))
        told = {"edm_vpred.sigma_min": torch.tensor(LOW), "edm_vpred.sigma_max": torch.tensor(HIGH)}
        save_file(load_file(path) | told, path)
        return make_engine()

    return made


def times_told(engine: Engine) -> list[float]:
    """What the UNet is told of each call from now on."""
    seen: list[float] = []
    (loaded,) = engine.models.checkpoints
    unet = loaded.model.unet
    unet.time_proj.register_forward_pre_hook(lambda _module, given: seen.append(float(given[0].flatten()[0])))
    return seen


def test_the_table_goes_from_end_to_end_evenly_in_the_logarithm() -> None:
    table = ContinuousTable.between(LOW, HIGH, step_tables=StepTables.SDXL)
    assert table.sigma_min == pytest.approx(LOW) and table.sigma_max == pytest.approx(HIGH)
    for sigma in (LOW, 0.01, 1.0, 14.6, HIGH):
        t = table.sigma_to_t(sigma)
        assert float(table.time_told(t)) == pytest.approx(math.log(sigma) / 4, abs=1e-5)
        assert float(table.t_to_sigma(t)) == pytest.approx(sigma, rel=1e-4)
    assert float(table.sigma_to_t(math.sqrt(LOW * HIGH))) == pytest.approx(999 / 2, abs=0.01)


def test_what_it_says_is_what_karras_and_others_define() -> None:
    """Preconditioning with a deviation of the data of 1: c_in, c_skip and c_out of their table 1."""
    x, output, sigma = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor(3.0)
    levels, whole = LEVELS[Prediction.V], sigma**2 + 1
    torch.testing.assert_close(levels.scaled(x, sigma), x / whole.sqrt())
    torch.testing.assert_close(levels.image(x, output, sigma), x / whole - output * sigma / whole.sqrt())


def test_a_checkpoint_is_told_by_its_two_numbers(cosxl: MakeCosxl, path: Path) -> None:
    engine = cosxl(4)
    assert detect(read_header(path)).family is ModelFamily.SDXL
    assert noise_range(open_weights(path)) == (pytest.approx(LOW), HIGH)
    engine.preload()
    seen = times_told(engine)
    assert engine.generate(REQUEST, save=False).images
    assert seen[0] == pytest.approx(math.log(HIGH) / 4, abs=1e-2)
    assert min(seen) == pytest.approx(math.log(LOW) / 4, abs=1e-2) and seen == sorted(seen, reverse=True)
    assert engine.generate(replace(REQUEST, sampler="DDIM"), save=False).images


@pytest.mark.parametrize("number", [0.0, math.nan, 500.0])
def test_numbers_that_make_no_sense_are_not_taken(number: float, cosxl: MakeCosxl, path: Path) -> None:
    cosxl(4)
    save_file(load_file(path) | {"edm_vpred.sigma_min": torch.tensor(number)}, path)
    assert noise_range(open_weights(path)) == (LOW, HIGH)


def test_the_edition_reads_the_picture_as_its_own_latents(cosxl: MakeCosxl, path: Path) -> None:
    engine, photo = cosxl(8), Image.new("RGB", (64, 64), "teal")
    engine.preload()
    (loaded,) = engine.models.checkpoints
    seen: list[Tensor] = []
    loaded.model.unet.conv_in.register_forward_pre_hook(lambda _module, given: seen.append(given[0].clone()))
    engine.generate(replace(REQUEST, init=InitImage((photo,), 0.8, image_cfg_scale=1.5)), save=False)
    vae = load_vae(path, CPU, torch.float32, ModelFamily.SDXL)
    pixels = torch.full((1, 3, 64, 64), -1.0)
    pixels[:, 1:] = 128 / 255 * 2 - 1
    with torch.no_grad():
        mode = vae.encode(pixels).latent_dist.mode()
    torch.testing.assert_close(seen[0][:1, 4:], mode * loaded.model.layout.latent_scale, atol=1e-3, rtol=1e-3)
