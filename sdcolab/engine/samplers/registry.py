"""The function of every sampler, whose facts stand in ``core.samplers``; and what the names of A1111's older versions
mean (hechos/a1111.md 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sdcolab.core import samplers
from sdcolab.core.errors import UnknownName
from sdcolab.core.registry import Registry
from sdcolab.core.samplers import SamplerFacts
from sdcolab.engine.samplers.ancestral import (
    sample_ddpm,
    sample_dpm_2_ancestral,
    sample_dpmpp_2s_ancestral,
    sample_euler_ancestral,
    sample_lcm,
    sample_lcm_plain,
    sample_restart,
    sample_tcd,
)
from sdcolab.engine.samplers.base import SamplerFunction, SigmaPath, TimestepPath
from sdcolab.engine.samplers.dpm_solver import sample_dpm_adaptive, sample_dpm_fast
from sdcolab.engine.samplers.dpmpp import (
    sample_dpmpp_2m,
    sample_dpmpp_2m_sde,
    sample_dpmpp_2m_sde_heun,
    sample_dpmpp_3m_sde,
    sample_dpmpp_sde,
)
from sdcolab.engine.samplers.multistep import sample_deis, sample_heunpp2, sample_ipndm, sample_ipndm_v
from sdcolab.engine.samplers.ode import sample_dpm_2, sample_euler, sample_heun, sample_lms
from sdcolab.engine.samplers.plan import Sampler, SigmaSampler, TimestepSampler
from sdcolab.engine.samplers.timestep import sample_ddim, sample_ddim_cfgpp, sample_plms
from sdcolab.engine.samplers.unipc import sample_unipc
from sdcolab.engine.schedules import AUTOMATIC, SCHEDULES, UNIFORM, Schedule

_SIGMA_FUNCTIONS: Mapping[str, SamplerFunction[SigmaPath]] = {
    "DPM++ 2M": sample_dpmpp_2m,
    "DPM++ SDE": sample_dpmpp_sde,
    "DPM++ 2M SDE": sample_dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": sample_dpmpp_2m_sde_heun,
    "DPM++ 2S a": sample_dpmpp_2s_ancestral,
    "DPM++ 3M SDE": sample_dpmpp_3m_sde,
    "Euler a": sample_euler_ancestral,
    "Euler": sample_euler,
    "LMS": sample_lms,
    "Heun": sample_heun,
    "DPM2": sample_dpm_2,
    "DPM2 a": sample_dpm_2_ancestral,
    "DPM fast": sample_dpm_fast,
    "DPM adaptive": sample_dpm_adaptive,
    "Restart": sample_restart,
    "LCM": sample_lcm,
    samplers.FORGE_LCM: sample_lcm_plain,
    "DDPM": sample_ddpm,
    "HeunPP2": sample_heunpp2,
    "IPNDM": sample_ipndm,
    "IPNDM_V": sample_ipndm_v,
    "DEIS": sample_deis,
    "TCD": sample_tcd,
}
_TIMESTEP_FUNCTIONS: Mapping[str, SamplerFunction[TimestepPath]] = {
    "DDIM": sample_ddim,
    "DDIM CFG++": sample_ddim_cfgpp,
    "PLMS": sample_plms,
    "UniPC": sample_unipc,
}


def _sampler(facts: SamplerFacts) -> Sampler:
    if facts.timesteps:
        return TimestepSampler(
            facts.name,
            facts.aliases,
            _TIMESTEP_FUNCTIONS[facts.name],
            calls_every_timestep=facts.calls_every_timestep,
        )
    return SigmaSampler(
        facts.name,
        facts.aliases,
        _SIGMA_FUNCTIONS[facts.name],
        second_order=facts.second_order,
        calls_per_step=facts.calls_per_step,
        uses_ensd=facts.uses_ensd,
        adaptive=facts.adaptive,
        default_schedule=facts.default_schedule,
        brownian=facts.brownian,
        discard_penultimate=facts.discard_penultimate,
        range_only=facts.range_only,
        lcm=facts.lcm,
    )


SAMPLERS: Registry[Sampler] = Registry("sampler", map(_sampler, samplers.SAMPLERS.values()))
"""In A1111's order, and then Forge's."""


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A sampler and the schedule to run it with (``AUTOMATIC`` lets the sampler choose)."""

    sampler: Sampler
    schedule: Schedule


def resolve_sampler(name: str, schedule: str | None = None, version: str | None = None) -> SamplerChoice:
    """What ``name`` and ``schedule`` mean. Aliases count and case does not.

    A schedule at the end of the name ("DPM++ 2M Karras", A1111 before 1.9) wins over ``schedule``. ``version`` is an
    infotext's ``Version``: before 1.9 a plain name without schedule meant the uniform one (Restart always was Karras).

    Raises ``UnknownName`` for the sampler or the schedule.
    """
    sampler, suffix = _split(name)
    if suffix is not None:
        return SamplerChoice(sampler, suffix)
    if schedule is None and _is_before_1_9(version) and sampler.name != "Restart":
        return SamplerChoice(sampler, UNIFORM if isinstance(sampler, SigmaSampler) else AUTOMATIC)
    return SamplerChoice(sampler, SCHEDULES.find(schedule) if schedule else AUTOMATIC)


def _split(name: str) -> tuple[Sampler, Schedule | None]:
    try:
        return SAMPLERS.find(name), None
    except UnknownName:
        folded = name.strip().casefold()
        for schedule in SCHEDULES.values():
            for label in (schedule.name, *schedule.aliases):
                if folded.endswith(f" {label.casefold()}"):
                    return SAMPLERS.find(name.strip()[: -len(label)]), schedule
        raise


def _is_before_1_9(version: str | None) -> bool:
    """False when there is no version, or it is another program's (Forge's begin with f)."""
    found = re.match(r"v?(\d+)\.(\d+)", version or "")
    return found is not None and (int(found[1]), int(found[2])) < (1, 9)
