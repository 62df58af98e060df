"""Tiny upscaler networks with the tensor names of real files, and spandrel where torchvision is none."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

SCALE = 4
_FILTERS, _GROWTH = 4, 32

NAMINGS: Mapping[str, Mapping[str, str]] = {
    "old": {
        "first": "model.0",
        "dense": "model.1.sub.0.RDB{block}.conv{layer}.0",
        "trunk": "model.1.sub.1",
        "up1": "model.3",
        "up2": "model.6",
        "detail": "model.8",
        "last": "model.10",
    },
    "new": {
        "first": "conv_first",
        "dense": "RRDB_trunk.0.RDB{block}.conv{layer}",
        "trunk": "trunk_conv",
        "up1": "upconv1",
        "up2": "upconv2",
        "detail": "HRconv",
        "last": "conv_last",
    },
    "real": {
        "first": "conv_first",
        "dense": "body.0.rdb{block}.conv{layer}",
        "trunk": "conv_body",
        "up1": "conv_up1",
        "up2": "conv_up2",
        "detail": "conv_hr",
        "last": "conv_last",
    },
}
"""What ESRGAN's layers are called in its first version (and most of what people share), its second, and Real-ESRGAN."""


def import_spandrel() -> None:
    """spandrel imports two functions of torchvision for families that no test here loads; where torchvision is not
    installed (or its wheel is for another torch) they are stood in for while it is imported."""
    try:
        importlib.import_module("torchvision.transforms.functional")
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
                patch.setitem(sys.modules, name, ModuleType(name))
            for name in ("InterpolationMode", "rotate", "normalize"):
                setattr(sys.modules["torchvision.transforms.functional"], name, None)
            importlib.import_module("spandrel")


def esrgan_layers(seed: int = 0) -> dict[str, Tensor]:
    """Random weights and biases of a four-fold ESRGAN with one block, by names of our own."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {"first": (3, _FILTERS)}
    for block in (1, 2, 3):
        for layer in range(1, 6):
            outputs = _GROWTH if layer < 5 else _FILTERS
            sizes[f"dense{block}{layer}"] = (_FILTERS + (layer - 1) * _GROWTH, outputs)
    sizes |= dict.fromkeys(("trunk", "up1", "up2", "detail"), (_FILTERS, _FILTERS)) | {"last": (_FILTERS, 3)}
    layers = {}
    for name, (inputs, outputs) in sizes.items():
        layers[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / (inputs * 5) ** 0.5
        layers[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.05
    layers["last.bias"] += 0.5
    return layers


def named(layers: Mapping[str, Tensor], naming: str) -> dict[str, Tensor]:
    """``layers`` as a file of that ``naming`` calls them."""
    names = NAMINGS[naming]

    def rename(name: str) -> str:
        layer, _, kind = name.partition(".")
        if layer.startswith("dense"):
            return names["dense"].format(block=layer[5], layer=layer[6]) + f".{kind}"
        return f"{names[layer]}.{kind}"

    return {rename(name): tensor for name, tensor in layers.items()}


def esrgan(layers: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
    """ESRGAN's generator (Wang et al. 2018, arXiv:1809.00219, figure 4): [1, 3, H, W] -> [1, 3, 4H, 4W]."""

    def conv(name: str, x: Tensor) -> Tensor:
        return functional.conv2d(x, layers[f"{name}.weight"], layers[f"{name}.bias"], padding=1)

    def leaky(x: Tensor) -> Tensor:
        return functional.leaky_relu(x, 0.2)

    def dense(block: int, x: Tensor) -> Tensor:
        outputs = [x]
        for layer in range(1, 5):
            outputs.append(leaky(conv(f"dense{block}{layer}", torch.cat(outputs, dim=1))))
        return x + 0.2 * conv(f"dense{block}5", torch.cat(outputs, dim=1))

    first = conv("first", pixels)
    features = first + conv("trunk", first + 0.2 * dense(3, dense(2, dense(1, first))))
    for name in ("up1", "up2"):
        features = leaky(conv(name, functional.interpolate(features, scale_factor=2, mode="nearest")))
    return conv("last", leaky(conv("detail", features)))


def write_esrgan(path: Path, naming: str = "real", seed: int = 0, wrapper: str | None = None) -> dict[str, Tensor]:
    """A file of a random ESRGAN, a pickle unless ``path`` says safetensors; gives its layers."""
    layers = esrgan_layers(seed)
    tensors = named(layers, naming)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({wrapper: tensors} if wrapper else tensors, path)
    return layers
