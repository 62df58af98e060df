"""Number types: half-precision weights on a GPU, full precision on a CPU, and autocast where A1111 has it."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import nn


def weights_dtype(device: torch.device) -> torch.dtype:
    """Type of model weights on ``device``: float16 on CUDA, float32 on a CPU (which is slower in halves)."""
    return torch.float16 if device.type == "cuda" else torch.float32


def autocast(module: nn.Module) -> AbstractContextManager[None]:
    """Mixed precision for calling ``module``: its norms and softmaxes in float32, the rest in float16 (hechos/a1111.md
    0).

    Does nothing for a module in float32.
    """
    weight = next(module.parameters())
    return torch.autocast(weight.device.type, dtype=weight.dtype, enabled=weight.dtype != torch.float32)
