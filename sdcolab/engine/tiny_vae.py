"""TAESD: tiny networks in place of a VAE's decoder and encoder, fast and a little blurred (hechos/a1111.md 6).

Files are called ``taesd_decoder`` (SD1 and SD2) or ``taesdxl_decoder``, and ``encoder`` likewise, with the names of
madebyollin/taesd or of diffusers inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from PIL import Image
from torch import Tensor

from sdcolab.core.errors import ModelIncomplete, ModelUnreadable
from sdcolab.engine.decode import to_image
from sdcolab.engine.weights import Weights, open_weights

Module = TypeVar("Module", bound=torch.nn.Module)

_SUFFIXES = (".safetensors", ".pth")

_ENCODER_BLOCKS, _DECODER_BLOCKS = (1, 3, 3, 3), (3, 3, 3, 1)
"""Residual blocks at each size, of the published networks."""

_DECODER_SHIFT = 1
"""The published decoder counts its clamp as its first layer; diffusers' module does not."""


@dataclass(frozen=True, slots=True)
class TinyFiles:
    """The TAESD files of a family that are here. ``name``: how theirs begin."""

    name: str
    decoder: Path | None = None
    encoder: Path | None = None


def find_tiny(folders: Sequence[Path], name: str) -> TinyFiles:
    """The files called ``name`` (``Family.tiny_vae``) in ``folders``; ``.safetensors`` before ``.pth``."""

    def file(part: str) -> Path | None:
        paths = (folder / f"{name}_{part}{suffix}" for folder in folders for suffix in _SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    return TinyFiles(name, file("decoder"), file("encoder"))


@dataclass(frozen=True, slots=True, eq=False)
class TinyDecoder:
    """Decodes, and makes previews (``preview.PreviewSource``)."""

    module: DecoderTiny

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """The pixels of ``latents`` [1, C, h, w] in the UNet's scale: float32 [1, 3, 8h, 8w] in -1..1 or so."""
        return self.module(_like(self.module, latents)).float()

    def picture(self, latents: Tensor) -> Image.Image | None:
        """``latents`` [1, C, h, w] as a picture of full size; None when they hold no numbers."""
        pixels = self.decode(latents)
        return to_image(pixels) if torch.isfinite(pixels).all() else None


@dataclass(frozen=True, slots=True, eq=False)
class TinyEncoder:
    """Encodes. It knows no variance, so there is no sampling noise."""

    module: EncoderTiny

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """The latents of ``pixels`` [1, 3, H, W] (-1..1) in the UNet's scale: float32 [1, C, H/8, W/8]."""
        return self.module(_like(self.module, pixels)).float()


def load_tiny_decoder(path: Path, device: torch.device, dtype: torch.dtype) -> TinyDecoder:
    """The decoder in ``path``. Raises ``CannotRead``, ``ModelUnreadable``, ``ModelUnsafe`` or ``ModelIncomplete``."""
    weights, names = _open(path, "decoder", _DECODER_SHIFT)
    width, latent = _shape(weights, names, "layers.0.weight")[:2]
    module = DecoderTiny(latent, 3, _DECODER_BLOCKS, (width,) * 4, 2, "relu", "nearest")
    return TinyDecoder(_filled(module, weights, names, device, dtype))


def load_tiny_encoder(path: Path, device: torch.device, dtype: torch.dtype) -> TinyEncoder:
    """The encoder in ``path``. Raises as ``load_tiny_decoder``."""
    weights, names = _open(path, "encoder", 0)
    width = _shape(weights, names, "layers.0.weight")[0]
    last = len(EncoderTiny(3, 4, _ENCODER_BLOCKS, (1,) * 4, "relu").layers) - 1
    latent = _shape(weights, names, f"layers.{last}.weight")[0]
    module = EncoderTiny(3, latent, _ENCODER_BLOCKS, (width,) * 4, "relu")
    return TinyEncoder(_filled(module, weights, names, device, dtype))


def _open(path: Path, part: str, shift: int) -> tuple[Weights, dict[str, str]]:
    """The file, and its names by those of diffusers' module: "3.conv.0.weight" is the published form of
    "decoder.layers.2.conv.0.weight"."""
    weights = open_weights(path)
    names = {}
    for name in weights.header.tensors:
        number, _, rest = name.partition(".")
        if number.isdecimal():
            names[f"layers.{int(number) - shift}.{rest}"] = name
        elif name.startswith(f"{part}."):
            names[name.removeprefix(f"{part}.")] = name
    return weights, names


def _shape(weights: Weights, names: dict[str, str], name: str) -> tuple[int, ...]:
    found = weights.header.tensors.get(names.get(name, ""))
    if found is None or len(found.shape) != 4:
        raise ModelUnreadable(path=weights.path, reason="not_a_model")
    return found.shape


def _filled(
    module: Module, weights: Weights, names: dict[str, str], device: torch.device, dtype: torch.dtype
) -> Module:
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = weights.header.tensors
    wrong = [name for name, shape in expected.items() if name not in names or found[names[name]].shape != shape]
    if wrong:
        raise ModelIncomplete(path=weights.path, tensor=names.get(wrong[0], wrong[0]), count=len(wrong))
    module.load_state_dict({name: weights.get(names[name]) for name in expected})
    return module.to(device=device, dtype=dtype).eval().requires_grad_(False)


def _like(module: torch.nn.Module, tensor: Tensor) -> Tensor:
    weight = next(module.parameters())
    return tensor.to(weight.device, weight.dtype)
