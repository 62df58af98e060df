"""From a request to the runs that make it: nothing here runs a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdcolab.core.prompt.schedule import expected_calls
from sdcolab.core.request import SIZE_STEP, GenerationRequest
from sdcolab.core.tuning import NoiseSchedule, Tuning
from sdcolab.engine.models import LoadedModel
from sdcolab.engine.samplers import SamplerChoice, SamplerOptions, SamplingPlan, SigmaSampler, resolve_sampler
from sdcolab.engine.schedules import ContinuousTable, NoiseTable, ScheduleOptions


@dataclass(frozen=True, slots=True)
class Batch:
    """Images made at once: ``number`` from 1; ``first`` is the index over all batches of its first image.
    ``variation_seeds`` belong to ``seeds`` one by one.
    """

    number: int
    first: int
    seeds: tuple[int, ...]
    variation_seeds: tuple[int, ...]

    def parts(self, size: int) -> Iterator[Batch]:
        """The same images in runs of at most ``size``."""
        for start in range(0, len(self.seeds), size):
            yield self.of(slice(start, min(start + size, len(self.seeds))))

    def of(self, images: slice) -> Batch:
        """Some of the images."""
        return replace(
            self,
            first=self.first + images.start,
            seeds=self.seeds[images],
            variation_seeds=self.variation_seeds[images],
        )


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    width: int
    height: int

    @property
    def latent(self) -> tuple[int, int]:
        """(h, w) of the latents; what does not fill a block of 8 pixels is cut."""
        return self.height // SIZE_STEP, self.width // SIZE_STEP


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One run of a sampler over a batch.

    ``number`` counts from 0. ``strength`` None starts from noise, a number from latents; ``exact``: with all ``steps``
    (hechos/a1111.md 3.6). ``size`` is what comes out, and ``told`` what SDXL is told of it, which is larger where the
    picture is cropped. ``base_calls``, of a hires pass, places its prompt editing after the first pass.
    ``calls_before``: so many calls of the model come before the first step.
    """

    number: int
    choice: SamplerChoice
    steps: int
    strength: float | None
    exact: bool
    size: Size
    told: Size
    prompt: str
    negative_prompt: str
    cfg_scale: float
    checkpoint: str
    schedule_options: ScheduleOptions
    base_calls: int | None = None
    calls_before: int = 0

    @property
    def second_order(self) -> bool:
        """Whether the sampler calls the model twice a step."""
        return self.choice.sampler.second_order

    @property
    def one_by_one(self) -> bool:
        """Whether the pictures of a batch must not be sampled together."""
        return self.choice.sampler.adaptive

    @property
    def prompt_calls(self) -> int:
        """Denoiser calls that prompt editing, a refiner and early guidance count on."""
        return expected_calls(self.steps, second_order=self.second_order)

    @property
    def schedule(self) -> str:
        """Label of the schedule that is used."""
        sampler, schedule = self.choice.sampler, self.choice.schedule
        return (sampler.effective_schedule(schedule) if isinstance(sampler, SigmaSampler) else schedule).name

    def sampling(self, table: NoiseTable) -> SamplingPlan[Any]:
        """The noise levels to walk, for a model with these."""
        sampler, schedule, options = self.choice.sampler, self.choice.schedule, self.schedule_options
        if self.strength is None:
            return sampler.txt2img(self.steps, table, schedule, options)
        return sampler.img2img(self.steps, self.strength, table, schedule, options, exact_steps=self.exact)


@dataclass(frozen=True, slots=True, eq=False)
class GenerationPlan:
    """``request`` is resolved, with the sampler's and schedule's own names. Each batch goes through all ``passes``; the
    later ones start from what the one before made. ``pictures`` are the requests of the single ones of a batch, where
    each has its own prompts and seed.
    """

    request: GenerationRequest
    passes: tuple[Pass, ...]
    batches: tuple[Batch, ...]
    pictures: tuple[GenerationRequest, ...] = ()

    @property
    def count(self) -> int:
        """Images of all batches."""
        return sum(len(batch.seeds) for batch in self.batches)

    def picture(self, index: int) -> tuple[GenerationRequest, int]:
        """The request that image ``index``, counted over all batches, comes from, and its number among that one's."""
        return (self.pictures[index], 0) if self.pictures else (self.request, index)

    def expected_calls(self, table: NoiseTable) -> tuple[int, ...]:
        """Denoiser calls of each pass over a batch; ``table`` is only used to count."""
        return tuple(one.sampling(table).expected_calls + one.calls_before for one in self.passes)


def make_plan(request: GenerationRequest, pictures: Sequence[GenerationRequest] = ()) -> GenerationPlan:
    """The plan of a request whose seed and size are settled, as are those of its single ``pictures`` where each has its
    own: one pass from noise. Raises ``UnknownName`` for a sampler or a schedule.
    """
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    size = Size(request.width, request.height)
    choice = resolve_sampler(request.sampler, request.schedule)
    request, *own = (
        replace(one, sampler=choice.sampler.name, schedule=choice.schedule.name) for one in (request, *pictures)
    )
    only = Pass(
        number=0,
        choice=choice,
        steps=request.steps,
        strength=None,
        exact=False,
        size=size,
        told=size,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        cfg_scale=request.cfg_scale,
        checkpoint=request.checkpoint,
        schedule_options=schedule_options(request.tuning),
    )
    if own:
        seeds, variation_seeds = (one.seed for one in own), (one.variation.seed for one in own)
        batch = Batch(number=1, first=0, seeds=tuple(seeds), variation_seeds=tuple(variation_seeds))
        return GenerationPlan(request, (only,), (batch,), tuple(own))
    batches = tuple(_batch(request, number) for number in range(request.batch_count))
    return GenerationPlan(request, (only,), batches)


def _batch(request: GenerationRequest, number: int) -> Batch:
    first = number * request.batch_size
    images = range(first, first + request.batch_size)
    return Batch(
        number=number + 1,
        first=first,
        seeds=tuple(request.seed_of(index) for index in images),
        variation_seeds=tuple(request.variation_seed_of(index) for index in images),
    )


# --- Fine adjustments ---------------------------------------------------------------------------------------------

_OLD_KARRAS_RANGE = (0.1, 10.0)


def schedule_options(tuning: Tuning) -> ScheduleOptions:
    """The adjustments of the noise schedule; zero is "not set" (hechos/a1111.md 3.3)."""
    low, high = _OLD_KARRAS_RANGE if tuning.old_karras_sigmas else (0.0, 0.0)
    return ScheduleOptions(
        sigma_min=tuning.schedule_min_sigma or low or None,
        sigma_max=tuning.schedule_max_sigma or high or None,
        rho=tuning.schedule_rho or None,
        beta_alpha=tuning.beta_alpha,
        beta_beta=tuning.beta_beta,
        discard_penultimate=tuning.discard_penultimate,
    )


def sampler_options(tuning: Tuning) -> SamplerOptions:
    """The adjustments of samplers (hechos/a1111.md 3.1)."""
    return SamplerOptions(
        eta=tuning.eta,
        eta_ddim=tuning.eta_ddim,
        tcd_gamma=tuning.tcd_gamma,
        s_churn=tuning.sigma_churn,
        s_tmin=tuning.sigma_tmin,
        s_tmax=tuning.sigma_tmax or math.inf,
        s_noise=tuning.sigma_noise,
        unipc_order=tuning.unipc_order,
        unipc_variant=tuning.unipc_variant,
        unipc_skip_type=tuning.unipc_skip_type,
        unipc_lower_order_final=tuning.unipc_lower_order_final,
    )


def noise_table(tuning: Tuning, model: LoadedModel) -> NoiseTable:
    """The noise levels of ``model``, which may itself ask for zero terminal SNR (hechos/a1111.md 3.2 and 3.7), or have
    a range of its own."""
    if model.noise_range:
        return ContinuousTable.between(*model.noise_range, quantize=tuning.quantize, step_tables=model.step_tables)
    return NoiseTable.stable_diffusion(
        downcast=tuning.downcast_alphas,
        zero_terminal_snr=model.zero_terminal_snr or tuning.noise_schedule is NoiseSchedule.ZERO_TERMINAL_SNR,
        quantize=tuning.quantize,
        step_tables=model.step_tables,
    )
