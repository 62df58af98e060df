"""TAESD from files of both namings (hechos/a1111.md 6)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import ModelIncomplete, ModelUnreadable, TinyVaeMissing
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.core.tuning import Tuning, VaeMethod
from sdcolab.engine.engine import Engine
from sdcolab.engine.preview import Previewer
from sdcolab.engine.tiny_vae import find_tiny, load_tiny_decoder, load_tiny_encoder

CPU = torch.device("cpu")
WIDTH, LATENT = 6, 4

DECODER = ["clamp", "conv", "relu", *["block"] * 3, "up", "conv0", *["block"] * 3, "up", "conv0", *["block"] * 3]
DECODER += ["up", "conv0", "block", "conv"]
ENCODER = ["conv", "block", "down", *["block"] * 3, "down", *["block"] * 3, "down", *["block"] * 3, "conv"]
"""The layers of the published networks, in order (madebyollin/taesd)."""


def random_tensors(layers: list[str], inputs: int, outputs: int) -> dict[str, Tensor]:
    """Weights by the published names: number of the layer, and place in a block."""
    generator = torch.Generator().manual_seed(3)
    tensors: dict[str, Tensor] = {}

    def conv(name: str, wide_in: int, wide_out: int, bias: bool = True) -> None:
        tensors[f"{name}.weight"] = torch.randn(wide_out, wide_in, 3, 3, generator=generator) / (wide_in * 9) ** 0.5
        if bias:
            tensors[f"{name}.bias"] = torch.randn(wide_out, generator=generator) * 0.1

    convs = [number for number, layer in enumerate(layers) if layer == "conv"]
    for number, layer in enumerate(layers):
        if layer == "block":
            for place in (0, 2, 4):
                conv(f"{number}.conv.{place}", WIDTH, WIDTH)
        elif layer in ("conv", "conv0", "down"):
            wide_in = inputs if number == convs[0] else WIDTH
            conv(str(number), wide_in, outputs if number == convs[-1] else WIDTH, bias=layer == "conv")
    return tensors


def run(layers: list[str], tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network by its definition."""

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return functional.conv2d(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), stride, padding=1)

    for number, layer in enumerate(layers):
        if layer == "clamp":
            x = torch.tanh(x / 3) * 3
        elif layer == "relu":
            x = x.relu()
        elif layer == "up":
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        elif layer == "block":
            inner = conv(f"{number}.conv.2", conv(f"{number}.conv.0", x).relu()).relu()
            x = (x + conv(f"{number}.conv.4", inner)).relu()
        else:
            x = conv(str(number), x, stride=2 if layer == "down" else 1)
    return x


def as_diffusers(tensors: dict[str, Tensor], part: str, shift: int) -> dict[str, Tensor]:
    """The same tensors in a file of diffusers."""
    renamed = {}
    for name, tensor in tensors.items():
        number, _, rest = name.partition(".")
        renamed[f"{part}.layers.{int(number) - shift}.{rest}"] = tensor
    return renamed


@pytest.mark.parametrize("naming", ["published", "diffusers"])
def test_decoder(tmp_path: Path, naming: str) -> None:
    tensors = random_tensors(DECODER, LATENT, 3)
    path = tmp_path / "taesd_decoder.safetensors"
    save_file(tensors if naming == "published" else as_diffusers(tensors, "decoder", 1), path)
    latents = torch.randn(1, LATENT, 4, 6) * 4
    pixels = load_tiny_decoder(path, CPU, torch.float32).decode(latents)
    assert pixels.shape == (1, 3, 32, 48)
    assert torch.allclose(pixels, run(DECODER, tensors, latents) * 2 - 1, atol=1e-5)


@pytest.mark.parametrize("naming", ["published", "diffusers"])
def test_encoder(tmp_path: Path, naming: str) -> None:
    tensors = random_tensors(ENCODER, 3, LATENT)
    path = tmp_path / "taesd_encoder.pth"
    torch.save(tensors if naming == "published" else as_diffusers(tensors, "encoder", 0), path)
    pixels = torch.rand(1, 3, 32, 48) * 2 - 1
    latents = load_tiny_encoder(path, CPU, torch.float32).encode(pixels)
    assert latents.shape == (1, LATENT, 4, 6)
    assert torch.allclose(latents, run(ENCODER, tensors, (pixels + 1) / 2), atol=1e-5)


def test_decoder_makes_previews(tmp_path: Path) -> None:
    save_file(random_tensors(DECODER, LATENT, 3), tmp_path / "x.safetensors")
    decoder = load_tiny_decoder(tmp_path / "x.safetensors", CPU, torch.float32)
    times = iter((0.0, 10.0, 10.0))
    picture = Previewer(decoder, lambda: next(times)).maybe(torch.zeros(2, LATENT, 5, 4))
    assert picture is not None
    assert picture.size == (32, 40)
    assert decoder.picture(torch.full((1, LATENT, 5, 4), torch.nan)) is None


def test_a_part_missing_is_told(tmp_path: Path) -> None:
    tensors = random_tensors(DECODER, LATENT, 3)
    del tensors["9.conv.2.bias"]
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ModelIncomplete):
        load_tiny_decoder(tmp_path / "x.safetensors", CPU, torch.float32)


def test_another_model_is_refused(tmp_path: Path) -> None:
    save_file({"a.weight": torch.zeros(2, 2)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelUnreadable):
        load_tiny_decoder(tmp_path / "x.safetensors", CPU, torch.float32)
    with pytest.raises(ModelUnreadable):
        load_tiny_encoder(tmp_path / "x.safetensors", CPU, torch.float32)


def test_files_are_found_by_family(tmp_path: Path) -> None:
    folder = Folders(tmp_path).tiny_vaes
    assert find_tiny((folder,), "taesd").decoder is None
    folder.mkdir(parents=True)
    for name in ("taesd_decoder.pth", "taesd_decoder.safetensors", "taesdxl_encoder.pth", "None_decoder.pth"):
        (folder / name).touch()
    assert find_tiny((folder,), "taesd").decoder == folder / "taesd_decoder.safetensors"
    assert find_tiny((folder,), "taesd").encoder is None
    assert find_tiny((folder,), "taesdxl").encoder == folder / "taesdxl_encoder.pth"


def test_a_file_that_is_not_there_is_told_by_name_and_found_once_it_came(engine: Engine) -> None:
    request = GenerationRequest(prompt="x", steps=1, width=64, height=64, tuning=Tuning(vae_decoder=VaeMethod.TAESD))
    with pytest.raises(TinyVaeMissing) as caught:
        engine.generate(request)
    assert caught.value.name == "taesd_decoder"
    caught.value.folder.mkdir(parents=True, exist_ok=True)
    tensors = random_tensors(DECODER, LATENT, 3)
    save_file(tensors, caught.value.folder / f"{caught.value.name}.safetensors")
    assert engine.generate(request).images  # the checkpoint and its VAE were in memory


@pytest.mark.parametrize("naming", ["published", "diffusers"])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize(("channels", "family"), [(4, ModelFamily.UNKNOWN), (16, ModelFamily.FLUX)])
def test_what_they_are_is_told(part: str, naming: str, channels: int, family: ModelFamily) -> None:
    tensors = random_tensors(DECODER, channels, 3) if part == "decoder" else random_tensors(ENCODER, 3, channels)
    named = tensors if naming == "published" else as_diffusers(tensors, part, 1 if part == "decoder" else 0)
    header = TensorHeader({name: TensorInfo("F32", tuple(one.shape), 0, 0) for name, one in named.items()})
    found = detect(header)
    assert found.kind is ModelKind.TINY_VAE
    assert found.family is (family if part == "decoder" else ModelFamily.UNKNOWN)
