"""Sizes, seeds and adjustments of passes."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from sdcolab.core.errors import UnknownName
from sdcolab.core.request import GenerationRequest, Hires, InitImage, Refiner, RefinerPasses, Variation
from sdcolab.core.tuning import Tuning, UniPCVariant
from sdcolab.engine.plan import (
    GenerationPlan,
    Size,
    cropped_latents,
    hires_size,
    make_plan,
    sampler_options,
    schedule_options,
)
from sdcolab.engine.schedules import NoiseTable

TABLE = NoiseTable.stable_diffusion()


def plan(**fields: object) -> GenerationPlan:
    request = GenerationRequest(width=512, height=768, seed=5, **fields)  # type: ignore[arg-type]
    return make_plan(request.resolved(checkpoint="m", native_size=512), TABLE)


@pytest.mark.parametrize(
    ("hires", "enlarged"),
    [
        (Hires(scale=1.5), Size(768, 1152)),
        (Hires(scale=1.05), Size(537, 806)),
        (Hires(width=1024), Size(1024, 1536)),
        (Hires(height=1024), Size(682, 1024)),
        (Hires(width=1024, height=1024), Size(1024, 1536)),
        (Hires(width=512, height=1536), Size(1024, 1536)),
    ],
)
def test_the_second_pass_starts_from_this_size(hires: Hires, enlarged: Size) -> None:
    assert hires_size(Size(512, 768), hires) == enlarged


@pytest.mark.parametrize(
    ("enlarged", "target", "rows", "columns"),
    [
        (Size(1024, 1536), Size(1024, 1536), (0, 192), (0, 128)),
        (Size(1024, 1536), Size(1024, 1024), (32, 160), (0, 128)),
        (Size(1048, 1536), Size(1024, 1536), (0, 192), (1, 129)),  # three blocks too many: one before, two after
    ],
)
def test_what_sticks_out_is_cropped(
    enlarged: Size, target: Size, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    height, width = enlarged.latent
    cropped = cropped_latents((height, width), enlarged, target)
    assert [part.indices(length)[:2] for part, length in zip(cropped, (height, width), strict=True)] == [rows, columns]


def test_the_second_pass_takes_what_it_does_not_say_from_the_first() -> None:
    made = plan(sampler="DPM++ SDE", steps=10, prompt="a", hires=Hires(scale=2))
    assert made.second is not None
    assert (made.second.choice.sampler.name, made.second.steps, made.second.prompt) == ("DPM++ SDE", 10, "a")
    assert (made.second.exact, made.second.strength, made.second.base_calls) == (True, 0.7, 20)
    other = plan(steps=10, hires=Hires(steps=4, sampler="Euler", schedule="Karras", prompt="b", cfg_scale=3.0)).second
    assert other is not None
    assert (other.choice.sampler.name, other.choice.schedule.name, other.steps) == ("Euler", "Karras", 4)
    assert (other.prompt, other.cfg_scale) == ("b", 3.0)


def test_calls_are_counted_over_both_passes() -> None:
    made = plan(sampler="Euler", steps=10, batch_count=2, hires=Hires(steps=4))
    assert (made.first_calls, made.second_calls, made.total_calls) == (10, 4, 28)
    picture = Image.new("RGB", (8, 8))
    assert plan(sampler="Euler", steps=20, init=InitImage((picture,), strength=0.75)).calls == 16
    assert plan(sampler="Euler", steps=20, init=InitImage((picture,), strength=0.75, exact_steps=True)).calls == 20
    assert plan(init=InitImage((picture,)), hires=Hires()).second is None


def test_a_wrong_sampler_of_the_second_pass_is_told() -> None:
    with pytest.raises(UnknownName):
        plan(hires=Hires(sampler="Ojler"))


@pytest.mark.parametrize(
    ("passes", "first", "second"),
    [(RefinerPasses.FIRST, True, False), (RefinerPasses.SECOND, False, True), (RefinerPasses.BOTH, True, True)],
)
def test_the_refiner_works_in_the_passes_asked_for(passes: RefinerPasses, first: bool, second: bool) -> None:
    refiner = Refiner("r", passes=passes)
    made = plan(refiner=refiner, hires=Hires())
    assert made.second is not None
    assert (made.first.refiner is not None, made.second.refiner is not None) == (first, second)
    assert plan(refiner=refiner).first.refiner == refiner


def test_a_variation_shares_the_seed() -> None:
    made = plan(batch_size=2, batch_count=2, variation=Variation(seed=9, strength=0.1))
    assert [(batch.seeds, batch.variation_seeds) for batch in made.batches] == [((5, 5), (9, 10)), ((5, 5), (11, 12))]
    alone = plan(batch_size=2).batches[0]
    assert alone.seeds == (5, 6)
    (first, second) = alone.parts(1)
    assert (first.seeds, second.seeds, second.first) == ((5,), (6,), 1)


def test_zero_is_not_set() -> None:
    neutral = schedule_options(Tuning())
    assert (neutral.sigma_min, neutral.sigma_max, neutral.rho) == (None, None, None)
    old = schedule_options(Tuning(old_karras_sigmas=True, schedule_max_sigma=12))
    assert (old.sigma_min, old.sigma_max) == (0.1, 12)
    assert sampler_options(Tuning()).s_tmax == math.inf
    assert sampler_options(Tuning(unipc_variant=UniPCVariant.BH2, sigma_tmax=3)).s_tmax == 3
