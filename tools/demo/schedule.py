"""Time budgets, learning rates, averaging: what both training phases share."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass
class Clock:
    """A phase's time. `spent` seconds were used by earlier runs; `budget` is the phase's total in seconds."""

    budget: float
    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds used in all, earlier runs included."""
        return self.spent + time.monotonic() - self.started

    def progress(self) -> float:
        """0 at the start, 1 when the budget is used up."""
        return min(1.0, self.elapsed() / self.budget)


def cosine(progress: float, step: int, warmup: int, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up in steps, then a cosine over the time budget down to `floor`."""
    decay = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    return decay * min(1.0, (step + 1) / warmup)


class Average:
    """Exponential moving average of parameters; its memory grows with the step up to `decay`."""

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.live = list(parameters)
        self.shadow = [p.detach().clone() for p in self.live]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the live weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange live and averaged weights (call again to undo)."""
        for live, shadow in zip(self.live, self.shadow, strict=True):
            kept = live.detach().clone()
            live.copy_(shadow)
            shadow.copy_(kept)

    def load(self, tensors: list[Tensor]) -> None:
        """Take stored averages."""
        for shadow, stored in zip(self.shadow, tensors, strict=True):
            shadow.copy_(stored)


def save_atomically(content: object, path: Path) -> None:
    """torch.save through a temporary file, so that a cut-off run leaves the last state whole."""
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.rename(path)
