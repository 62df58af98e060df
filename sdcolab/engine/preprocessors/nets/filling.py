"""Weights from a file into a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sdcolab.core.errors import ModelUnreadable
from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.weights import open_weights

N = TypeVar("N", bound=nn.Module)

COUNTER = "num_batches_tracked"
"""Of a batch norm: counts training steps, and old files lack it."""

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of values from 0 to 1."""


def read(path: Path) -> dict[str, Tensor]:
    """Every tensor of a weight file in fp32, without the ``module.`` that training on several cards leaves.

    Raises ``CannotRead``, ``ModelUnreadable`` or ``ModelUnsafe``.
    """
    weights = open_weights(path)
    return {name.removeprefix("module."): weights.get(name).float() for name in weights.header.tensors}


def filled(net: N, path: Path, named: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]], device: str) -> N:
    """``net`` with the weights of ``path``, which ``named`` calls as the net does, ready to run on ``device``.

    Raises what ``read`` raises, and ``ModelUnreadable`` when a weight is missing or has another shape.
    """
    return filled_with(net, named(read(path)), path, device)


def filled_with(net: N, given: Mapping[str, Tensor], path: Path, device: str) -> N:
    """``net`` with the weights ``given`` by its own names, which come from ``path``. Raises ``ModelUnreadable``."""
    wanted = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith(COUNTER)}
    if any(name not in given or given[name].shape != tensor.shape for name, tensor in wanted.items()):
        raise ModelUnreadable(path=path, reason="not_a_model")
    net.load_state_dict({name: given[name] for name in wanted}, strict=False)
    return net.to(device).eval().requires_grad_(False)


def as_named(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """For nets that have the file's names."""
    return given


def tensor(picture: Pixels, device: str) -> Tensor:
    """uint8 [H, W, 3] -> float32 [1, 3, H, W], 0 to 255."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()[None].to(device)


def normalised(picture: Pixels, device: str) -> Tensor:
    """uint8 [H, W, 3] -> float32 [1, 3, H, W] by ImageNet's mean and deviation."""
    mean, spread = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (_MEAN, _SPREAD))
    return (tensor(picture, device) / 255 - mean) / spread
