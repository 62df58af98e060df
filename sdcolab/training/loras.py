"""Finished LoRA files worked on: made smaller, or added up. (Extracting one is ``workshop.extracting``.)

The best change of rank r has the r largest singular values (Eckart & Young 1936): up = U sqrt(S), down = sqrt(S) V.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdcolab.core.checks import check_range
from sdcolab.core.errors import LoraNoLayers
from sdcolab.core.lora_names import layers_of
from sdcolab.engine.weights import open_weights
from sdcolab.training.metadata import LORA_KEYS
from sdcolab.training.network_rules import MAX_DIM
from sdcolab.training.saving import PRECISIONS, write_lora


@dataclass(frozen=True, slots=True)
class Factors:
    """A layer's change as up [out, r] times down [r, columns], with its scale in it; ``kernel`` of a convolution."""

    up: Tensor
    down: Tensor
    kernel: tuple[int, ...] = ()

    @property
    def rank(self) -> int:
        """r."""
        return self.down.shape[0]

    def shrunk(self, rank: int) -> Factors:
        """The best change of at most ``rank``. The product itself is never made: QR of both factors, SVD of the
        core.
        """
        if rank >= self.rank:
            return self
        left, first = torch.linalg.qr(self.up.float())
        right, second = torch.linalg.qr(self.down.float().T)
        u, values, v = torch.linalg.svd(first @ second.T)
        root = values[:rank].sqrt()
        return Factors(left @ u[:, :rank] * root, root[:, None] * (v[:rank] @ right.T), self.kernel)

    def tensors(self, key: str) -> dict[str, Tensor]:
        """The file's tensors: alpha is the rank, so that nothing is scaled again."""
        inside = self.down.shape[1]
        for side in self.kernel:
            inside //= side
        ones = [1] * len(self.kernel)
        return {
            f"{key}.lora_down.weight": self.down.reshape(self.rank, inside, *self.kernel).contiguous(),
            f"{key}.lora_up.weight": self.up.reshape(self.up.shape[0], self.rank, *ones).contiguous(),
            f"{key}.alpha": torch.tensor(float(self.rank)),
        }


def read_factors(path: Path) -> tuple[dict[str, Factors], dict[str, str]]:
    """The plain layers of a LoRA file by key, and its metadata. Raises ``ModelError``, ``LoraNoLayers``."""
    weights = open_weights(path)
    found: dict[str, Factors] = {}
    for key, names in layers_of(weights.header.tensors).items():
        if not {"up", "down"} <= names.keys() <= {"up", "down", "alpha"}:
            continue
        up, down = (weights.get(names[name]).float() for name in ("up", "down"))
        alpha = float(weights.get(names["alpha"])) if "alpha" in names else down.shape[0]
        found[key] = Factors(up.flatten(1) * (alpha / down.shape[0]), down.flatten(1), tuple(down.shape[2:]))
    if not found:
        raise LoraNoLayers(path=path)
    return found, dict(weights.header.metadata)


def resize(path: Path, rank: int) -> dict[str, Tensor]:
    """The tensors of the LoRA at ``path`` with at most ``rank``. Raises ``ModelError``, ``FieldOutOfRange``."""
    check_range("dim", rank, 1, MAX_DIM)
    layers, _ = read_factors(path)
    return {name: one for key, layer in layers.items() for name, one in layer.shrunk(rank).tensors(key).items()}


def merge(files: Sequence[tuple[Path, float]], rank: int) -> dict[str, Tensor]:
    """The sum of LoRAs, each times its weight, with at most ``rank``: their factors side by side are exactly the sum.

    Raises ``ModelError``, ``FieldOutOfRange``.
    """
    check_range("dim", rank, 1, MAX_DIM)
    parts: dict[str, list[Factors]] = {}
    for path, weight in files:
        for key, layer in read_factors(path)[0].items():
            parts.setdefault(key, []).append(Factors(layer.up * weight, layer.down, layer.kernel))
    made: dict[str, Tensor] = {}
    for key, layers in parts.items():
        fitting = [one for one in layers if one.down.shape[1] == layers[0].down.shape[1]]
        whole = Factors(
            torch.cat([one.up for one in fitting], dim=1), torch.cat([one.down for one in fitting]), layers[0].kernel
        )
        made |= whole.shrunk(rank).tensors(key)
    return made


def write(path: Path, tensors: Mapping[str, Tensor], rank: int, metadata: Mapping[str, str], precision: str) -> None:
    """Write the LoRA with what of ``metadata`` still holds. Raises ``StorageError``."""
    kept = {key: value for key, value in metadata.items() if key in LORA_KEYS}
    told = {**kept, "ss_network_module": "networks.lora", "ss_network_dim": str(rank), "ss_network_alpha": str(rank)}
    dtype = PRECISIONS[precision]
    write_lora(path, {name: tensor.to(dtype) for name, tensor in tensors.items()}, told)
