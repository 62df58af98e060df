"""Parts of a model that take turns on the graphics card, when it does not hold all of them at once.

Text encoders leave once the prompts are encoded, the UNet leaves before a picture is decoded; where not even the UNet
fits by itself its blocks come one by one, as they are needed. Weights do not change on the card, so leaving costs
nothing: what waits in the machine's own memory is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

STREAMED = (BasicTransformerBlock, ResnetBlock2D)
"""Blocks that hold nearly all of a UNet's weights."""


class Load:
    """The tensors of some modules, at home or on the ``card``."""

    def __init__(self, modules: Iterable[nn.Module], card: torch.device) -> None:
        self._modules = tuple(modules)
        self._card = card
        self._home: list[tuple[Callable[[Tensor], None], Tensor]] = []

    @property
    def here(self) -> bool:
        """Whether they are on the card."""
        return bool(self._home)

    @torch.inference_mode(False)
    @torch.no_grad()
    def come(self) -> None:
        """Bring them to the card."""
        if not self.here:
            for put, tensor in self._tensors():
                put(tensor.to(self._card, non_blocking=True))
                self._home.append((put, tensor))

    @torch.inference_mode(False)
    @torch.no_grad()
    def leave(self) -> None:
        """Put what waited at home in their place."""
        for put, tensor in self._home:
            put(tensor)
        self._home.clear()

    def _tensors(self) -> Iterator[tuple[Callable[[Tensor], None], Tensor]]:
        """Each tensor, and what puts another one in its place."""
        for module in self._modules:
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    yield _parameter_putter(module, name), parameter.data
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    yield _buffer_putter(module, name), buffer


class Part:
    """A network that may have to share the card: ``modules`` with all that is in them.

    It ``waits`` at home from the moment that its weights lie there; before, it stays on the card for good. ``streams``:
    its blocks come one by one.
    """

    def __init__(self, modules: Sequence[nn.Module], card: torch.device, *, waits: bool, streams: bool = False) -> None:
        everything = [inner for module in modules for inner in module.modules()]
        blocks = [inner for inner in everything if isinstance(inner, STREAMED)] if streams else []
        inside = {id(inner) for block in blocks for inner in block.modules()}
        self.waits = waits
        self._resident = Load((inner for inner in everything if id(inner) not in inside), card)
        for block in blocks:
            _stream(block, card)

    @property
    def here(self) -> bool:
        """Whether it is on the card and has a place to go to."""
        return self._resident.here

    def come(self) -> None:
        """To the card."""
        self._resident.come()

    def leave(self) -> None:
        """Home."""
        self._resident.leave()


class Turns:
    """Whose turn it is on one card. Parts that do not wait are always there."""

    def __init__(self) -> None:
        self._present: Part | None = None

    def take(self, part: Part | None) -> None:
        """It is the turn of ``part``: the other one leaves and it comes. Costs nothing when it is there already."""
        if part is None or not part.waits or part is self._present:
            return
        self.clear()
        with ExitStack() as failing:
            failing.callback(self.clear)  # memory may run out while it comes
            self._present = part
            part.come()
            failing.pop_all()

    def clear(self) -> None:
        """Nobody's turn. Weights may change only now."""
        if self._present is not None:
            self._present.leave()
            self._present = None

    @contextmanager
    def nobody(self) -> Iterator[None]:
        """Nobody's turn when it begins and when it ends."""
        self.clear()
        try:
            yield
        finally:
            self.clear()


def _stream(block: nn.Module, card: torch.device) -> None:
    """Let ``block`` come to ``card`` for each of its calls."""
    load = Load(block.modules(), card)

    def come(*_: Any) -> None:
        load.come()

    def leave(*_: Any) -> None:
        load.leave()

    block.register_forward_pre_hook(come)
    block.register_forward_hook(leave, always_call=True)


def _parameter_putter(module: nn.Module, name: str) -> Callable[[Tensor], None]:
    def put(tensor: Tensor) -> None:
        module._parameters[name] = nn.Parameter(tensor, requires_grad=False)

    return put


def _buffer_putter(module: nn.Module, name: str) -> Callable[[Tensor], None]:
    def put(tensor: Tensor) -> None:
        module._buffers[name] = tensor

    return put
