"""The names of samplers that ``core`` knows without torch are the engine's."""

from __future__ import annotations

from sdcolab.core.names import SAMPLER_ALIASES, SAMPLER_NAMES, SCHEDULE_NAMES, canonical_sampler
from sdcolab.engine.samplers import SAMPLERS
from sdcolab.engine.schedules import SCHEDULES


def test_core_lists_the_same_samplers_and_schedules() -> None:
    assert tuple(SAMPLERS) == SAMPLER_NAMES
    assert set(SCHEDULE_NAMES) == set(SCHEDULES)


def test_core_knows_the_same_aliases() -> None:
    assert set(SAMPLER_ALIASES.values()) == set(SAMPLERS)
    for sampler in SAMPLERS.values():
        for alias in sampler.aliases:
            assert canonical_sampler(alias) == sampler.name
