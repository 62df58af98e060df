"""Samplers and schedules under A1111's names, one row each, for whoever must know them before torch has loaded.

The functions behind them stand in ``engine.samplers.registry`` and ``engine.schedules``, one row each too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sdcolab.core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerFacts:
    """What is known of a sampler without running it (hechos/a1111.md 3.1).

    ``aliases``: A1111's other names. ``foreign``: what k-diffusion, ComfyUI and NovelAI call it besides these without
    their ``k_``. ``default_schedule``: the one that Automatic stands for; None is the model's uniform one.

    ``second_order``: two model calls a step, so prompt editing counts twice the steps. ``calls_per_step``: more of
    them, which prompt editing does not count. ``uses_ensd``: infotexts show ``ENSD``. ``adaptive``: its steps depend on
    the pictures, so each must be sampled alone to come out the same in any batch. ``brownian``: noise from a Brownian
    path. ``discard_penultimate``: drops the last positive sigma. ``range_only``: uses only the ends of the schedule.
    ``lcm``: samples on LCM's table. ``few_steps``: for models of few steps, each of which begins anew from an image.
    ``adds_noise``: to each step, though infotexts say nothing of it. ``timesteps``: works on timesteps, so schedules do
    not apply; ``calls_every_timestep``: one model call per timestep, otherwise one fewer. ``own_eta``: its eta is the
    setting ``eta_ddim``. ``solver``: what A1111 calls the kind of its steps.
    """

    name: str
    aliases: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    default_schedule: str | None = None
    second_order: bool = False
    calls_per_step: int = 1
    uses_ensd: bool = False
    adaptive: bool = False
    brownian: bool = False
    discard_penultimate: bool = False
    range_only: bool = False
    lcm: bool = False
    few_steps: bool = False
    adds_noise: bool = False
    timesteps: bool = False
    calls_every_timestep: bool = False
    own_eta: bool = False
    solver: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """A way of choosing noise levels; the first of ``aliases`` is A1111's key (hechos/a1111.md 3.3). ``default_rho``
    where it bends; ``on_model``: it looks at the model's own table."""

    name: str
    aliases: tuple[str, ...]
    default_rho: float = -1.0
    on_model: bool = False


_Row = SamplerFacts

FORGE_LCM: Final = "LCM (Forge)"
"""What Forge calls LCM too: it samples on the model's whole table, and without LCM's boundary condition."""

SAMPLERS: Final[Registry[SamplerFacts]] = Registry(
    "sampler",
    (
        _Row(name="DPM++ 2M", aliases=("k_dpmpp_2m",), foreign=("dpmsolver", "dpm++"), default_schedule="Karras"),
        _Row(
            name="DPM++ SDE",
            aliases=("k_dpmpp_sde",),
            foreign=("dpmsolversde",),
            default_schedule="Karras",
            second_order=True,
            brownian=True,
        ),
        _Row(name="DPM++ 2M SDE", aliases=("k_dpmpp_2m_sde",), default_schedule="Exponential", brownian=True),
        _Row(
            name="DPM++ 2M SDE Heun",
            aliases=("k_dpmpp_2m_sde_heun",),
            default_schedule="Exponential",
            brownian=True,
            solver="heun",
        ),
        _Row(
            name="DPM++ 2S a",
            aliases=("k_dpmpp_2s_a",),
            foreign=("dpmpp_2s_ancestral",),
            default_schedule="Karras",
            second_order=True,
            uses_ensd=True,
        ),
        _Row(
            name="DPM++ 3M SDE",
            aliases=("k_dpmpp_3m_sde",),
            default_schedule="Exponential",
            brownian=True,
            discard_penultimate=True,
        ),
        _Row(name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), uses_ensd=True),
        _Row(name="Euler", aliases=("k_euler",)),
        _Row(name="LMS", aliases=("k_lms",), foreign=("klms",)),
        _Row(name="Heun", aliases=("k_heun",), second_order=True),
        _Row(
            name="DPM2",
            aliases=("k_dpm_2",),
            foreign=("kdpm_2",),
            default_schedule="Karras",
            second_order=True,
            discard_penultimate=True,
        ),
        _Row(
            name="DPM2 a",
            aliases=("k_dpm_2_a",),
            foreign=("dpm_2_ancestral", "kdpm_2_a"),
            default_schedule="Karras",
            second_order=True,
            uses_ensd=True,
            discard_penultimate=True,
        ),
        _Row(name="DPM fast", aliases=("k_dpm_fast",), uses_ensd=True, range_only=True),
        _Row(
            name="DPM adaptive",
            aliases=("k_dpm_ad",),
            foreign=("dpm_adaptive",),
            uses_ensd=True,
            adaptive=True,
            range_only=True,
        ),
        _Row(name="Restart", aliases=("restart",), default_schedule="Karras", second_order=True),
        _Row(name="DDIM", aliases=("ddim",), foreign=("ddim_v3",), timesteps=True, own_eta=True),
        _Row(name="DDIM CFG++", aliases=("ddim_cfgpp",), timesteps=True, own_eta=True),
        _Row(name="PLMS", aliases=("plms",), foreign=("pndm",), timesteps=True, calls_every_timestep=True),
        _Row(
            name="UniPC",
            aliases=("unipc",),
            foreign=("uni_pc", "uni_pc_bh2"),
            timesteps=True,
            calls_every_timestep=True,
        ),
        _Row(name="LCM", aliases=("k_lcm",), lcm=True, few_steps=True),
        _Row(name=FORGE_LCM, aliases=("forge_lcm",), few_steps=True),
        _Row(name="DDPM", aliases=("ddpm",), adds_noise=True),
        _Row(name="HeunPP2", aliases=("heunpp2",), foreign=("heun++",), calls_per_step=3),
        _Row(name="IPNDM", aliases=("ipndm",)),
        _Row(name="IPNDM_V", aliases=("ipndm_v",), foreign=("ipndm-v",)),
        _Row(name="DEIS", aliases=("deis",)),
        _Row(name="TCD", aliases=("tcd",), few_steps=True),
    ),
)
"""In A1111's order, then Forge's (hechos/a1111.md 13), and then those of A1111's extensions."""

SCHEDULES: Final[Registry[ScheduleFacts]] = Registry(
    "schedule",
    (
        ScheduleFacts("Automatic", ("automatic",)),
        ScheduleFacts("Uniform", ("uniform",), on_model=True),
        ScheduleFacts("Karras", ("karras",), default_rho=7.0),
        ScheduleFacts("Exponential", ("exponential",)),
        ScheduleFacts("Polyexponential", ("polyexponential",), default_rho=1.0),
        ScheduleFacts("SGM Uniform", ("sgm_uniform", "SGMUniform"), on_model=True),
        ScheduleFacts("KL Optimal", ("kl_optimal",)),
        ScheduleFacts("Align Your Steps", ("align_your_steps",)),
        ScheduleFacts("Simple", ("simple",), on_model=True),
        ScheduleFacts("Normal", ("normal",), on_model=True),
        ScheduleFacts("DDIM", ("ddim",), on_model=True),
        ScheduleFacts("Beta", ("beta",), on_model=True),
        ScheduleFacts("Turbo", ("turbo",), on_model=True),
        ScheduleFacts("Align Your Steps GITS", ("align_your_steps_GITS",)),
        ScheduleFacts("Align Your Steps 11", ("align_your_steps_11",)),
        ScheduleFacts("Align Your Steps 32", ("align_your_steps_32",)),
    ),
)
"""In A1111's order, and then Forge's."""
