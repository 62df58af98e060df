"""Noise levels: the model's table of trained sigmas, and the schedules that choose which of them a sampler visits.

Notation: ``abar`` is the cumulative product of 1 - beta at a training timestep t (0..999); ``sigma = sqrt((1 - abar) /
abar)`` is the standard deviation of the noise when the signal has unit scale (Karras et al. 2022, arXiv:2206.00364).
Everything here is a pure function on CPU float32 tensors. Source of names, defaults and formulas: hechos/a1111.md 3.2,
3.3 and 3.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sdcolab.core import samplers
from sdcolab.core.registry import Registry

TRAIN_STEPS = 1000
"""Training timesteps of every Stable Diffusion model."""

ZERO_SNR_LAST_ALPHA = 4.8973451890853435e-08
"""Stands in for abar = 0 at the last timestep, where sigma would be infinite (hechos/a1111.md 3.7)."""

LCM_STRIDE = 20
"""A latent consistency model knows every 20th timestep: 19, 39, ..., 999 (hechos/a1111.md 3.4)."""


class StepTables(StrEnum):
    """Which Align Your Steps table fits the model (Sabour et al. 2024, arXiv:2404.14507)."""

    SD1 = "sd1"
    SDXL = "sdxl"


@dataclass(frozen=True, eq=False)
class NoiseTable:
    """The model's trained noise levels and the map between sigma and timestep (hechos/a1111.md 3.2).

    ``alphas_cumprod``: float32 [N], falling. Entry k belongs to timestep ``stride * k + stride - 1``; ``stride`` is 1
    except for LCM. With ``quantize`` sigma -> t gives the nearest entry instead of interpolating (setting
    ``enable_quantization``).
    """

    alphas_cumprod: Tensor
    stride: int = 1
    quantize: bool = False
    step_tables: StepTables = StepTables.SD1

    @classmethod
    def stable_diffusion(
        cls,
        *,
        downcast: bool = False,
        zero_terminal_snr: bool = False,
        quantize: bool = False,
        step_tables: StepTables = StepTables.SD1,
    ) -> Self:
        """The table of SD 1, 2 and XL: square roots of beta evenly spaced from sqrt(0.00085) to sqrt(0.012).

        ``downcast`` rounds abar through float16, as every A1111 before 1.8 did; ``zero_terminal_snr`` rescales it.
        """
        alphas_cumprod = stable_diffusion_alphas_cumprod()
        if downcast:
            alphas_cumprod = alphas_cumprod.half().float()
        if zero_terminal_snr:
            alphas_cumprod = rescale_zero_terminal_snr(alphas_cumprod)
        return cls(alphas_cumprod, quantize=quantize, step_tables=step_tables)

    def for_lcm(self) -> Self:
        """The table that LCM samples on: every 20th timestep, always the nearest entry."""
        return type(self)(self.alphas_cumprod[LCM_STRIDE - 1 :: LCM_STRIDE], LCM_STRIDE, True, self.step_tables)

    def time_told(self, t: Tensor) -> Tensor:
        """What the model is told of timestep ``t``."""
        return t

    @cached_property
    def sigmas(self) -> Tensor:
        """Float32 [N], rising."""
        return ((1 - self.alphas_cumprod) / self.alphas_cumprod).sqrt()

    @cached_property
    def log_sigmas(self) -> Tensor:
        """Natural logarithm of ``sigmas``."""
        return self.sigmas.log()

    @property
    def sigma_min(self) -> float:
        """Lowest trained noise level (0.02916753 for SD)."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """Highest trained noise level (14.61464 for SD)."""
        return float(self.sigmas[-1])

    def sigma_to_t(self, sigma: Tensor | float) -> Tensor:
        """Timestep of each ``sigma`` (any shape): float32, interpolated linearly in ln sigma, clamped to the table."""
        log_sigma = torch.as_tensor(sigma, dtype=torch.float32).log()
        if self.quantize:
            index = (log_sigma.unsqueeze(-1) - self.log_sigmas).abs().argmin(-1).float()
        else:
            low = (torch.searchsorted(self.log_sigmas, log_sigma, right=True) - 1).clamp(0, len(self.sigmas) - 2)
            low_log, high_log = self.log_sigmas[low], self.log_sigmas[low + 1]
            weight = ((low_log - log_sigma) / (low_log - high_log)).clamp(0, 1)
            index = (1 - weight) * low + weight * (low + 1)
        return index * self.stride + (self.stride - 1)

    def t_to_sigma(self, t: Tensor | float) -> Tensor:
        """Sigma at each timestep ``t`` (any shape, may be fractional): ln sigma interpolated, clamped to the table."""
        index = (torch.as_tensor(t, dtype=torch.float32) - (self.stride - 1)) / self.stride
        index = index.clamp(0, len(self.sigmas) - 1)
        low, high, weight = index.floor().long(), index.ceil().long(), index.frac()
        return ((1 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp()


@dataclass(frozen=True, eq=False)
class ContinuousTable(NoiseTable):
    """Of models that were trained on any noise level between ``ends`` and are told a quarter of its logarithm (Karras
    et al. 2022, arXiv:2206.00364, table 1: c_noise), as CosXL. Timesteps number levels evenly spaced in ln sigma."""

    ends: tuple[float, float] = (0.002, 120.0)

    @classmethod
    def between(cls, low: float, high: float, *, quantize: bool = False, step_tables: StepTables) -> Self:
        """The table from sigma ``low`` to ``high``."""
        abar = 1 / (1 + _evenly(low, high) ** 2)
        return cls(abar.float(), quantize=quantize, step_tables=step_tables, ends=(low, high))

    def for_lcm(self) -> Self:
        """No such model is a latent consistency model."""
        return self

    def time_told(self, t: Tensor) -> Tensor:
        return self.t_to_sigma(t).log() / 4

    @cached_property
    def sigmas(self) -> Tensor:
        """Float32 [N], rising; abar near 1 would be too coarse to tell the lowest ones."""
        return _evenly(*self.ends).float()


def _evenly(low: float, high: float) -> Tensor:
    return torch.linspace(math.log(low), math.log(high), TRAIN_STEPS, dtype=torch.float64).exp()


def stable_diffusion_alphas_cumprod() -> Tensor:
    """abar of Stable Diffusion's "scaled linear" betas: float32 [1000], computed in float64."""
    betas = torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), TRAIN_STEPS, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def rescale_zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """Shift and scale sqrt(abar) so that the last timestep is noise (Lin et al. 2023, arXiv:2305.08891, algorithm 1).

    The last entry becomes ``ZERO_SNR_LAST_ALPHA`` instead of 0 so that sigma stays finite.
    """
    root = alphas_cumprod.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    rescaled = ((root - last) * (first / (first - last))) ** 2
    rescaled[-1] = ZERO_SNR_LAST_ALPHA
    return rescaled


# --- Schedules ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """What a request may change about a schedule. None means the model's or the schedule's own value.

    ``sigma_min``/``sigma_max`` replace the model's range where the schedule uses a range (A1111's
    ``use_old_karras_scheduler_sigmas`` is 0.1 and 10); ``rho`` bends Karras and Polyexponential;
    ``beta_alpha``/``beta_beta`` shape Beta; ``discard_penultimate`` drops the last positive sigma for every sampler.
    """

    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    discard_penultimate: bool = False


DEFAULT_SCHEDULE_OPTIONS = ScheduleOptions()


@dataclass(frozen=True, slots=True)
class ScheduleInputs:
    """Everything a schedule function may need: ``n`` >= 1 levels, the model's table, and options already settled."""

    n: int
    table: NoiseTable
    sigma_min: float
    sigma_max: float
    rho: float | None
    beta_alpha: float
    beta_beta: float


ScheduleFunction = Callable[[ScheduleInputs], Tensor]
"""Gives float32 CPU [n + 1], falling, the last one 0 (except KL Optimal, and DDIM whose count may differ)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A way of choosing noise levels. ``name`` is A1111's label."""

    name: str
    aliases: tuple[str, ...]
    function: ScheduleFunction


def _with_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas.float(), torch.zeros(1)])


def uniform(inputs: ScheduleInputs) -> Tensor:
    """Timesteps evenly spaced over the whole table; the range overrides do not apply."""
    table = inputs.table
    first = (len(table.sigmas) - 1) * table.stride + table.stride - 1
    return _with_zero(table.t_to_sigma(torch.linspace(first, table.stride - 1, inputs.n)))


def karras(inputs: ScheduleInputs) -> Tensor:
    """Evenly spaced in sigma^(1/rho), rho = 7 (Karras et al. 2022, equation 5)."""
    return karras_sigmas(inputs.n, inputs.sigma_min, inputs.sigma_max, inputs.rho or 7.0)


def karras_sigmas(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """``karras`` on plain numbers, for samplers that make levels of their own."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _with_zero((high + torch.linspace(0, 1, n) * (low - high)) ** rho)


def exponential(inputs: ScheduleInputs) -> Tensor:
    """Evenly spaced in ln sigma."""
    return _with_zero(torch.linspace(math.log(inputs.sigma_max), math.log(inputs.sigma_min), inputs.n).exp())


def polyexponential(inputs: ScheduleInputs) -> Tensor:
    """Spaced in ln sigma by a ramp raised to rho (1 by default, which is Exponential)."""
    ramp = torch.linspace(1, 0, inputs.n) ** (inputs.rho or 1.0)
    low, high = math.log(inputs.sigma_min), math.log(inputs.sigma_max)
    return _with_zero((ramp * (high - low) + low).exp())


def _timesteps_of_range(inputs: ScheduleInputs, count: int) -> Tensor:
    table = inputs.table
    return torch.linspace(float(table.sigma_to_t(inputs.sigma_max)), float(table.sigma_to_t(inputs.sigma_min)), count)


def sgm_uniform(inputs: ScheduleInputs) -> Tensor:
    """The first n of n + 1 evenly spaced timesteps, so that the last positive sigma is well above the lowest."""
    return _with_zero(inputs.table.t_to_sigma(_timesteps_of_range(inputs, inputs.n + 1)[:-1]))


def normal(inputs: ScheduleInputs) -> Tensor:
    """Timesteps evenly spaced over the range (Uniform, except that it obeys the range overrides)."""
    return _with_zero(inputs.table.t_to_sigma(_timesteps_of_range(inputs, inputs.n)))


def kl_optimal(inputs: ScheduleInputs) -> Tensor:
    """Evenly spaced in arctan sigma (Sabour et al. 2024). It ends at sigma_min: there is no trailing zero."""
    ramp = torch.arange(inputs.n + 1) / inputs.n
    low, high = torch.tensor(inputs.sigma_min).atan(), torch.tensor(inputs.sigma_max).atan()
    return (ramp * low + (1 - ramp) * high).tan()


_ALIGN_YOUR_STEPS = {
    StepTables.SD1: (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    StepTables.SDXL: (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
}
_GITS = {
    StepTables.SD1: (14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029),
    StepTables.SDXL: (14.615, 4.734, 2.567, 1.529, 0.987, 0.652, 0.418, 0.268, 0.179, 0.127, 0.029),
}
"""Chen et al. 2024 (arXiv:2405.11326)."""
# fmt: off
_ALIGN_YOUR_STEPS_32 = {
    StepTables.SD1: (
        14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609, 3.13490466,
        2.79228788, 2.48773628, 2.21663865, 1.97508351, 1.7793172, 1.61475335, 1.46540953, 1.314849, 1.16642497,
        1.03475547, 0.91573744, 0.80748169, 0.71202361, 0.621739, 0.53065202, 0.4529096, 0.37491455, 0.27461819,
        0.2011529, 0.14105873, 0.06682881, 0.03166121, 0.015,
    ),
    StepTables.SDXL: (
        14.615, 11.1491618, 8.50522127, 6.48827151, 5.43707402, 4.60398619, 3.89854704, 3.27407457, 2.74396527,
        2.29968659, 1.95448514, 1.67108715, 1.42878152, 1.23181009, 1.06789649, 0.92579443, 0.80290886, 0.69660121,
        0.60436903, 0.52852552, 0.46773344, 0.41393379, 0.36258186, 0.31008517, 0.26518925, 0.22326461, 0.17653877,
        0.13959192, 0.10587381, 0.05519369, 0.02877334, 0.015,
    ),
}
# fmt: on


def _optimised(tables: Mapping[StepTables, Sequence[float]]) -> ScheduleFunction:
    """Levels optimised for each model family; ln sigma is interpolated for other counts. The range is ignored."""

    def schedule(inputs: ScheduleInputs) -> Tensor:
        levels = np.array(tables[inputs.table.step_tables])
        if inputs.n != len(levels):
            # Rising and then reversed, so that a single step gets the lowest level, as upstream.
            at = np.linspace(0, 1, inputs.n)
            levels = np.exp(np.interp(at, np.linspace(0, 1, len(levels)), np.log(levels[::-1])))[::-1].copy()
        return _with_zero(torch.from_numpy(levels))

    return schedule


def simple(inputs: ScheduleInputs) -> Tensor:
    """Every (N / n)-th entry of the table, from the top."""
    sigmas = inputs.table.sigmas
    return _with_zero(sigmas[[-(1 + int(k * (len(sigmas) / inputs.n))) for k in range(inputs.n)]])


def ddim(inputs: ScheduleInputs) -> Tensor:
    """Entries 1, 1 + N//n, ... of the table. There may be more of them than n (30 gives 31)."""
    sigmas = inputs.table.sigmas
    return _with_zero(sigmas[1 :: max(len(sigmas) // inputs.n, 1)].flip(0))


def beta(inputs: ScheduleInputs) -> Tensor:
    """Quantiles of a Beta distribution (Lee et al. 2024, arXiv:2407.12173) over the range of sigma, not of t."""
    from scipy.special import betaincinv  # slow to import, and one schedule needs it

    quantiles = betaincinv(inputs.beta_alpha, inputs.beta_beta, 1 - np.linspace(0, 1, inputs.n))
    return _with_zero(torch.from_numpy(inputs.sigma_min + quantiles * (inputs.sigma_max - inputs.sigma_min)))


def turbo(inputs: ScheduleInputs) -> Tensor:
    """The last of n even parts of the timesteps each (Sauer et al. 2023, arXiv:2311.17042: 249, 499, 749, 999)."""
    timesteps = (torch.arange(inputs.n, 0, -1) * (TRAIN_STEPS / inputs.n) - 1).round().clamp(0, TRAIN_STEPS - 1)
    return _with_zero(inputs.table.t_to_sigma(timesteps))


_FUNCTIONS: Mapping[str, ScheduleFunction] = {
    "Automatic": uniform,
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": _optimised(_ALIGN_YOUR_STEPS),
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
    "Turbo": turbo,
    "Align Your Steps GITS": _optimised(_GITS),
    "Align Your Steps 11": _optimised(_ALIGN_YOUR_STEPS),
    "Align Your Steps 32": _optimised(_ALIGN_YOUR_STEPS_32),
}

SCHEDULES: Registry[Schedule] = Registry(
    "schedule", (Schedule(facts.name, facts.aliases, _FUNCTIONS[facts.name]) for facts in samplers.SCHEDULES.values())
)
"""In A1111's order and then Forge's (hechos/a1111.md 3.3 and 13)."""

AUTOMATIC = SCHEDULES["Automatic"]
"""Stands for the sampler's own schedule, and for Uniform where it has none."""

UNIFORM = SCHEDULES["Uniform"]


def build_sigmas(
    schedule: Schedule,
    steps: int,
    table: NoiseTable,
    options: ScheduleOptions = DEFAULT_SCHEDULE_OPTIONS,
    *,
    discard_penultimate: bool = False,
) -> Tensor:
    """The sigmas of ``schedule`` for ``steps`` >= 0 steps: float32 CPU, falling. Zero steps give just [0].

    With ``discard_penultimate`` (the sampler's, or the option) one more level is made and the last positive one
    dropped.
    """
    if steps == 0:
        return torch.zeros(1)
    discard = discard_penultimate or options.discard_penultimate
    inputs = ScheduleInputs(
        n=steps + discard,
        table=table,
        sigma_min=options.sigma_min or table.sigma_min,
        sigma_max=options.sigma_max or table.sigma_max,
        rho=options.rho,
        beta_alpha=options.beta_alpha,
        beta_beta=options.beta_beta,
    )
    sigmas = schedule.function(inputs)
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas
