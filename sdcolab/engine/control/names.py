"""ControlNet files in CompVis' ("LDM") names -> diffusers' names, and shapes -> configs. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sdcolab.engine.convert import (
    Config,
    FamilyLayout,
    MissingTensor,
    Rename,
    Shapes,
    unet_config,
    unet_layers,
    unet_rename,
)

PREFIX = "control_model."
_HINT = re.compile(r"input_hint_block\.(\d+)\.(weight|bias)")
_ZERO = re.compile(r"zero_convs\.(\d+)\.0\.(weight|bias)")
_MIDDLE = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
_NO_TRANSFORMER = "UNetMidBlock2D"


def plain(name: str) -> str:
    """Without the prefix that most files have."""
    return name.removeprefix(PREFIX)


def controlnet_rename(names: Iterable[str]) -> Rename:
    """Renaming of the tensors of a ControlNet in CompVis' names, with or without prefix."""
    bare = [plain(name) for name in names]
    hints = [int(match[1]) for name in bare if (match := _HINT.fullmatch(name))]
    last = max(hints, default=0)
    inner = unet_rename(unet_layers(bare))

    def rename(name: str) -> str | None:
        name = plain(name)
        if match := _HINT.fullmatch(name):
            index = int(match[1])
            part = "conv_in" if index == 0 else "conv_out" if index == last else f"blocks.{index // 2 - 1}"
            return f"controlnet_cond_embedding.{part}.{match[2]}"
        if match := _ZERO.fullmatch(name):
            return f"controlnet_down_blocks.{match[1]}.{match[2]}"
        if name.startswith("middle_block_out.0."):
            return f"controlnet_mid_block.{name.removeprefix('middle_block_out.0.')}"
        return inner(name)

    return rename


def controlnet_layers(names: Iterable[str]) -> int:
    """Residual blocks a level, of a ControlNet in diffusers' names."""
    found = [int(match[1]) for name in names if (match := re.match(r"down_blocks\.0\.resnets\.(\d+)\.", name))]
    return max(found, default=0) + 1


def controlnet_config(shapes: Shapes, layout: FamilyLayout) -> Config:
    """Arguments of ``ControlNetModel`` for tensors of these shapes (diffusers' names). Raises ``MissingTensor``."""
    known = Shapes({**shapes, "conv_out.weight": (shapes["conv_in.weight"][1], 0, 3, 3)})
    without_attention = _MIDDLE not in shapes
    if without_attention:  # SDXL's "small"
        known[_MIDDLE] = (0, 1)
        known["mid_block.attentions.0.proj_in.weight"] = (1, 1)
    config = unet_config(known, layout, controlnet_layers(shapes))
    for name in ("out_channels", "up_block_types", "time_embedding_dim"):
        del config[name]
    if without_attention:
        config |= {"mid_block_type": _NO_TRANSFORMER, "transformer_layers_per_block": 1}
    return {
        **config,
        "conditioning_channels": shapes["controlnet_cond_embedding.conv_in.weight"][1],
        "conditioning_embedding_out_channels": _hint_widths(shapes),
    }


def _hint_widths(shapes: Shapes) -> tuple[int, ...]:
    """Channels of the block that reads the map: those of its first convolution and of every second one after it."""
    widths = [shapes["controlnet_cond_embedding.conv_in.weight"][0]]
    index = 1
    while f"controlnet_cond_embedding.blocks.{index}.weight" in shapes:
        widths.append(shapes[f"controlnet_cond_embedding.blocks.{index}.weight"][0])
        index += 2
    return tuple(widths)


def union_config(shapes: Shapes, layout: FamilyLayout) -> Config:
    """Arguments of ``ControlNetUnionModel``. Raises ``MissingTensor``."""
    types, channels = shapes["task_embedding"]
    layers = 0
    while f"transformer_layes.{layers}.attn.in_proj_weight" in shapes:  # diffusers spells it so
        layers += 1
    return {
        **controlnet_config(shapes, layout),
        "num_control_type": types,
        "num_trans_channel": channels,
        "num_trans_layer": layers,
        "num_proj_channel": shapes["spatial_ch_projs.weight"][0],
    }


__all__ = [
    "PREFIX",
    "MissingTensor",
    "controlnet_config",
    "controlnet_rename",
    "plain",
    "union_config",
]
