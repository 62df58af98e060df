"""Write what the reference cases guide pictures with: full-size SD 1.5 ControlNets and a T2I-Adapter of seeded random
weights, for the checkpoint of ``make_random_sd15.py``.

    python tools/make_random_control.py CARPETA --modelo rand15.safetensors

``randcontrol`` has the original names, ``randcontrol_diffusers`` the same numbers under diffusers', ``randcontrol2``
another seed without the usual prefix, ``randcontrol_diff`` the differences from the checkpoint. Their convolutions that
begin as zeros in training are not zero here, so that they change every picture a lot.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sdcolab.engine.control.names import controlnet_rename
from tools.make_random_sd15 import FULL, UNET, Draw, Sizes, draw_down, draw_middle

CONTROL = "control_model."
HINT = (3, 16, 16, 32, 32, 96, 96, 256)
HINT_GAIN, ZERO_GAIN = 1.6, 0.35
ADAPTER_LEVELS, ADAPTER_CHANNELS = 4, 192


def control(seed: int = 77, sizes: Sizes = FULL) -> dict[str, Tensor]:
    """A ControlNet's tensors, float16, by their original names."""
    draw, base = Draw(seed, torch.float16), sizes.unet_widths[0]
    time_width = 4 * base
    draw.linear(f"{CONTROL}time_embed.0", time_width, base, 1.5)
    draw.linear(f"{CONTROL}time_embed.2", time_width, time_width, 1.5)
    draw.conv(f"{CONTROL}input_blocks.0.0", base, 4, 3)
    for place, (inputs, out) in enumerate(zip(HINT, (*HINT[1:], base), strict=True)):
        _hint(draw, f"{CONTROL}input_hint_block.{2 * place}", out, inputs)
    for place, width in enumerate(draw_down(draw, sizes, time_width, CONTROL)):
        draw.conv(f"{CONTROL}zero_convs.{place}.0", width, width, 1, ZERO_GAIN)
    draw_middle(draw, sizes, time_width, CONTROL)
    deepest = sizes.unet_widths[-1]
    draw.conv(f"{CONTROL}middle_block_out.0", deepest, deepest, 1, ZERO_GAIN)
    return draw.tensors


def _hint(draw: Draw, name: str, out: int, inputs: int) -> None:
    deviation = HINT_GAIN / math.sqrt(9 * inputs)
    bias = draw.normal(f"{name}.bias", (out,), 0.05 * HINT_GAIN)
    draw.fixed(name, draw.normal(f"{name}.weight", (out, inputs, 3, 3), deviation), bias)


def without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by their bare names."""
    return {name.removeprefix(CONTROL): tensor for name, tensor in tensors.items()}


def diffusers_named(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by diffusers' names."""
    rename = controlnet_rename(tensors)
    return {str(rename(name)): tensor for name, tensor in tensors.items()}


def difference(tensors: dict[str, Tensor], checkpoint: Path) -> dict[str, Tensor]:
    """What is left of ``tensors`` once the weights of ``checkpoint`` of the same name and shape are taken off."""
    made = {"difference": torch.zeros(1, dtype=torch.float16)}
    with safe_open(checkpoint, "pt") as file:
        known = set(file.keys())
        for name, tensor in tensors.items():
            own = UNET + name.removeprefix(CONTROL)
            base = file.get_tensor(own) if own in known else None
            taken = base is not None and base.shape == tensor.shape
            made[name] = (tensor.float() - base.float()).half() if taken and base is not None else tensor
    return made


def adapter(sizes: Sizes = FULL) -> dict[str, Tensor]:
    """A T2I-Adapter's tensors, float16."""
    draw, widths = Draw("extras2", torch.float16), sizes.unet_widths
    _adapter_layer(draw, "conv_in", widths[0], ADAPTER_CHANNELS, 3, 2.0)
    for level in range(ADAPTER_LEVELS):
        for part in range(2):
            name, width = f"body.{2 * level + part}", widths[level]
            if part == 0 and level and widths[level - 1] != width:
                _adapter_layer(draw, f"{name}.in_conv", width, widths[level - 1], 1, 1.0)
            _adapter_layer(draw, f"{name}.block1", width, width, 3, 1.2)
            _adapter_layer(draw, f"{name}.block2", width, width, 1, 0.8)
    return draw.tensors


def _adapter_layer(draw: Draw, name: str, out: int, inputs: int, kernel: int, gain: float) -> None:
    weight = draw.normal(f"t2i{name}", (out, inputs, kernel, kernel), gain / math.sqrt(inputs * kernel * kernel))
    draw.fixed(name, weight, draw.normal(f"t2i{name}b", (out,), 0.02))


MAKERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "randcontrol": lambda _: control(),
    "randcontrol_diffusers": lambda _: diffusers_named(control()),
    "randcontrol2": lambda _: without_prefix(control(78)),
    "randcontrol_diff": lambda checkpoint: difference(control(), checkpoint),
    "randt2i": lambda _: adapter(),
}
"""Every file, by its stem, from the checkpoint that it goes with."""


def write_control(names: Iterable[str], folder: Path, checkpoint: Path) -> None:
    """Write those files called ``names`` that ``folder`` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            save_file(MAKERS[name](checkpoint), path, metadata={"format": "pt"})


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description="Escribe modelos de ControlNet de pesos aleatorios para SD 1.5")
    parser.add_argument("carpeta", type=Path)
    parser.add_argument("--modelo", type=Path, required=True, help="el checkpoint de make_random_sd15.py")
    options = parser.parse_args()
    write_control(MAKERS, options.carpeta, options.modelo)


if __name__ == "__main__":
    main()
