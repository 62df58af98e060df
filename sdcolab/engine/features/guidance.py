"""Steps that do without the negative prompt, for speed (hechos/a1111.md 3.7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.calls import Step
from sdcolab.engine.feature import Feature


@dataclass(frozen=True, slots=True, eq=False)
class LeftOutNegative(Feature):
    """In the first ``skip_early`` (0..1) of the calls that the pass was asked for, and below the sigma ``ngms`` at
    every other call (``ngms_all``: at every one).
    """

    skip_early: float = 0.0
    ngms: float = 0.0
    ngms_all: bool = False

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        tuning = asked.request.tuning
        if not tuning.skip_early_cfg and not tuning.ngms:
            return None
        return cls(tuning.skip_early_cfg, tuning.ngms, tuning.ngms_all)

    def before_step(self, step: Step) -> Step:
        """Whether the negative prompt is evaluated."""
        total = step.round.one.prompt_calls
        early = self.skip_early > 0 and total > 0 and step.call / total <= self.skip_early
        # To A1111 the noise level of samplers on timesteps is the timestep, here too.
        level = step.t if step.by_timesteps else step.sigma
        weak = level < self.ngms and (self.ngms_all or step.call % 2 == 1)
        return replace(step, negative=False) if early or weak else step
