"""Another checkpoint for the last part of a pass (hechos/a1111.md 3.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdcolab.core.request import Refiner
from sdcolab.engine.denoise import Predictor
from sdcolab.engine.schedules import TRAIN_STEPS


@dataclass(frozen=True, slots=True, eq=False)
class RefinerSwitch:
    """``denoise.Switch`` for ``refiner``. ``total_calls`` are those that the pass expects; ``load`` makes the model."""

    refiner: Refiner
    total_calls: int
    load: Callable[[], Predictor]

    def due(self, call: int, t: float) -> bool:
        """Whether denoiser call number ``call`` (from 0) at timestep ``t`` is the refiner's."""
        done = call / self.total_calls if self.refiner.by_steps else (TRAIN_STEPS - 1 - t) / TRAIN_STEPS
        return done >= self.refiner.switch_at

    def make(self) -> Predictor:
        """The refiner's UNet and prompts."""
        return self.load()
