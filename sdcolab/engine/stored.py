"""Weights kept in 8 bits and used in the model's own type, for half the memory (hechos/a1111.md 10.2; A1111's "FP8
weight").

Only linear layers and convolutions are kept so: nearly all of a model lies in them, and norms suffer most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.tuning import EightBits, Fp8, Tuning

FP8 = torch.float8_e4m3fn
"""4 bits of exponent and 3 of mantissa (Micikevicius et al. 2022, arXiv:2209.05433)."""

_MOST = 127
"""The largest whole number of a row; -128 is not used, so that signs are alike."""

_SCALE_BITS = 7
"""Bits that a row's scale leaves free at its end: its product with any number of 7 bits is then exact in float32, so
that what was rounded once is rounded to itself."""

_SDXL = frozenset({ModelFamily.SDXL, ModelFamily.SDXL_REFINER})


@dataclass(frozen=True, slots=True)
class Storage:
    """How the weights of a checkpoint are kept: in ``bits``, or where that is None in the type that it works in.
    ``copies``: and in float16 in the machine's memory too, for LoRAs to be added to.
    """

    bits: EightBits | None = None
    copies: bool = False


WHOLE = Storage()


def storage_of(tuning: Tuning, family: ModelFamily) -> Storage:
    """How ``tuning`` wants a checkpoint of ``family`` to be kept."""
    if tuning.fp8 is Fp8.DISABLE or (tuning.fp8 is Fp8.SDXL and family not in _SDXL):
        return WHOLE
    return Storage(tuning.eight_bits, tuning.cache_fp16)


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor as it is kept: its ``numbers``, and for rows of whole numbers what each is multiplied with, float32
    [rows, 1, ...]."""

    numbers: Tensor
    scale: Tensor | None = None

    def whole(self) -> Tensor:
        """What is meant; in float32 where it had to be multiplied."""
        return self.numbers if self.scale is None else self.numbers * self.scale

    def is_as(self, numbers: Tensor) -> bool:
        """Whether ``numbers`` mean by themselves what they are, in the type of these."""
        return self.scale is None and self.numbers.dtype == numbers.dtype

    def to(self, device: torch.device | str) -> Kept:
        """The same on ``device``."""
        return Kept(self.numbers.to(device), None if self.scale is None else self.scale.to(device))


def rows_of(weight: Tensor) -> Kept:
    """``weight`` [rows, ...] in whole numbers of 8 bits, each row from -127 to 127 of its own scale: symmetric
    quantisation by rows (Dettmers et al. 2022, arXiv:2208.07339, section 2)."""
    values = weight.float()
    largest = values.abs().flatten(1).amax(1).reshape(-1, *[1] * (values.dim() - 1)) / _MOST
    scale = (largest.view(torch.int32) >> _SCALE_BITS << _SCALE_BITS).view(torch.float32)
    numbers = torch.where(scale > 0, values / scale, 0).round().clamp(-_MOST, _MOST)
    return Kept(numbers.to(torch.int8), scale)


class Stored(nn.Module):
    """What both kinds of layers share. ``working``: the type in which the layer answers. ``copies``: by name, its
    tensors in float16 on the CPU, where there are any. ``scale``: what its rows are multiplied with, where they are
    whole numbers.
    """

    working: torch.dtype
    copies: dict[str, Tensor]
    scale: Tensor | None

    def prepare(self, storage: Storage) -> None:
        """Its tensors are going to be kept as ``storage`` says."""
        self._storage, self.working, self.copies = storage, torch.float32, {}
        self.register_buffer("scale", None, persistent=False)

    def load(self, name: str, tensor: Tensor) -> None:
        """``tensor``, in the type that the layer works in, is its ``name``. What comes back from a copy is the same to
        the bit."""
        self.working = tensor.dtype
        if self._storage.copies:
            tensor = tensor.half()
            self.copies[name] = tensor.cpu()
        kept = self.kept(name, tensor)
        self.register_parameter(name, nn.Parameter(kept.numbers, requires_grad=False))
        if kept.scale is not None:
            self.scale = kept.scale

    def kept(self, name: str, tensor: Tensor) -> Kept:
        """``tensor`` as its ``name`` is to be kept. Biases are of few numbers: rows of one are left as they are."""
        if self._storage.bits is EightBits.FP8:
            return Kept(tensor.to(FP8))
        return rows_of(tensor) if name == "weight" else Kept(tensor.to(self.working))

    def _biased(self, bias: Tensor | None) -> Tensor | None:
        return None if bias is None else bias.to(self.working)

    def used(self, weight: Tensor) -> Tensor:
        """What its ``weight`` means, in the type that it works in."""
        return Kept(weight, self.scale).whole().to(self.working)


class StoredLinear(nn.Linear, Stored):
    """A linear layer."""

    def __init__(self, like: nn.Linear, storage: Storage) -> None:
        super().__init__(like.in_features, like.out_features, like.bias is not None, device="meta")
        self.prepare(storage)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return functional.linear(x, self.used(self.weight), self._biased(self.bias))


class StoredConv2d(nn.Conv2d, Stored):
    """A convolution."""

    def __init__(self, like: nn.Conv2d, storage: Storage) -> None:
        super().__init__(
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
        self.prepare(storage)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, h, w] -> [N, out, h', w']."""
        return self._conv_forward(x, self.used(self.weight), self._biased(self.bias))


def used_weight(layer: nn.Module) -> Tensor:
    """The weight that ``layer`` works with, however it is kept."""
    weight = layer.get_parameter("weight")
    return layer.used(weight) if isinstance(layer, Stored) else weight


def to_be_stored(module: nn.Module, storage: Storage, without: tuple[str, ...] = ()) -> None:
    """Put layers that keep what ``storage`` says in the place of those of ``module``, which have no weights yet; those
    whose names end as in ``without`` stay.
    """
    for name, layer in list(module.named_modules()):
        parent, _, own = name.rpartition(".")
        if type(layer) is nn.Linear and own not in without:
            setattr(module.get_submodule(parent), own, StoredLinear(layer, storage))
        elif type(layer) is nn.Conv2d and own not in without:
            setattr(module.get_submodule(parent), own, StoredConv2d(layer, storage))
