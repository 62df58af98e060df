"""Modules from control files: built without memory, filled tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from sdcolab.core.errors import ModelIncomplete
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.engine.models import without_weights
from sdcolab.engine.weights import Weights

M = TypeVar("M", bound=nn.Module)


def renamed_weights(weights: Weights, rename: Callable[[str], str | None]) -> Weights:
    """The tensors that ``rename`` knows, under their new names."""
    names = {new: old for old in weights.header.tensors if (new := rename(old)) is not None}
    infos = {new: weights.header.tensors[old] for new, old in names.items()}
    return Weights(weights.path, replace(weights.header, tensors=infos), lambda new: weights.get(names[new]))


def with_tensors(weights: Weights, made: Mapping[str, tuple[tuple[int, ...], Callable[[], Tensor]]]) -> Weights:
    """``weights`` with tensors that are made when they are asked for: name -> (shape, maker)."""
    infos = {name: TensorInfo("F32", shape, 0, 0) for name, (shape, _) in made.items()}
    tensors = {**weights.header.tensors, **infos}

    def get(name: str) -> Tensor:
        return made[name][1]() if name in made else weights.get(name)

    return Weights(weights.path, TensorHeader(tensors, weights.header.metadata, weights.header.size), get)


def built(make: Callable[[], M], weights: Weights, device: torch.device, dtype: torch.dtype) -> M:
    """The module with its tensors from ``weights``, which have its names. Linear layers may be 1x1 convolutions in the
    file. Raises ``ModelIncomplete``.
    """
    with without_weights():
        module = make()
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = weights.header.tensors
    wrong = [
        name
        for name, shape in expected.items()
        if name not in found or found[name].shape not in (shape, (*shape, 1, 1))
    ]
    if wrong:
        raise ModelIncomplete(path=weights.path, tensor=wrong[0], count=len(wrong))
    owners = dict(module.named_modules())
    buffers = {name for name, _ in module.named_buffers()}
    for name, shape in expected.items():
        tensor = weights.get(name).reshape(shape).to(device=device, dtype=dtype)
        owner, _, leaf = name.rpartition(".")
        if name in buffers:
            owners[owner].register_buffer(leaf, tensor)
        else:
            owners[owner].register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    module.eval()
    return module
