"""Samplers as values, and plans: which noise levels a pass visits and how it starts.

``sampler.txt2img(...)`` or ``sampler.img2img(...)`` gives a ``SamplingPlan``; its ``start`` makes the first x from
noise (and init latents) and its ``sample`` runs the sampler. That is the same for every sampler.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from sdcolab.engine.samplers.base import (
    Denoiser,
    Noise,
    P,
    SamplerFunction,
    SamplerOptions,
    SigmaPath,
    TimestepPath,
)
from sdcolab.engine.schedules import (
    AUTOMATIC,
    DEFAULT_SCHEDULE_OPTIONS,
    SCHEDULES,
    TRAIN_STEPS,
    NoiseTable,
    Schedule,
    ScheduleOptions,
    build_sigmas,
)

DEFAULT_SAMPLER_OPTIONS = SamplerOptions()


@dataclass(frozen=True, slots=True, eq=False)
class SamplingPlan(Generic[P]):
    """One pass of a sampler over ``path``. ``schedule`` is the effective one's label, for infotext ``Schedule type``.

    ``expected_calls`` counts model evaluations, for progress; DPM adaptive may take more or fewer.
    """

    function: SamplerFunction[P]
    path: P
    schedule: str
    expected_calls: int

    @property
    def table(self) -> NoiseTable:
        """The denoiser must translate between sigma and timestep with this (LCM has its own)."""
        return self.path.table

    def start(
        self,
        noise: Tensor,
        init: Tensor | None = None,
        *,
        sgm_noise_multiplier: bool = False,
        extra_noise: float = 0.0,
    ) -> Tensor:
        """The first x, float32 [B, C, h, w]: see ``SigmaPath.start``."""
        return self.path.start(noise, init, sgm_noise_multiplier=sgm_noise_multiplier, extra_noise=extra_noise)

    def sample(
        self, denoise: Denoiser, x: Tensor, noise: Noise, options: SamplerOptions = DEFAULT_SAMPLER_OPTIONS
    ) -> Tensor:
        """Latents (scaled as the VAE's are) from ``start``'s x. What ``denoise`` raises comes out unchanged."""
        return self.function(denoise, x, self.path, noise, options) if self.expected_calls else x


@dataclass(frozen=True, slots=True)
class BaseSampler(ABC, Generic[P]):
    """A way of denoising under A1111's ``name`` (hechos/a1111.md 3.1).

    ``second_order``: two model calls a step, so prompt editing counts twice the steps. ``uses_ensd``: infotext shows
    ``ENSD``. ``adaptive``: its steps depend on the pictures, so each must be sampled alone to come out the same in any
    batch.
    """

    name: str
    aliases: tuple[str, ...]
    function: SamplerFunction[P]
    second_order: bool = False
    uses_ensd: bool = False
    adaptive: bool = False

    @abstractmethod
    def txt2img(
        self,
        steps: int,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
    ) -> SamplingPlan[P]:
        """The plan of ``steps`` >= 1 steps from pure noise."""

    @abstractmethod
    def img2img(
        self,
        steps: int,
        strength: float,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
        *,
        exact_steps: bool = False,
    ) -> SamplingPlan[P]:
        """The plan that starts from an image plus noise, with denoising ``strength`` 0..1; see ``img2img_steps``.

        ``exact_steps``: always in hires passes.
        """


@dataclass(frozen=True, slots=True)
class SigmaSampler(BaseSampler[SigmaPath]):
    """``default_schedule`` names the one that Automatic stands for; None is the model's uniform one.

    ``brownian``: noise from a Brownian path. ``discard_penultimate``: drops the last positive sigma. ``range_only``:
    uses only the ends of the schedule. ``lcm``: samples on LCM's table. ``calls_per_step``: model calls that prompt
    editing does not count, fewer where the path ends.
    """

    default_schedule: str | None = None
    brownian: bool = False
    discard_penultimate: bool = False
    range_only: bool = False
    lcm: bool = False
    calls_per_step: int = 1

    def txt2img(
        self,
        steps: int,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
    ) -> SamplingPlan[SigmaPath]:
        schedule, table, sigmas = self._levels(steps, table, schedule, options)
        ends = (table.sigma_min, table.sigma_max) if self.range_only else _positive_range(sigmas)
        # DPM fast and adaptive take their number of steps from here, whatever the schedule made of it.
        return self._plan(sigmas, ends, table, schedule, steps if self.range_only else len(sigmas) - 1)

    def img2img(
        self,
        steps: int,
        strength: float,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
        *,
        exact_steps: bool = False,
    ) -> SamplingPlan[SigmaPath]:
        total, last = img2img_steps(steps, strength, exact=exact_steps)
        schedule, table, full = self._levels(total, table, schedule, options)
        sigmas = full[max(total - last - 1, 0) :]
        ends = _positive_range(sigmas if self.range_only else full)
        return self._plan(sigmas, ends, table, schedule, len(sigmas) - 1)

    def effective_schedule(self, schedule: Schedule) -> Schedule:
        """What ``schedule`` means here: Automatic becomes this sampler's own, where it has one."""
        return SCHEDULES[self.default_schedule] if schedule is AUTOMATIC and self.default_schedule else schedule

    def _levels(
        self, steps: int, table: NoiseTable, schedule: Schedule, options: ScheduleOptions
    ) -> tuple[Schedule, NoiseTable, Tensor]:
        table = table.for_lcm() if self.lcm else table
        schedule = self.effective_schedule(schedule)
        sigmas = build_sigmas(schedule, steps, table, options, discard_penultimate=self.discard_penultimate)
        return schedule, table, sigmas

    def _plan(
        self, sigmas: Tensor, ends: tuple[float, float], table: NoiseTable, schedule: Schedule, steps: int
    ) -> SamplingPlan[SigmaPath]:
        most = 2 if self.second_order else self.calls_per_step
        calls = sum(min(most, left) for left in range(1, steps + 1))
        return SamplingPlan(self.function, SigmaPath(sigmas, steps, *ends, table), schedule.name, calls)


@dataclass(frozen=True, slots=True)
class TimestepSampler(BaseSampler[TimestepPath]):
    """Schedules do not apply. ``calls_every_timestep``: one model call per timestep; otherwise one fewer."""

    calls_every_timestep: bool = False

    def txt2img(
        self,
        steps: int,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
    ) -> SamplingPlan[TimestepPath]:
        del options
        return self._plan(TimestepPath(evenly_spaced_timesteps(steps), None, table), schedule)

    def img2img(
        self,
        steps: int,
        strength: float,
        table: NoiseTable,
        schedule: Schedule = AUTOMATIC,
        options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
        *,
        exact_steps: bool = False,
    ) -> SamplingPlan[TimestepPath]:
        del options
        total, count = img2img_steps(steps, strength, exact=exact_steps)
        timesteps = evenly_spaced_timesteps(max(total, 1))
        count = min(count, total)
        # Noise is added for one timestep above the first that the model sees: upstream's way (hechos/a1111.md 3.6).
        start = int(timesteps[min(count, len(timesteps) - 1)])
        return self._plan(TimestepPath(timesteps[:count], start, table), schedule)

    def _plan(self, path: TimestepPath, schedule: Schedule) -> SamplingPlan[TimestepPath]:
        calls = len(path.timesteps) if self.calls_every_timestep else max(len(path.timesteps) - 1, 0)
        return SamplingPlan(self.function, path, schedule.name, calls)


Sampler = SigmaSampler | TimestepSampler


def img2img_steps(steps: int, strength: float, *, exact: bool) -> tuple[int, int]:
    """(length S of the whole schedule, index t_enc): the last t_enc + 1 steps of S are run (hechos/a1111.md 3.6).

    By default S is ``steps`` and a part of them runs; with ``exact`` all ``steps`` run, on the tail of a longer
    schedule. Strength 0 with ``exact`` gives S = 0: nothing runs.
    """
    strength = min(strength, 0.999)
    if exact:
        return (int(steps / strength) if strength > 0 else 0), steps - 1
    return steps, int(strength * steps)


def evenly_spaced_timesteps(steps: int) -> Tensor:
    """Int64, rising from 1 in strides of 1000 // steps: there may be more than ``steps`` (hechos/a1111.md 3.5)."""
    return (torch.arange(0, TRAIN_STEPS, max(TRAIN_STEPS // steps, 1)) + 1).clamp(0, TRAIN_STEPS - 1)


def _positive_range(sigmas: Tensor) -> tuple[float, float]:
    positive = sigmas[sigmas > 0]
    return (float(positive.min()), float(positive.max())) if len(positive) else (0.0, 0.0)
