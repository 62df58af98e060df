"""Every sampler under A1111's names, and what the names of its older versions mean (hechos/a1111.md 3.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcolab.core.errors import UnknownName
from sdcolab.core.registry import Registry
from sdcolab.engine.samplers.ancestral import (
    sample_dpm_2_ancestral,
    sample_dpmpp_2s_ancestral,
    sample_euler_ancestral,
    sample_lcm,
    sample_restart,
)
from sdcolab.engine.samplers.dpm_solver import sample_dpm_adaptive, sample_dpm_fast
from sdcolab.engine.samplers.dpmpp import (
    sample_dpmpp_2m,
    sample_dpmpp_2m_sde,
    sample_dpmpp_2m_sde_heun,
    sample_dpmpp_3m_sde,
    sample_dpmpp_sde,
)
from sdcolab.engine.samplers.ode import sample_dpm_2, sample_euler, sample_heun, sample_lms
from sdcolab.engine.samplers.plan import Sampler, SigmaSampler, TimestepSampler
from sdcolab.engine.samplers.timestep import sample_ddim, sample_ddim_cfgpp, sample_plms
from sdcolab.engine.samplers.unipc import sample_unipc
from sdcolab.engine.schedules import AUTOMATIC, SCHEDULES, UNIFORM, Schedule

SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    (
        SigmaSampler("DPM++ 2M", ("k_dpmpp_2m",), sample_dpmpp_2m, default_schedule="Karras"),
        SigmaSampler(
            "DPM++ SDE", ("k_dpmpp_sde",), sample_dpmpp_sde, second_order=True, default_schedule="Karras", brownian=True
        ),
        SigmaSampler(
            "DPM++ 2M SDE", ("k_dpmpp_2m_sde",), sample_dpmpp_2m_sde, default_schedule="Exponential", brownian=True
        ),
        SigmaSampler(
            "DPM++ 2M SDE Heun",
            ("k_dpmpp_2m_sde_heun",),
            sample_dpmpp_2m_sde_heun,
            default_schedule="Exponential",
            brownian=True,
        ),
        SigmaSampler(
            "DPM++ 2S a",
            ("k_dpmpp_2s_a",),
            sample_dpmpp_2s_ancestral,
            second_order=True,
            uses_ensd=True,
            default_schedule="Karras",
        ),
        SigmaSampler(
            "DPM++ 3M SDE",
            ("k_dpmpp_3m_sde",),
            sample_dpmpp_3m_sde,
            default_schedule="Exponential",
            brownian=True,
            discard_penultimate=True,
        ),
        SigmaSampler("Euler a", ("k_euler_a", "k_euler_ancestral"), sample_euler_ancestral, uses_ensd=True),
        SigmaSampler("Euler", ("k_euler",), sample_euler),
        SigmaSampler("LMS", ("k_lms",), sample_lms),
        SigmaSampler("Heun", ("k_heun",), sample_heun, second_order=True),
        SigmaSampler(
            "DPM2",
            ("k_dpm_2",),
            sample_dpm_2,
            second_order=True,
            default_schedule="Karras",
            discard_penultimate=True,
        ),
        SigmaSampler(
            "DPM2 a",
            ("k_dpm_2_a",),
            sample_dpm_2_ancestral,
            second_order=True,
            uses_ensd=True,
            default_schedule="Karras",
            discard_penultimate=True,
        ),
        SigmaSampler("DPM fast", ("k_dpm_fast",), sample_dpm_fast, uses_ensd=True, range_only=True),
        SigmaSampler(
            "DPM adaptive", ("k_dpm_ad",), sample_dpm_adaptive, uses_ensd=True, adaptive=True, range_only=True
        ),
        SigmaSampler("Restart", ("restart",), sample_restart, second_order=True, default_schedule="Karras"),
        TimestepSampler("DDIM", ("ddim",), sample_ddim),
        TimestepSampler("DDIM CFG++", ("ddim_cfgpp",), sample_ddim_cfgpp),
        TimestepSampler("PLMS", ("plms",), sample_plms, calls_every_timestep=True),
        TimestepSampler("UniPC", ("unipc",), sample_unipc, calls_every_timestep=True),
        SigmaSampler("LCM", ("k_lcm",), sample_lcm, lcm=True),
    ),
)
"""In A1111's order."""


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
