"""A LoRA extracted from what a model differs by from another, layer by layer: only the layer at hand is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sdcolab.core.errors import MergeShapes
from sdcolab.core.workshop import Extract
from sdcolab.engine.low_rank import low_rank
from sdcolab.workshop.loras import Layer, layers_by_key
from sdcolab.workshop.model import Model, check_alike

UP, DOWN, ALPHA = "lora_up.weight", "lora_down.weight", "alpha"


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A layer of the LoRA: where it comes from and its rank."""

    layer: Layer
    rank: int


def extracted(tuned: Model, base: Model, wanted: Extract) -> Model:
    """The LoRA that makes about ``tuned`` of ``base``. Raises ``MergeShapes`` for models of different families, and
    ``MergeUnlike`` for what is no model."""
    check_alike(base, tuned)
    sources: dict[str, _Source] = {}
    outline: dict[str, Tensor] = {}
    for key, layer in _names(layers_by_key(tuple(tuned.outline))).items():
        if layer.tensor not in base.outline or (layer.text and not wanted.text_encoder):
            continue
        one, other = tuned.outline[layer.tensor], base.outline[layer.tensor]
        if one.shape != other.shape:
            raise MergeShapes(name=layer.tensor, first=str(tuple(one.shape)), second=str(tuple(other.shape)))
        shape = one[layer.rows(one)].shape
        asked = wanted.rank if _is_linear(shape) else wanted.conv_rank
        if len(shape) not in (2, 4) or not asked:
            continue
        rank = min(asked, shape[0], shape[1:].numel())
        kernel = shape[2:]
        sources[key] = _Source(layer, rank)
        outline[f"{key}.{UP}"] = _meta(shape[0], rank, *(1 for _ in kernel))
        outline[f"{key}.{DOWN}"] = _meta(rank, *shape[1:])
        outline[f"{key}.{ALPHA}"] = _meta()
    solved: dict[str, Mapping[str, Tensor]] = {}

    def get(name: str) -> Tensor:
        key, _, kind = name.partition(".")
        if key not in solved:
            solved.clear()  # tensors are asked for layer by layer
            solved[key] = _factors(tuned, base, sources[key])
        return solved[key][kind]

    return replace(tuned, outline=outline, get=get)


def _factors(tuned: Model, base: Model, source: _Source) -> dict[str, Tensor]:
    one = tuned.get(source.layer.tensor)
    rows = source.layer.rows(one)
    change = one[rows].float() - base.get(source.layer.tensor)[rows].float()
    left, right = low_rank(change.flatten(1), source.rank)
    kernel = change.shape[2:]
    return {
        UP: left.reshape(*left.shape, *(1 for _ in kernel)).half(),
        DOWN: right.reshape(source.rank, *change.shape[1:]).half(),
        ALPHA: torch.tensor(float(source.rank)).half(),
    }


def _names(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """The layers that trainers train, each under the one name that all programs know (kohya's)."""
    second = any(key.startswith("lora_te2_") for key in layers)
    text = "lora_te1_text_model_encoder", "lora_te2_text_model_encoder"
    prefixes = (
        "lora_unet_down_",
        "lora_unet_mid_",
        "lora_unet_up_",
        *(text if second else ("lora_te_text_model_encoder",)),
    )
    return {key: layer for key, layer in layers.items() if key.startswith(prefixes)}


def _is_linear(shape: torch.Size) -> bool:
    return shape[2:].numel() == 1


def _meta(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float16, device="meta")
