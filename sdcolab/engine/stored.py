"""Weights kept in 8 bits and used in the model's own type, for half the memory (hechos/a1111.md 10.2; A1111's "FP8
weight").

Only linear layers and convolutions are kept so: nearly all of a model lies in them, and norms suffer most.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.tuning import Fp8, Tuning

FP8 = torch.float8_e4m3fn
"""4 bits of exponent and 3 of mantissa (Micikevicius et al. 2022, arXiv:2209.05433)."""

_SDXL = frozenset({ModelFamily.SDXL, ModelFamily.SDXL_REFINER})


class Storage(Enum):
    """How the weights of a checkpoint are kept."""

    WHOLE = "whole"
    """In the type that it works in."""
    FP8 = "fp8"
    FP8_WITH_COPIES = "fp8_with_copies"
    """And in float16 in the machine's memory too, for LoRAs to be added to."""

    @property
    def is_fp8(self) -> bool:
        """Whether layers work from 8 bits."""
        return self is not Storage.WHOLE


def storage_of(tuning: Tuning, family: ModelFamily) -> Storage:
    """How ``tuning`` wants a checkpoint of ``family`` to be kept."""
    if tuning.fp8 is Fp8.DISABLE or (tuning.fp8 is Fp8.SDXL and family not in _SDXL):
        return Storage.WHOLE
    return Storage.FP8_WITH_COPIES if tuning.cache_fp16 else Storage.FP8


class Stored:
    """What both kinds of layers share. ``working``: the type in which the layer answers. ``copies``: by name, its
    tensors in float16 on the CPU, where there are any.
    """

    def __init__(self) -> None:
        self.working = torch.float32
        self.copies: dict[str, Tensor] = {}

    def kept(self, name: str, tensor: Tensor, storage: Storage) -> Tensor:
        """``tensor``, the layer's ``name``, as it is to be kept. What comes back from a copy is the same to the bit."""
        self.working = tensor.dtype
        if storage is Storage.FP8_WITH_COPIES:
            tensor = tensor.half()
            self.copies[name] = tensor.cpu()
        return tensor.to(FP8)


class StoredLinear(nn.Linear, Stored):
    """A linear layer."""

    def __init__(self, like: nn.Linear) -> None:
        nn.Linear.__init__(self, like.in_features, like.out_features, like.bias is not None, device="meta")
        Stored.__init__(self)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return functional.linear(x, self.weight.to(self.working), _widened(self.bias, self.working))


class StoredConv2d(nn.Conv2d, Stored):
    """A convolution."""

    def __init__(self, like: nn.Conv2d) -> None:
        nn.Conv2d.__init__(
            self,
            like.in_channels,
            like.out_channels,
            like.kernel_size,  # type: ignore[arg-type]  # torch gives a tuple of any length and takes one of two
            like.stride,  # type: ignore[arg-type]
            like.padding,  # type: ignore[arg-type]
            like.dilation,  # type: ignore[arg-type]
            like.groups,
            like.bias is not None,
            device="meta",
        )
        Stored.__init__(self)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, h, w] -> [N, out, h', w']."""
        return self._conv_forward(x, self.weight.to(self.working), _widened(self.bias, self.working))


def _widened(bias: Tensor | None, working: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.to(working)


def to_be_stored(module: nn.Module, without: tuple[str, ...] = ()) -> None:
    """Put layers that keep 8 bits in the place of those of ``module``, which have no weights yet; those whose names end
    as in ``without`` stay.
    """
    for name, layer in list(module.named_modules()):
        parent, _, own = name.rpartition(".")
        if type(layer) is nn.Linear and own not in without:
            setattr(module.get_submodule(parent), own, StoredLinear(layer))
        elif type(layer) is nn.Conv2d and own not in without:
            setattr(module.get_submodule(parent), own, StoredConv2d(layer))
