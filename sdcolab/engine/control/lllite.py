"""ControlLLLite (kohya-ss, sd-scripts): small networks that shift what the UNet's linear layers read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from sdcolab.core.errors import ControlSizeWrong, ModelIncomplete
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

    @property
    def width(self) -> int:
        """Channels that its layer reads."""
        return self.tensors["up.0.weight"].shape[0]

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


def load_lllite(
    weights: Weights, unet: UNet2DConditionModel, device: torch.device, dtype: torch.dtype
) -> tuple[Shift, ...]:
    """The networks in ``weights`` of those layers that ``unet`` has. Raises ``ModelIncomplete``, and
    ``ControlSizeWrong`` where it has none of them, or of other widths."""
    layers = unet.config.layers_per_block
    groups: dict[str, dict[str, Tensor]] = {}
    for name in weights.header.tensors:
        if match := _NAME.fullmatch(name):
            tensor = weights.get(name).to(device=device, dtype=dtype)
            groups.setdefault(match[1], {})[f"{match[2]}.{match[3]}.{match[4]}"] = tensor
    shifts = [Shift(layer, tensors) for path, tensors in groups.items() if (layer := _layer(path, layers))]
    if not shifts:
        raise ModelIncomplete(path=weights.path, tensor="lllite_unet_*", count=1)
    widths = {name: module.in_features for name, module in unet.named_modules() if isinstance(module, nn.Linear)}
    there = tuple(shift for shift in shifts if shift.layer in widths)
    if not there or any(shift.width != widths[shift.layer] for shift in there):
        raise ControlSizeWrong(path=weights.path)
    return there


def _layer(path: str, layers: int) -> str | None:
    """kohya's path of a layer -> its name in diffusers' UNet."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    block = "middle_block.1" if match[1] == "middle_block" else f"{match[1]}.{match[2]}.{match[3] or 1}"
    return unet_rename(layers)(f"{block}.transformer_blocks.{match[4]}.{match[5]}.to_{match[6]}")


@contextmanager
def shifted(
    site: AttentionSite, shifts: Sequence[Shift], conditions: Callable[[Shift], Sequence[Tensor]], strength: Tensor
) -> Iterator[None]:
    """While it lasts the layers of ``site`` read what they are given plus ``strength`` [N, 1 or n, 1] times what each
    of ``shifts`` says of each of its ``conditions``."""
    handles = []
    for shift in shifts:
        layer = site.module.get_submodule(shift.layer.removeprefix(f"{site.name}."))
        handles.append(layer.register_forward_pre_hook(partial(_add, shift, conditions(shift), strength)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add(
    shift: Shift, conditions: Sequence[Tensor], strength: Tensor, _layer: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    hidden, *rest = inputs
    if any(hidden.shape[1] != one.shape[1] for one in conditions):  # of another size: a merged or cut picture
        return inputs
    rows = (one.repeat(len(hidden) // len(one), 1, 1) for one in conditions)
    return (hidden + sum(shift(hidden, one) for one in rows) * strength.to(hidden), *rest)
