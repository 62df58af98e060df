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
from sdcolab.core.request import GenerationRequest, Hires, InitImage, Inpaint, MaskedContent, NoiseOrigin
from sdcolab.core.result import GenerationResult
from sdcolab.core.tuning import Tuning
from sdcolab.engine import run as run_module
from sdcolab.engine.engine import Engine
from sdcolab.engine.hashes import sha256

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
def engine(library: Library) -> Engine:
    return Engine(library, None, device="cpu")


def picture(name: str) -> Image.Image:
    return Image.open(CASES / "inputs" / name)


def request_of(payload: dict) -> GenerationRequest:
    """The request that a case's payload asks for."""
    settings = payload["override_settings"]
    init = hires = None
    if "init_images" in payload:
        inpaint = None
        if "mask" in payload:
            contents = tuple(MaskedContent)
            inpaint = Inpaint(
                picture("mask.png"),
                blur_x=payload["mask_blur"],
                blur_y=payload["mask_blur"],
                content=contents[payload["inpainting_fill"]],
                only_masked=payload["inpaint_full_res"],
            )
        init = InitImage((picture("init.png"),), strength=payload["denoising_strength"], inpaint=inpaint)
    if payload.get("enable_hr"):
        hires = Hires(
            upscaler=payload["hr_upscaler"],
            steps=payload["hr_second_pass_steps"],
            strength=payload["denoising_strength"],
            scale=payload["hr_scale"],
            cfg_scale=float(payload["hr_cfg"]),
        )
    return GenerationRequest(
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
        noise_origin=NoiseOrigin(settings["randn_source"]),
        init=init,
        hires=hires,
        tuning=Tuning(quantize=settings["enable_quantization"]),
    )


def replay(engine: Engine, payload: dict) -> tuple[GenerationResult, Tensor]:
    """Run a payload; also gives the latents [N, 4, h, w] that became the pictures."""
    latents: list[Tensor] = []
    decode = run_module.decode

    def spying_decode(vae: object, latent: Tensor, **options: bool) -> Tensor:
        latents.append(latent)
        return decode(vae, latent, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "decode", spying_decode)
        result = engine.generate(request_of(payload))
    if payload.get("hr_upscaler") in ("Lanczos",):  # the first pass was decoded too
        latents = latents[len(result.images) :]
    return result, torch.cat(latents)


@pytest.mark.lento
def test_checkpoint_is_the_reference_one(random_sd15: Path) -> None:
    assert sha256(random_sd15).startswith("47d5563312")


@pytest.mark.lento
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_image_equals_reference(name: str, engine: Engine, record_property: pytest.RecordProperty) -> None:
    case = json.loads((CASES / name / "case.json").read_text())
    result, latents = replay(engine, case["payload"])

    passes = [torch.from_numpy(np.load(file)) for file in sorted((CASES / name).glob("*_latents.npy"))]
    expected = passes[-1] if case["payload"].get("enable_hr") else torch.cat(passes)
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
