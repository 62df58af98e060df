"""A LoRA extracted from what a model differs by from another, layer by layer: only the layer at hand is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sdcolab.core.errors import MergeShapes, NothingDiffers
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
    ``MergeUnlike`` for what is no model; getting its last tensor raises ``NothingDiffers``."""
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
    return replace(tuned, outline=outline, get=_Solver(tuned, base, sources).get)


class _Solver:
    """Works out the LoRA layer by layer, as its tensors are asked for: only the layer at hand is in memory."""

    def __init__(self, tuned: Model, base: Model, sources: Mapping[str, _Source]) -> None:
        self._tuned, self._base, self._sources = tuned, base, sources
        self._key, self._solved = "", dict[str, Tensor]()
        self._pending, self._differs = set(sources), False

    def get(self, name: str) -> Tensor:
        """The tensor called so. Raises ``NothingDiffers`` at the last layer when none of them was changed."""
        key, _, kind = name.partition(".")
        if key != self._key:
            self._key, self._solved = key, self._factors(self._sources[key])
            self._pending.discard(key)
            if not self._pending and not self._differs:
                raise NothingDiffers(path=self._tuned.path, base=self._base.path)
        return self._solved[kind]

    def _factors(self, source: _Source) -> dict[str, Tensor]:
        tuned, base = (model.get(source.layer.tensor) for model in (self._tuned, self._base))
        rows = source.layer.rows(tuned)
        change = tuned[rows].float() - base[rows].float()
        self._differs |= float(change.norm()) > _rounding(tuned.dtype, base.dtype) * float(base[rows].float().norm())
        left, right = low_rank(change.flatten(1), source.rank)
        kernel = change.shape[2:]
        return {
            UP: left.reshape(*left.shape, *(1 for _ in kernel)).half(),
            DOWN: right.reshape(source.rank, *change.shape[1:]).half(),
            ALPHA: torch.tensor(float(source.rank)).half(),
        }


def _rounding(one: torch.dtype, other: torch.dtype) -> float:
    """How much of their size the same numbers may differ by in files of two types."""
    return 0.0 if one == other else max(torch.finfo(dtype).eps for dtype in (one, other)) / 2


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
