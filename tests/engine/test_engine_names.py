"""The names that light pages know are those of the engine."""

from __future__ import annotations

from sdcolab.core import names, samplers, upscaling
from sdcolab.engine.samplers import SAMPLERS
from sdcolab.engine.schedules import SCHEDULES
from sdcolab.engine.upscale.latents import LATENT_UPSCALERS
from sdcolab.engine.upscale.upscalers import BUILT_IN


def test_samplers_and_schedules_have_the_same_names_and_aliases() -> None:
    assert tuple(SAMPLERS) == names.SAMPLER_NAMES
    assert tuple(SCHEDULES) == names.SCHEDULE_NAMES
    assert {name: sampler.aliases for name, sampler in SAMPLERS.items()} == {
        name: facts.aliases for name, facts in samplers.SAMPLERS.items()
    }
    assert {name: schedule.aliases for name, schedule in SCHEDULES.items()} == {
        name: facts.aliases for name, facts in samplers.SCHEDULES.items()
    }


def test_upscalers_have_the_same_names() -> None:
    assert tuple(LATENT_UPSCALERS) == names.LATENT_UPSCALERS
    assert tuple(upscaler.name for upscaler in BUILT_IN) == upscaling.PLAIN_UPSCALERS


def test_names_of_other_programs_mean_samplers_that_exist() -> None:
    assert set(names.FOREIGN_SAMPLER_NAMES.values()) == set(SAMPLERS)
    for sampler in SAMPLERS.values():
        for alias in sampler.aliases:
            assert names.canonical_sampler(alias) == sampler.name
