"""ControlLLLite (kohya-ss, sd-scripts): small networks that shift what the UNet's linear layers read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sdcolab.core.errors import ModelIncomplete
from sdcolab.engine.attention import AttentionSite
from sdcolab.engine.convert import unet_rename
from sdcolab.engine.weights import Weights

_NAME = re.compile(r"lllite_unet_(.+?)\.(conditioning1|down|mid|up)\.(\d+)\.(weight|bias)")
_PATH = re.compile(
    r"(input_blocks|middle_block|output_blocks)_(\d+)(?:_(\d+))?_transformer_blocks_(\d+)_(attn[12])_to_([qkv])"
)


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """The network of one layer. ``layer`` is the layer's name in diffusers' UNet; tensors by "part.index.kind"."""

    layer: str
    tensors: Mapping[str, Tensor]

    def condition(self, hint: Tensor) -> Tensor:
        """The map [1 or N, 3, H, W] in -1..1 -> [1 or N, h*w, C] for this layer's resolution."""
        indices = sorted({int(name.split(".")[1]) for name in self.tensors if name.startswith("conditioning1.")})
        x = hint
        for position, index in enumerate(indices):
            weight = self.tensors[f"conditioning1.{index}.weight"]
            x = nn.functional.conv2d(x, weight, self.tensors[f"conditioning1.{index}.bias"], stride=weight.shape[-1])
            if position < len(indices) - 1:
                x = x.relu()
        return x.flatten(2).transpose(1, 2)

    def __call__(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """What is added to ``hidden`` [N, n, C], given ``condition`` [N, n, c]."""
        down = self._linear("down.0", hidden).relu()
        middle = self._linear("mid.0", torch.cat([condition, down], dim=2)).relu()
        return self._linear("up.0", middle)

    def _linear(self, part: str, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.tensors[f"{part}.weight"], self.tensors[f"{part}.bias"])


def load_lllite(weights: Weights, layers: int, device: torch.device, dtype: torch.dtype) -> tuple[Shift, ...]:
    """The networks in ``weights``, for a UNet of ``layers`` residual blocks a level. Raises ``ModelIncomplete``."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name in weights.header.tensors:
        if match := _NAME.fullmatch(name):
            tensor = weights.get(name).to(device=device, dtype=dtype)
            groups.setdefault(match[1], {})[f"{match[2]}.{match[3]}.{match[4]}"] = tensor
    shifts = [Shift(layer, tensors) for path, tensors in groups.items() if (layer := _layer(path, layers))]
    if not shifts:
        raise ModelIncomplete(path=weights.path, tensor="lllite_unet_*", count=1)
    return tuple(shifts)


def _layer(path: str, layers: int) -> str | None:
    """kohya's path of a layer -> its name in diffusers' UNet."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    block = "middle_block.1" if match[1] == "middle_block" else f"{match[1]}.{match[2]}.{match[3] or 1}"
    return unet_rename(layers)(f"{block}.transformer_blocks.{match[4]}.{match[5]}.to_{match[6]}")


@contextmanager
def shifted(
    site: AttentionSite, shifts: Sequence[Shift], condition: Callable[[Shift], Tensor], strength: Tensor
) -> Iterator[None]:
    """While it lasts the layers of ``site`` read what they are given plus ``strength`` [N, 1, 1] times what each of
    ``shifts`` says."""
    handles = []
    for shift in shifts:
        layer = site.module.get_submodule(shift.layer.removeprefix(f"{site.name}."))
        handles.append(layer.register_forward_pre_hook(partial(_add, shift, condition(shift), strength)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add(
    shift: Shift, condition: Tensor, strength: Tensor, _layer: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    hidden, *rest = inputs
    if hidden.shape[1] != condition.shape[1]:  # the map is of another size: a merged or cut picture
        return inputs
    rows = condition.repeat(len(hidden) // len(condition), 1, 1)
    return (hidden + shift(hidden, rows) * strength.to(hidden), *rest)
