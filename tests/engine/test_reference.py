"""Replays of images made by Forge (A1111's numerics) on the full-size random checkpoint; see tests/data/referencia."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.core.result import GenerationResult
from sdcolab.engine import engine as engine_module
from sdcolab.engine.engine import Engine
from sdcolab.engine.hashes import sha256
from sdcolab.engine.schedules import NoiseTable

CASES = Path(__file__).parents[1] / "data" / "referencia" / "imagenes"
NAMES = sorted(path.parent.relative_to(CASES).as_posix() for path in CASES.rglob("case.json"))

MAX_LATENT_ERROR = 1e-3
MAX_BYTE_ERROR = 2


@pytest.fixture(scope="module")
def random_sd15(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The full-size checkpoint (2.1 GB), gone after these tests."""
    from tools.make_random_sd15 import write

    path = tmp_path_factory.mktemp("rand15") / "rand15.safetensors"
    write(path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def library(random_sd15: Path) -> Library:
    from support.reference_extras import write_embeddings, write_lora

    file = ModelFile(ModelKind.CHECKPOINT, random_sd15.name, random_sd15)
    folders = Folders(random_sd15.parent / "extras")
    write_lora(random_sd15, folders.models(ModelKind.LORA) / "randlora.safetensors")
    write_embeddings(folders.models(ModelKind.EMBEDDING))
    return Library(folders, bundled=(file,))


@pytest.fixture(scope="module")
def engines(library: Library) -> dict[bool, Engine]:
    """Engines by ``enable_quantization``: Forge rounds timesteps, A1111 and we interpolate."""
    return {
        quantize: Engine(library, None, device="cpu", table=NoiseTable.stable_diffusion(quantize=quantize))
        for quantize in (True, False)
    }


def replay(engine: Engine, payload: dict) -> tuple[GenerationResult, Tensor]:
    """Run a payload; also gives the latents [N, 4, h, w] that were decoded."""
    latents: list[Tensor] = []
    decode = engine_module.decode

    def spying_decode(vae: object, latent: Tensor, **options: bool) -> Tensor:
        latents.append(latent)
        return decode(vae, latent, **options)

    request = GenerationRequest(
        prompt=payload["prompt"],
        negative_prompt=payload["negative_prompt"],
        sampler=payload["sampler_name"],
        schedule=payload["scheduler"],
        steps=payload["steps"],
        cfg_scale=float(payload["cfg_scale"]),
        seed=payload["seed"],
        width=payload["width"],
        height=payload["height"],
        batch_size=payload.get("batch_size", 1),
        batch_count=payload.get("n_iter", 1),
        noise_origin=NoiseOrigin(payload["override_settings"]["randn_source"]),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "decode", spying_decode)
        result = engine.generate(request)
    return result, torch.cat(latents)


@pytest.mark.lento
def test_checkpoint_is_the_reference_one(random_sd15: Path) -> None:
    assert sha256(random_sd15).startswith("47d5563312")


@pytest.mark.lento
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(NAMES, key=lambda name: (name.startswith("a1111_t"), name)))
def test_image_equals_reference(name: str, engines: dict[bool, Engine], record_property: pytest.RecordProperty) -> None:
    case = json.loads((CASES / name / "case.json").read_text())
    quantize = case["payload"]["override_settings"]["enable_quantization"]
    engines[not quantize]._checkpoint = None  # one full-size model in memory at a time
    result, latents = replay(engines[quantize], case["payload"])

    expected = torch.cat([torch.from_numpy(np.load(file)) for file in sorted((CASES / name).glob("*_latents.npy"))])
    error = float((latents - expected).norm() / expected.norm())
    pictures = [Image.open(CASES / name / f"{index}.png").convert("RGB") for index in range(len(result.images))]
    byte_errors = [
        int(np.abs(np.asarray(made.image, np.int16) - np.asarray(picture, np.int16)).max())
        for made, picture in zip(result.images, pictures, strict=True)
    ]
    record_property("latent_error", error)
    print(f"{name}: latents {error:.1e} relative, PNG {byte_errors} of 255")
    assert [image.seed for image in result.images] == case["info"]["all_seeds"]
    assert error <= MAX_LATENT_ERROR
    assert max(byte_errors) <= MAX_BYTE_ERROR
    assert "Model hash: 47d5563312, Model: rand15" in result.images[0].infotext
    # Their numbers are not compared: Forge hashes a whole LoRA file, A1111 and we what follows its header.
    for label in case["info"]["extra_generation_params"]:
        assert f"{label}: " in result.images[0].infotext
