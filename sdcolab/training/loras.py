"""Finished LoRA files worked on: made smaller, or added up. (Extracting one is ``workshop.extracting``.)

The best change of rank r has the r largest singular values (Eckart & Young 1936): up = U sqrt(S), down = sqrt(S) V.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.checks import check_range
from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import LoraLayersLeftOut, LoraNotPlain, LorasUnlike, ModelWrongKind, SdcolabError
from sdcolab.core.file_facts import fits
from sdcolab.core.library import LORA_ALIAS_KEY
from sdcolab.core.lora_names import layers_of
from sdcolab.engine.weights import open_weights
from sdcolab.training.metadata import LORA_KEYS
from sdcolab.training.network_rules import MAX_DIM
from sdcolab.training.saving import PRECISIONS, encoded_lora


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

    def adds_to(self, other: Factors) -> bool:
        """Whether both change a layer of the same size."""
        one, two = ((it.up.shape[0], it.down.shape[1], it.kernel) for it in (self, other))
        return one == two

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


@dataclass(frozen=True, slots=True)
class PlainLora:
    """The plain layers of a LoRA file, by key; ``left_out``: how many others it has, which nothing is done with."""

    path: Path
    layers: Mapping[str, Factors]
    metadata: Mapping[str, str]
    family: ModelFamily
    left_out: int


def read_plain(path: Path) -> PlainLora:
    """The LoRA at ``path``. Raises ``ModelError``, ``ModelWrongKind`` (no LoRA) or ``LoraNotPlain``."""
    weights = open_weights(path)
    found = detect(weights.header)
    if found.kind not in (ModelKind.LORA, ModelKind.OTHER):
        raise ModelWrongKind(path=path, expected=ModelKind.LORA.value, found=found.kind.value)
    named = layers_of(weights.header.tensors)
    layers: dict[str, Factors] = {}
    for key, names in named.items():
        if not {"up", "down"} <= names.keys() <= {"up", "down", "alpha"}:
            continue
        up, down = (weights.get(names[name]).float() for name in ("up", "down"))
        alpha = float(weights.get(names["alpha"])) if "alpha" in names else down.shape[0]
        layers[key] = Factors(up.flatten(1) * (alpha / down.shape[0]), down.flatten(1), tuple(down.shape[2:]))
    if not layers:
        raise LoraNotPlain(path=path)
    return PlainLora(path, layers, dict(weights.header.metadata), found.family, len(named) - len(layers))


def combined(files: Sequence[tuple[Path, float]], rank: int, warn: Callable[[SdcolabError], object]) -> Combined:
    """The sum of LoRAs, each times its weight, with at most ``rank``: their factors side by side are exactly the sum.
    Of one file, it is that one made smaller.

    Raises ``ModelError``, ``LoraNotPlain``, ``LorasUnlike`` or ``FieldOutOfRange``; layers that cannot be added up are
    told to ``warn``.
    """
    check_range("dim", rank, 1, MAX_DIM)
    loras = [read_plain(path) for path, _ in files]
    parts: dict[str, list[Factors]] = {}
    for lora, (_, weight) in zip(loras, files, strict=True):
        if not fits(lora.family, loras[0].family) or not all(
            layer.adds_to(parts[key][0]) for key, layer in lora.layers.items() if key in parts
        ):
            raise LorasUnlike(path=loras[0].path, other=lora.path)
        for key, layer in lora.layers.items():
            parts.setdefault(key, []).append(Factors(layer.up * weight, layer.down, layer.kernel))
        if lora.left_out:
            warn(LoraLayersLeftOut(path=lora.path, count=lora.left_out, layers=lora.left_out + len(lora.layers)))
    layers = {key: _sum(some).shrunk(rank) for key, some in parts.items()}
    tensors = {name: one for key, layer in layers.items() for name, one in layer.tensors(key).items()}
    return Combined(tensors, max(layer.rank for layer in layers.values()), loras[0].metadata)


@dataclass(frozen=True, slots=True)
class Combined:
    """A LoRA made of others: its tensors, the largest rank of its layers, and the metadata of the first of them."""

    tensors: Mapping[str, Tensor]
    rank: int
    metadata: Mapping[str, str]

    def encoded(self, stem: str, precision: str) -> bytes:
        """The file of it that is called ``stem``, with what of the metadata still holds."""
        kept = {key: value for key, value in self.metadata.items() if key in LORA_KEYS}
        size = str(self.rank)
        told = {**kept, "ss_network_module": "networks.lora", "ss_network_dim": size, "ss_network_alpha": size}
        told |= {LORA_ALIAS_KEY: stem}  # prompts may call it so too
        dtype = PRECISIONS[precision]
        return encoded_lora({name: tensor.to(dtype) for name, tensor in self.tensors.items()}, told)


def _sum(layers: Sequence[Factors]) -> Factors:
    ups, downs = [one.up for one in layers], [one.down for one in layers]
    return Factors(torch.cat(ups, dim=1), torch.cat(downs), layers[0].kernel)
