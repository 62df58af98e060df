"""Another checkpoint for the last part of a pass (hechos/a1111.md 3.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from sdcolab.core.infotext import EngineFacts
from sdcolab.core.request import Refiner, RefinerPasses
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.bench import Bench
from sdcolab.engine.calls import Predictor, Round, Step
from sdcolab.engine.feature import Borrow, Feature, Opening
from sdcolab.engine.plan import GenerationPlan
from sdcolab.engine.schedules import TRAIN_STEPS


class RefinerSwitch(Feature):
    """Takes over once in each round of the passes that end with the refiner."""

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner
        self._passes: frozenset[int] = frozenset()
        self._done: Round | None = None

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        refiner = asked.request.refiner
        return cls(refiner) if refiner else None

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """Notes which passes are refined: of several, those that the request names."""
        last = plan.passes[-1].number
        named = {
            RefinerPasses.FIRST: {0},
            RefinerPasses.SECOND: {last},
            RefinerPasses.BOTH: {0, last},
        }[self._refiner.passes]
        self._passes = frozenset(named if last else {0})
        return plan

    def begin(self, opening: Opening) -> Opening:
        """The pass's own model works first."""
        self._done = None
        return opening

    def take_over(self, step: Step, borrow: Borrow) -> Predictor | None:
        """The refiner, when it is due."""
        if step.round is self._done or step.round.one.number not in self._passes or not self._due(step):
            return None
        self._done = step.round
        return borrow(self._refiner.checkpoint)

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """Its name and hash."""
        file = bench.asked.checkpoint_called(self._refiner.checkpoint)
        digest = bench.wait_for(bench.hashes.start(file.path))
        return replace(facts, refiner_model=file.stem, refiner_model_hash=digest)

    def _due(self, step: Step) -> bool:
        """Whether the part of the steps that are done, by count or by the noise that is gone, is large enough."""
        by_count = step.call / step.round.one.prompt_calls
        done = by_count if self._refiner.by_steps else (TRAIN_STEPS - 1 - step.t) / TRAIN_STEPS
        return done >= self._refiner.switch_at
