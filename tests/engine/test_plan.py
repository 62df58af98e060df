"""Sizes, seeds and adjustments of passes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import UnknownName
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest, Hires, InitImage, Refiner, RefinerPasses, Variation
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.tuning import Tuning, UniPCVariant
from sdcolab.engine.calls import Round, Step
from sdcolab.engine.feature import Feature
from sdcolab.engine.features import FEATURES
from sdcolab.engine.features.hires import HiresFix, cropped_latents, cropped_size, hires_size
from sdcolab.engine.features.init_image import FromPictures
from sdcolab.engine.features.refiner import RefinerSwitch
from sdcolab.engine.plan import GenerationPlan, Size, make_plan, sampler_options, schedule_options
from sdcolab.engine.schedules import NoiseTable

TABLE = NoiseTable.stable_diffusion()


def plan(features: list[Feature] | None = None, **fields: object) -> GenerationPlan:
    request = GenerationRequest(width=512, height=768, seed=5, **fields)  # type: ignore[arg-type]
    request = request.resolved(checkpoint="m", native_size=512)
    file = ModelFile(ModelKind.CHECKPOINT, "m.safetensors", Path("m.safetensors"))
    asked = ResolvedRequest(request, Library(Folders(Path("nada"))).now(), file, {}, {})
    made = make_plan(request)
    for row in FEATURES:
        feature = row.asked(asked) if row in (HiresFix, FromPictures, RefinerSwitch) else None
        if feature is not None:
            made = feature.passes(made)
            if features is not None:
                features.append(feature)
    return made


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


@pytest.mark.parametrize("width", range(184, 217))
@pytest.mark.parametrize("height", [96, 131, 200])
def test_the_second_pass_is_as_large_as_what_is_left_of_the_latents(width: int, height: int) -> None:
    hires = Hires(width=width, height=height)
    second = plan(hires=hires).passes[1]
    enlarged = hires_size(Size(512, 768), hires)
    rows, columns = cropped_latents(enlarged.latent, enlarged, Size(width, height))
    assert second.size.latent == (rows.stop - rows.start, columns.stop - columns.start)
    assert cropped_size(enlarged, Size(width // 8 * 8, height // 8 * 8)) == Size(width // 8 * 8, height // 8 * 8)


def test_the_second_pass_takes_what_it_does_not_say_from_the_first() -> None:
    _, second = plan(sampler="DPM++ SDE", steps=10, prompt="a", hires=Hires(scale=2)).passes
    assert (second.choice.sampler.name, second.steps, second.prompt) == ("DPM++ SDE", 10, "a")
    assert (second.number, second.exact, second.strength, second.base_calls) == (1, True, 0.7, 20)
    changed = Hires(steps=4, sampler="Euler", schedule="Karras", prompt="b", cfg_scale=3.0)
    _, other = plan(steps=10, hires=changed).passes
    assert (other.choice.sampler.name, other.choice.schedule.name, other.steps) == ("Euler", "Karras", 4)
    assert (other.prompt, other.cfg_scale) == ("b", 3.0)


def test_calls_are_counted_over_both_passes() -> None:
    made = plan(sampler="Euler", steps=10, batch_count=2, hires=Hires(steps=4))
    assert made.expected_calls(TABLE) == (10, 4)
    picture = Image.new("RGB", (8, 8))
    assert plan(sampler="Euler", steps=20, init=InitImage((picture,), strength=0.75)).expected_calls(TABLE) == (16,)
    exact = InitImage((picture,), strength=0.75, exact_steps=True)
    assert plan(sampler="Euler", steps=20, init=exact).expected_calls(TABLE) == (20,)
    assert len(plan(init=InitImage((picture,)), hires=Hires()).passes) == 1


def test_a_wrong_sampler_of_the_second_pass_is_told() -> None:
    with pytest.raises(UnknownName):
        plan(hires=Hires(sampler="Ojler"))


@pytest.mark.parametrize(
    ("passes", "first", "second"),
    [(RefinerPasses.FIRST, True, False), (RefinerPasses.SECOND, False, True), (RefinerPasses.BOTH, True, True)],
)
def test_the_refiner_works_in_the_passes_asked_for(passes: RefinerPasses, first: bool, second: bool) -> None:
    refiner = Refiner("r", switch_at=0.5, by_steps=True, passes=passes)
    assert taken_over(refiner=refiner, hires=Hires()) == [first, second]
    assert taken_over(refiner=refiner) == [True]


def taken_over(**fields: object) -> list[bool]:
    """For each pass, whether the refiner takes over at its end."""
    features: list[Feature] = []
    made = plan(features, steps=10, sampler="Euler", **fields)
    (switch,) = (feature for feature in features if isinstance(feature, RefinerSwitch))
    found = []
    for one in made.passes:
        of = Round(one, made.batches[0], 10)
        level = {"sigma": 1.0, "t": 500.0, "signal": 1.0, "deviation": 1.0, "by_timesteps": False, "scale": 7.0}
        calls = [switch.take_over(Step(of, call, **level), lambda name: name) for call in range(10)]
        assert [call for call in calls if call] in ([], ["r"])  # once
        assert not any(calls[:5])
        found.append(any(calls))
    return found


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
