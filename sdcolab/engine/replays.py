"""A UNet's calls recorded once and replayed by a card: CUDA graphs.

A step of a small picture is about a thousand kernels, and a quick card waits for Python between them. A graph starts
them all at once (hechos/mercado.md 1b; CUDA C++ Programming Guide, "CUDA Graphs"). It works on the memory that it was
recorded on: what is asked is copied there, weights have to lie where they lay, and nothing of Python runs again. So a
UNet with hooks other than ``Tap`` is called as always, and one whose weights or layers have moved is recorded anew.

No card of ours has run this yet: it is off unless asked for, and what is replayed first is compared with what the same
call says without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Given = Mapping[str, Tensor]
"""What a call is asked, by name."""

Ask = Callable[[Given], Tensor]
"""Calls the UNet."""

Made = tuple[Tensor, ...]
"""What a call made: its answer, then what each tap heard."""

Record = Callable[[Callable[[], Made]], tuple[Callable[[], None], Made]]
"""Does some work, and gives what does it again and where its results lie then. Raises ``RuntimeError``."""

MOST = 2
"""Shapes that are kept, each with all that the UNet holds while it works: those of a picture and of its hires pass."""

WARM_UPS = 2
"""Calls before the one that is recorded, in which libraries choose their ways of computing."""

_log = logging.getLogger(__name__)


class Tap:
    """A hook before a layer's calls that hears what goes in, also of a call that is replayed."""

    def __init__(self) -> None:
        self.heard: Tensor | None = None

    def __call__(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """The layer is given ``inputs``."""
        self.heard = inputs[0]

    def take(self) -> Tensor | None:
        """What it heard since it was asked last."""
        heard, self.heard = self.heard, None
        return heard


class Replays:
    """Answers for ``unet``. Once a recording fails or says something else, there is never another."""

    def __init__(self, unet: nn.Module, record: Record | None = None) -> None:
        self._unet = unet
        self._record = record or recorded_on_card
        self._of: object = None
        self._state: Hashable = None
        self._taps: tuple[Tap, ...] = ()
        self._tapes: dict[Hashable, _Tape] = {}
        self._on, self._told = True, True

    def answer(self, of: object, given: Given, ask: Ask) -> Tensor:
        """What ``ask`` answers to ``given``. ``of`` is the round that the call belongs to: only between two of them do
        weights and layers change."""
        if of is not self._of:
            self._of = of
            self._look()
        if self._state is None or not self._on:
            return ask(given)
        key = tuple((name, tensor.shape, tensor.dtype) for name, tensor in given.items())
        if (tape := self._tapes.pop(key, None)) is None:
            return self._first(key, given, ask)
        self._tapes[key] = tape  # the last used last
        return self._told_of(tape.again(given))

    def release(self) -> bool:
        """Let go of what was recorded, since memory ran out; False where there is nothing."""
        if had := bool(self._tapes):
            self._give_up("memory")
        return had

    def news(self) -> bool:
        """Whether it has come to an end since this was asked last."""
        news, self._told = not self._told, True
        return news

    def _look(self) -> None:
        state = state_of(self._unet)
        if state != self._state:
            self._tapes.clear()
            self._state, self._taps = state, taps_of(self._unet)

    def _told_of(self, made: Made) -> Tensor:
        """The answer, once the taps have heard theirs."""
        answer, *heard = made
        for tap, value in zip(self._taps, heard, strict=True):
            tap.heard = value
        return answer

    def _first(self, key: Hashable, given: Given, ask: Ask) -> Tensor:
        def work(on: Given) -> Made:
            return ask(on), *(value for tap in self._taps if (value := tap.take()) is not None)

        expected = work(given)
        try:
            inputs = {name: tensor.clone() for name, tensor in given.items()}
            tape = _Tape(inputs, *self._record(lambda: work(inputs)))
            made = tape.again(given)
        except RuntimeError as error:  # memory runs out, or something in it cannot be recorded
            self._give_up(str(error).partition("\n")[0])
            return self._told_of(expected)
        if (gap := max(map(difference, made, expected))) > tolerance(given):
            self._give_up(f"{gap:.2g}")
            return self._told_of(expected)
        for old in list(self._tapes)[: len(self._tapes) + 1 - MOST]:
            del self._tapes[old]
        self._tapes[key] = tape
        return self._told_of(expected)

    def _give_up(self, why: str) -> None:
        _log.warning("replays: %s", why)
        self._on, self._told = False, False
        self._tapes.clear()


@dataclass(frozen=True, slots=True, eq=False)
class _Tape:
    """What was recorded on ``inputs``: ``replay`` leaves what it makes in ``made``."""

    inputs: Given
    replay: Callable[[], None]
    made: Made

    def again(self, given: Given) -> Made:
        for name, tensor in given.items():
            self.inputs[name].copy_(tensor)
        self.replay()
        return tuple(tensor.clone() for tensor in self.made)


def state_of(unet: nn.Module) -> Hashable:
    """What must be as it was for a recording of ``unet`` to hold: where its tensors lie, and how its layers work. None
    where something of Python has a part in it, which no recording repeats."""
    if any(_runs_python(module) for module in unet.modules()):
        return None
    return tuple(_places(unet))


def taps_of(unet: nn.Module) -> tuple[Tap, ...]:
    """Those that listen in ``unet``."""
    return tuple(hook for module in unet.modules() for hook in _before(module) if isinstance(hook, Tap))


def _before(module: nn.Module) -> Iterable[object]:
    return module._forward_pre_hooks.values()


def _runs_python(module: nn.Module) -> bool:
    hooked = module._forward_hooks or any(not isinstance(hook, Tap) for hook in _before(module))
    return bool(hooked or "forward" in vars(module))


def _places(unet: nn.Module) -> Iterator[Hashable]:
    for module in unet.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                yield tensor.data_ptr()
        taps = tuple(map(id, _before(module)))
        yield id(getattr(module, "processor", None)), getattr(module, "padding_mode", None), taps


def difference(one: Tensor, other: Tensor) -> float:
    """Of two answers, relative to the second; 0 where both overflow alike."""
    one, other = one.double(), other.double()
    if not torch.equal(one.isfinite(), other.isfinite()):
        return float("inf")
    gap = (one - other).nan_to_num(0, 0, 0).norm()
    return float(gap / other.nan_to_num(0, 0, 0).norm().clamp_min(1e-12))


def tolerance(given: Given) -> float:
    """What rounding explains, in the coarsest of the types that a call is asked in."""
    return max(torch.finfo(tensor.dtype).eps for tensor in given.values() if tensor.is_floating_point())


def recorded_on_card(work: Callable[[], Made]) -> tuple[Callable[[], None], Made]:
    """As ``Record``: a CUDA graph of the current card. Other threads may go on using it meanwhile."""
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            work()
    here.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        made = work()
    return graph.replay, made
