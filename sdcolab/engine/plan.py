"""From a request to the runs that make it: nothing here runs a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.prompt.schedule import expected_calls
from sdcolab.core.request import (
    AUTOMATIC,
    INSIDE,
    SIZE_STEP,
    GenerationRequest,
    Hires,
    Refiner,
    RefinerPasses,
)
from sdcolab.core.tuning import NoiseSchedule, Tuning
from sdcolab.engine.models import LoadedModel
from sdcolab.engine.samplers import SamplerChoice, SamplerOptions, SamplingPlan, resolve_sampler
from sdcolab.engine.schedules import NoiseTable, ScheduleOptions

_VAE_SUFFIXES = (".vae.safetensors", ".vae.pt", ".vae.ckpt")


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
            yield replace(
                self,
                first=self.first + start,
                seeds=self.seeds[start : start + size],
                variation_seeds=self.variation_seeds[start : start + size],
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

    ``strength`` None starts from noise, a number from latents; ``exact``: with all ``steps`` (hechos/a1111.md 3.6).
    ``size`` is what comes out; ``base_calls``, of a hires pass, places its prompt editing after the first pass.
    """

    choice: SamplerChoice
    steps: int
    strength: float | None
    exact: bool
    size: Size
    prompt: str
    negative_prompt: str
    cfg_scale: float
    checkpoint: str
    refiner: Refiner | None
    schedule_options: ScheduleOptions
    base_calls: int | None = None

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
        """Denoiser calls that prompt editing, the refiner and early guidance count on."""
        return expected_calls(self.steps, second_order=self.second_order)

    def sampling(self, table: NoiseTable) -> SamplingPlan[Any]:
        """The noise levels to walk, for a model with these."""
        sampler, schedule, options = self.choice.sampler, self.choice.schedule, self.schedule_options
        if self.strength is None:
            return sampler.txt2img(self.steps, table, schedule, options)
        return sampler.img2img(self.steps, self.strength, table, schedule, options, exact_steps=self.exact)


@dataclass(frozen=True, slots=True, eq=False)
class GenerationPlan:
    """``request`` is resolved, with the sampler's and schedule's own names. ``second`` is the hires pass, which starts
    from the first one's pictures enlarged to ``enlarged`` and cropped to the pass's size. ``first_calls`` and
    ``second_calls`` denoiser calls are expected a batch.
    """

    request: GenerationRequest
    first: Pass
    second: Pass | None
    enlarged: Size
    batches: tuple[Batch, ...]
    first_calls: int
    second_calls: int

    @property
    def calls(self) -> int:
        """Denoiser calls a batch."""
        return self.first_calls + self.second_calls

    @property
    def total_calls(self) -> int:
        """Denoiser calls of the whole job, for progress."""
        return self.calls * len(self.batches)


def make_plan(request: GenerationRequest, table: NoiseTable) -> GenerationPlan:
    """The plan of a request whose seed and size are settled; ``table`` is only used to count. Raises ``UnknownName``
    for a sampler or a schedule.
    """
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    size = Size(request.width, request.height)
    choice = resolve_sampler(request.sampler, request.schedule)
    request = replace(request, sampler=choice.sampler.name, schedule=choice.schedule.name)
    refiner, hires = request.refiner, request.hires if request.init is None else None
    first = Pass(
        choice=choice,
        steps=request.steps,
        strength=request.init.strength if request.init else None,
        exact=request.init.exact_steps if request.init else False,
        size=size,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        cfg_scale=request.cfg_scale,
        checkpoint=request.checkpoint,
        refiner=refiner if not hires or (refiner and refiner.passes is not RefinerPasses.SECOND) else None,
        schedule_options=schedule_options(request.tuning),
    )
    enlarged = size if hires is None else hires_size(size, hires)
    second = None if hires is None else _second_pass(request, hires, first, enlarged)
    return GenerationPlan(
        request=request,
        first=first,
        second=second,
        enlarged=enlarged,
        batches=tuple(_batch(request, number) for number in range(request.batch_count)),
        first_calls=first.sampling(table).expected_calls,
        second_calls=0 if second is None else second.sampling(table).expected_calls,
    )


def _second_pass(request: GenerationRequest, hires: Hires, first: Pass, enlarged: Size) -> Pass:
    refiner = request.refiner
    target = Size(hires.width or enlarged.width, hires.height or enlarged.height)
    return replace(
        first,
        choice=resolve_sampler(hires.sampler or request.sampler, hires.schedule or request.schedule),
        steps=hires.steps or request.steps,
        strength=hires.strength,
        exact=True,
        size=target,
        prompt=hires.prompt or request.prompt,
        negative_prompt=hires.negative_prompt or request.negative_prompt,
        cfg_scale=request.cfg_scale if hires.cfg_scale is None else hires.cfg_scale,
        checkpoint=hires.checkpoint or request.checkpoint,
        refiner=refiner if refiner and refiner.passes is not RefinerPasses.FIRST else None,
        base_calls=first.prompt_calls,
    )


def hires_size(first: Size, hires: Hires) -> Size:
    """What a picture of the first pass is enlarged to before the second: by a factor, to one side and the other in
    proportion, or so that it covers both (hechos/a1111.md 4.2).
    """
    width, height = hires.width, hires.height
    if not width and not height:
        return Size(int(first.width * hires.scale), int(first.height * hires.scale))
    if not height or (width and first.width / first.height < width / height):
        return Size(width, width * first.height // first.width)
    return Size(height * first.width // first.height, height)


def cropped_latents(shape: tuple[int, int], enlarged: Size, target: Size) -> tuple[slice, slice]:
    """Rows and columns of latents of ``shape`` (h, w) that remain when ``enlarged`` is cropped to ``target``; the odd
    one goes at the end (hechos/a1111.md 4.2).
    """
    down, across = (enlarged.height - target.height) // SIZE_STEP, (enlarged.width - target.width) // SIZE_STEP
    return slice(down // 2, shape[0] - (down + 1) // 2), slice(across // 2, shape[1] - (across + 1) // 2)


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
    """The noise levels of ``model``, which may itself ask for zero terminal SNR (hechos/a1111.md 3.2 and 3.7)."""
    return NoiseTable.stable_diffusion(
        downcast=tuning.downcast_alphas,
        zero_terminal_snr=model.zero_terminal_snr or tuning.noise_schedule is NoiseSchedule.ZERO_TERMINAL_SNR,
        quantize=tuning.quantize,
        step_tables=model.step_tables,
    )


# --- VAE ----------------------------------------------------------------------------------------------------------


def choose_vae(name: str, checkpoint: ModelFile, library: Library) -> ModelFile | None:
    """The VAE file that ``name`` means, or None for the one inside the checkpoint (hechos/a1111.md 6).

    "Automatic" takes the file called like the checkpoint: ``NAME.vae.safetensors`` (``.vae.pt``, ``.vae.ckpt``) beside
    it, or one in the VAE folder whose name begins with the checkpoint's name and a dot. Raises ``UnknownName``.
    """
    if name == INSIDE:
        return None
    if name != AUTOMATIC:
        return library.find(ModelKind.VAE, name)
    stem = checkpoint.path.name.rsplit(".", 1)[0]
    for suffix in _VAE_SUFFIXES:
        beside = checkpoint.path.with_name(stem + suffix)
        if beside.is_file():
            return ModelFile(ModelKind.VAE, beside.name, beside)
    named = (file for file in library.files(ModelKind.VAE) if file.path.name.startswith(f"{stem}."))
    return next(named, None)
