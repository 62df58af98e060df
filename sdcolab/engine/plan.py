"""From a request to the runs that make it: nothing here runs a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import AUTOMATIC, INSIDE, SIZE_STEP, GenerationRequest
from sdcolab.engine.samplers import SamplingPlan, resolve_sampler
from sdcolab.engine.schedules import NoiseTable

_VAE_SUFFIXES = (".vae.safetensors", ".vae.pt", ".vae.ckpt")


@dataclass(frozen=True, slots=True)
class Batch:
    """Images made at once: ``number`` from 1; ``first`` is the index over all batches of its first image."""

    number: int
    first: int
    seeds: tuple[int, ...]

    def parts(self, size: int) -> Iterator[Batch]:
        """The same images in runs of at most ``size``."""
        for start in range(0, len(self.seeds), size):
            yield replace(self, first=self.first + start, seeds=self.seeds[start : start + size])


@dataclass(frozen=True, slots=True, eq=False)
class GenerationPlan:
    """``request`` is resolved, with the sampler's and schedule's own names. ``calls`` denoiser calls are expected a
    batch. ``one_by_one``: the pictures of a batch must not be sampled together.
    """

    request: GenerationRequest
    sampling: SamplingPlan[Any]
    second_order: bool
    one_by_one: bool
    latent_size: tuple[int, int]
    batches: tuple[Batch, ...]

    @property
    def calls(self) -> int:
        """Denoiser calls a batch."""
        return self.sampling.expected_calls

    @property
    def total_calls(self) -> int:
        """Denoiser calls of the whole job, for progress."""
        return self.calls * len(self.batches)


def make_plan(request: GenerationRequest, table: NoiseTable) -> GenerationPlan:
    """The plan of a request whose seed and size are settled. Raises ``UnknownName`` for the sampler or the schedule."""
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    choice = resolve_sampler(request.sampler, request.schedule)
    latent_size = (request.height // SIZE_STEP, request.width // SIZE_STEP)
    request = replace(request, sampler=choice.sampler.name, schedule=choice.schedule.name)
    return GenerationPlan(
        request=request,
        sampling=choice.sampler.txt2img(request.steps, table, choice.schedule),
        second_order=choice.sampler.second_order,
        one_by_one=choice.sampler.adaptive,
        latent_size=latent_size,
        batches=tuple(_batch(request, number) for number in range(request.batch_count)),
    )


def _batch(request: GenerationRequest, number: int) -> Batch:
    first = number * request.batch_size
    return Batch(number + 1, first, tuple(request.seed_of(first + index) for index in range(request.batch_size)))


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
