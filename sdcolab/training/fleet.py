"""One training on several cards or machines: every process takes its share of each epoch's batches, and gradients are
averaged.

Processes are started and found by accelerate (``accelerate launch -m sdcolab entrenar PLAN.toml``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from sdcolab.core.errors import LibraryMissing

T = TypeVar("T")


class Fleet(Protocol):
    """The processes of a training."""

    @property
    def rank(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every process gets the mean of all gradients."""
        ...

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        ...


class Alone:
    """The only process there is."""

    rank = 0
    count = 1

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Nothing to do."""

    def mean(self, value: float) -> float:
        """The number itself."""
        return value


class Together:
    """Processes that accelerate started."""

    def __init__(self) -> None:
        try:
            from accelerate import PartialState
        except ImportError:
            raise LibraryMissing(library="accelerate", packages="accelerate") from None
        self._state = PartialState(cpu=not torch.cuda.is_available())

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return int(self._state.process_index)

    @property
    def count(self) -> int:
        """How many processes there are."""
        return int(self._state.num_processes)

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        device: torch.device = self._state.device
        return device

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """One exchange for all gradients; a parameter without one counts as zero, so that all processes send as
        much.
        """
        from accelerate.utils import reduce

        own = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in own:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.flatten() for parameter in own if parameter.grad is not None])
        for parameter, part in zip(own, _parts(reduce(flat, "mean"), own), strict=True):
            parameter.grad = part

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        from accelerate.utils import reduce

        return float(reduce(torch.tensor(value, device=self.device), "mean"))

    def wait(self) -> None:
        """Until every process comes this far."""
        self._state.wait_for_everyone()

    def leave(self) -> None:
        """Close the connections to the others."""
        self._state.destroy_process_group()


def _parts(flat: Tensor, like: Sequence[nn.Parameter]) -> list[Tensor]:
    sizes = [parameter.numel() for parameter in like]
    return [part.view_as(parameter).clone() for part, parameter in zip(flat.split(sizes), like, strict=True)]


def share_of(batches: Sequence[T], fleet: Fleet) -> list[T]:
    """The batches of this process. Every process gets as many: the first ones are taken again where they do not come
    out even.
    """
    count = -(-len(batches) // fleet.count)
    padded = [*batches, *batches[: count * fleet.count - len(batches)]]
    return padded[fleet.rank :: fleet.count]


@contextlib.contextmanager
def joined_fleet() -> Iterator[Fleet]:
    """The processes that this one belongs to, left together at the end: one that just ended while the others still
    spoke with it would be aborted by its communication threads.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Alone()
        return
    fleet = Together()
    try:
        yield fleet
        fleet.wait()
    finally:
        fleet.leave()
