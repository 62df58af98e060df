"""Number types: half-precision weights on a GPU, full precision on a CPU unless asked otherwise, and autocast where
A1111 has it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from torch import nn

from sdcolab.core.request import GenerationRequest
from sdcolab.core.speed import IN_BFLOAT16
from sdcolab.core.tuning import CpuPrecision


def weights_dtype(device: torch.device) -> torch.dtype:
    """Type of model weights on ``device``: float16 on CUDA, float32 on a CPU (which is slower in float16)."""
    return torch.float16 if device.type == "cuda" else torch.float32


def unet_dtype(request: GenerationRequest, device: torch.device) -> torch.dtype:
    """Type of the UNet's weights for ``request``, whose precision is ``settled``."""
    wanted = request.tuning.cpu_precision is CpuPrecision.BFLOAT16 and device.type == "cpu"
    return torch.bfloat16 if wanted else weights_dtype(device)


def settled(request: GenerationRequest, device: torch.device, *, quick: bool) -> GenerationRequest:
    """``request`` with the precision that it gets on ``device``, which its infotext then tells. ``quick``: whether the
    processor has instructions for bfloat16.

    A card has one precision, so nothing is said of it there.
    """
    precision = request.tuning.cpu_precision
    if device.type != "cpu":
        precision = CpuPrecision.AUTOMATIC
    elif precision is CpuPrecision.AUTOMATIC and quick and request.speed in IN_BFLOAT16:
        precision = CpuPrecision.BFLOAT16
    return replace(request, tuning=replace(request.tuning, cpu_precision=precision))


def quick_in_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 about twice as fast as float32 (AVX512-BF16 or AMX): without those
    instructions it is slower."""
    # torch has said so in public (``torch.cpu.get_capabilities``) only since 2.10.
    found = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(asks() for asks in found if asks is not None)


def working_dtype(module: nn.Module) -> torch.dtype:
    """The type in which ``module`` works: that of its first weights that are not kept in 8 bits."""
    dtypes = (weight.dtype for weight in module.parameters())
    return next(dtype for dtype in dtypes if dtype.itemsize > 1)


def autocast(module: nn.Module) -> AbstractContextManager[None]:
    """Mixed precision for calling ``module``: its norms and softmaxes in float32, the rest in its weights' type
    (hechos/a1111.md 0).

    Does nothing for a module in float32.
    """
    device, dtype = next(module.parameters()).device, working_dtype(module)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
