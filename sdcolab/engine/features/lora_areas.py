"""LoRAs that act only where their part of the prompt draws (Latent Couple): nothing of them is merged.

Each layer of the UNet that a file changes answers y + m * change(x) in the rows of that part and in the places of its
area; the other rows and places answer as if there were no such file. What reads the prompt's words (the keys and values
of cross-attention) has no place: while the areas last, the part counts in its area only, so they act in all of its row,
and afterwards not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.core.regions import Region
from sdcolab.engine.attention import level_of
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.lora_tags import LoraUse

CHANGEABLE = (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.GroupNorm)
"""Layers whose answer can be changed in some places only."""

_WORDS = ("attn2.to_k", "attn2.to_v")
"""Layers that read the prompt."""


@dataclass(frozen=True, slots=True)
class AreaUse:
    """A LoRA of the prompt's part number ``part`` (from 0), which draws in ``area``."""

    part: int
    area: Region
    use: LoraUse


@dataclass(frozen=True, slots=True, eq=False)
class LayerChange:
    """What one file adds to the output of a layer: ``up`` [out, r] after ``down`` [r, in * kh * kw], or ``up`` [out, in
    * kh * kw] alone, [out] of normalisations; and ``bias`` [out]. The multiplier is in them. float32, on the CPU, until
    they are wanted elsewhere.
    """

    module: nn.Module
    up: Tensor
    down: Tensor | None
    bias: Tensor | None = None

    def beside(self, x: Tensor) -> LayerChange:
        """The same where ``x`` is and in its type."""
        if self.up.device == x.device and self.up.dtype == x.dtype:
            return self
        down, bias = (None if one is None else one.to(x) for one in (self.down, self.bias))
        return replace(self, up=self.up.to(x), down=down, bias=bias)

    def __call__(self, x: Tensor) -> Tensor:
        """What is added for ``x``: [N, ..., in] of linear layers, [N, in, h, w] of convolutions."""
        layer = self.module
        if isinstance(layer, nn.GroupNorm):
            return functional.group_norm(x, layer.num_groups, self.up, self.bias, layer.eps)
        if isinstance(layer, nn.LayerNorm):
            return functional.layer_norm(x, layer.normalized_shape, self.up, self.bias, layer.eps)
        first, last = (self.up, self.bias) if self.down is None else (self.down, None)
        if isinstance(layer, nn.Conv2d):
            first = first.reshape(len(first), -1, *layer.kernel_size)
            made = functional.conv2d(x, first, last, layer.stride, layer.padding, layer.dilation, layer.groups)
            return made if self.down is None else functional.conv2d(made, self.up[:, :, None, None], self.bias)
        made = functional.linear(x, first, last)
        return made if self.down is None else functional.linear(made, self.up, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class _Now:
    """The call at work: which part each of its rows belongs to, the size of its latents, and whether words count."""

    parts: Tensor
    size: tuple[int, int]
    words: bool


class AreaLoras:
    """The LoRAs of the areas of one pass at work in one UNet. ``changes`` has what each of them does to each layer;
    from step number ``end`` on every part draws everywhere.
    """

    def __init__(self, changes: Sequence[tuple[AreaUse, Iterable[LayerChange]]], unet: nn.Module, end: int) -> None:
        names = {module: name for name, module in unet.named_modules()}
        self._end = end
        self._of: dict[nn.Module, list[tuple[AreaUse, LayerChange]]] = {}
        for use, layers in changes:
            for one in layers:
                self._of.setdefault(one.module, []).append((use, one))
        self._words = {module for module in self._of if names[module].endswith(_WORDS)}
        self._now: _Now | None = None
        self._masks: dict[tuple[Region, tuple[int, int], tuple[int, ...]], Tensor | None] = {}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """While it lasts, the layers know of it."""
        with ExitStack() as stack:
            for module in self._of:
                stack.callback(module.register_forward_hook(self._adding).remove)
            yield

    @contextmanager
    def during(self, call: UNetCall) -> Iterator[None]:
        """While it lasts, the UNet answers ``call``."""
        size = (call.x.shape[2], call.x.shape[3])
        self._now = _Now(call.parts, size, words=call.step.number < self._end)
        try:
            yield
        finally:
            self._now = None

    def _adding(self, module: nn.Module, given: tuple[Any, ...], out: Tensor) -> Tensor | None:
        now = self._now
        if now is None or (module in self._words and not now.words):
            return None
        for place, (use, change) in enumerate(self._of[module]):
            rows = (now.parts == use.part).nonzero().flatten()
            if len(rows):
                x = given[0][rows]
                change = change.beside(x)
                self._of[module][place] = use, change
                added = change(x).to(out.dtype)
                mask = None if module in self._words else self._mask(use.area, now.size, added)
                out = out.index_add(0, rows, added if mask is None else added * mask)
        return out

    def _mask(self, area: Region, size: tuple[int, int], added: Tensor) -> Tensor | None:
        """1 in the places of ``area``, 0 elsewhere, to multiply ``added`` with; None where it has no places."""
        key = (area, size, tuple(added.shape[1:]))
        if key not in self._masks:
            self._masks[key] = _places(area, size, added)
        return self._masks[key]


def _places(area: Region, size: tuple[int, int], added: Tensor) -> Tensor | None:
    whole = torch.zeros(1, 1, *size)
    whole[0, 0][area.cells(*size)] = 1
    if added.dim() == 4:
        return functional.adaptive_max_pool2d(whole, added.shape[2:]).to(added)
    if added.dim() != 3:
        return None  # the time's, which has no places
    smaller = level_of(size, added.shape[1])
    return smaller and functional.adaptive_max_pool2d(whole, smaller).flatten()[None, :, None].to(added)
