"""T2I-Adapters (Mou et al. 2023, arXiv:2302.08453), in the authors' and in diffusers' names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from diffusers import T2IAdapter

from sdcolab.core.errors import ModelIncomplete
from sdcolab.engine.control.filling import built, renamed_weights
from sdcolab.engine.convert import Rename, Shapes
from sdcolab.engine.weights import Weights

_FOLD, _FOLD_XL = 8, 16
"""Pixels of a side that the first layer folds into channels."""


def adapter_rename(names: Iterable[str]) -> Rename:
    """The authors' names -> diffusers'. Full adapters count the blocks of all levels together there."""
    bare = [name.removeprefix("adapter.") for name in names]
    levels = [int(match[1]) for name in bare if (match := re.match(r"body\.(\d+)\.", name))]
    light = any(name.startswith("body.0.out_conv.") for name in bare)
    diffusers = any(".resnets." in name for name in bare)
    blocks = max(1, (max(levels, default=0) + 1) // 4)

    def rename(name: str) -> str | None:
        name = name.removeprefix("adapter.")
        match = re.fullmatch(r"body\.(\d+)\.(.+)", name)
        if match is None:
            return f"adapter.{name}" if name.startswith("conv_in.") else None
        level, rest = int(match[1]), match[2]
        if diffusers:
            return f"adapter.{name}"
        if light:
            return f"adapter.body.{level}.{re.sub(r'^body[.]', 'resnets.', rest)}"
        level, block = divmod(level, blocks)
        return f"adapter.body.{level}.{rest}" if rest.startswith("in_conv.") else (
            f"adapter.body.{level}.resnets.{block}.{rest}"
        )  # fmt: skip

    return rename


def adapter_config(shapes: Shapes) -> dict[str, object]:
    """Arguments of ``T2IAdapter`` for tensors of these shapes (diffusers' names). Raises ``MissingTensor``."""
    light = "adapter.conv_in.weight" not in shapes
    first = shapes["adapter.body.0.in_conv.weight" if light else "adapter.conv_in.weight"][1]
    fold = _FOLD_XL if first in (_FOLD_XL**2, 3 * _FOLD_XL**2) else _FOLD
    blocks = 0
    while f"adapter.body.0.resnets.{blocks}.block1.weight" in shapes:
        blocks += 1
    if light:
        channels = [shapes[f"adapter.body.{level}.out_conv.weight"][0] for level in range(3)]
        kind = "light_adapter"
    else:
        channels = [shapes[f"adapter.body.{level}.resnets.0.block1.weight"][0] for level in range(4)]
        kind = "full_adapter_xl" if fold == _FOLD_XL else "full_adapter"
    return {
        "in_channels": first // fold**2,
        "channels": channels,
        "num_res_blocks": blocks,
        "downscale_factor": fold,
        "adapter_type": kind,
    }


def load_adapter(weights: Weights, device: torch.device, dtype: torch.dtype) -> T2IAdapter:
    """The adapter in ``weights``. Raises ``ModelIncomplete``."""
    named = renamed_weights(weights, adapter_rename(weights.header.tensors))
    try:
        config = adapter_config(Shapes(named.shapes))
    except LookupError as missing:
        raise ModelIncomplete(path=weights.path, tensor=str(missing.args[0]), count=1) from missing
    return built(lambda: T2IAdapter(**config), named, device, dtype)
