"""The names of samplers that ``core`` knows without torch are the engine's."""

from __future__ import annotations

from sdcolab.core.names import SAMPLER_ALIASES, canonical_sampler
from sdcolab.engine.samplers import SAMPLERS


def test_core_knows_the_same_aliases() -> None:
    assert set(SAMPLER_ALIASES.values()) == set(SAMPLERS)
    for sampler in SAMPLERS.values():
        for alias in sampler.aliases:
            assert canonical_sampler(alias) == sampler.name
