"""Forecasting steps: the arithmetic against functions that it must follow, and whole generations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.core.samplers import SAMPLERS
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, Tuning
from sdcolab.engine.engine import Engine
from sdcolab.engine.forecast import DEGREES, RIDGE, Known, real_steps, spectral_weights
from sdcolab.engine.levels import LEVELS, Levels

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"
PRECISE = Tuning(cpu_precision=CpuPrecision.FULL)
REQUEST = GenerationRequest(
    prompt="un gato",
    negative_prompt="feo",
    sampler="Euler",
    steps=16,
    seed=7,
    width=64,
    height=64,
    speed=Speed.FAST,
    tuning=PRECISE,
)

# --- Which steps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "computed"), [(0.44, 14), (0.64, 9), (0.0, 25), (0.75, 8)])
def test_of_25_steps(share: float, computed: int) -> None:
    real = real_steps(25, share)
    assert len(real) == computed
    assert {0, 1, 24} <= real <= set(range(25))


@pytest.mark.parametrize("share", [0.05, 0.44, 0.64, 0.75])
def test_the_ends_are_computed_and_gaps_widen(share: float) -> None:
    for steps in range(1, 151):
        real = sorted(real_steps(steps, share))
        assert real[0] == 0
        assert real[-1] == steps - 1
        gaps = [after - before for before, after in pairwise(real) if after - before > 1]
        assert all(after >= before - 1 for before, after in pairwise(gaps))
        assert steps >= 10 or len(real) == steps


# --- Weights --------------------------------------------------------------------------------------------------------


def test_weights_add_up_to_one() -> None:
    assert spectral_weights((0, 1, 2, 3, 6, 9), 11, 25).sum() == pytest.approx(1)


def test_the_fit_is_a_ridge_regression_on_chebyshev_polynomials() -> None:
    times, at, end = (0, 1, 2, 3, 6, 9), 11, 25
    values = np.cos(np.array(times) / 6)
    angles = np.arccos(2 * np.array((*times, at)) / end - 1)
    basis = np.cos(np.arange(DEGREES) * angles[:, None])  # T_n(cos a) = cos(n a)
    heavy = np.vstack([basis[:-1], np.sqrt(RIDGE) * np.eye(DEGREES)])
    coefficients = np.linalg.lstsq(heavy, np.concatenate([values - values[-1], np.zeros(DEGREES)]), rcond=None)[0]
    told = spectral_weights(times, at, end) @ values
    assert told == pytest.approx(values[-1] + basis[-1] @ coefficients)
    assert abs(told - np.cos(at / 6)) < abs(values[-1] - np.cos(at / 6))


def test_a_value_of_the_same_step_takes_the_place_of_the_one_before() -> None:
    known = Known()
    for step, level, value in ((0, 9.0, 0.0), (0, 8.0, 1.0), (1, 8.0, 2.0), (2, 7.0, 3.0)):
        known.learn(step, torch.full((1,), value), level)
    assert [value.item() for value in known.values] == [1, 2, 3]
    assert known.continues(3, 7.0)
    known.learn(3, torch.zeros(1), 7.5)
    assert len(known.values) == len(known.times) == 1, "the noise rose"


def test_known_values_are_bounded_and_end_where_the_noise_rises() -> None:
    known = Known()
    for step in range(20):
        known.learn(step, torch.full((1,), float(step)), 20.0 - step)
    assert len(known.values) == 8
    assert known.continues(20, 0.5)
    assert not known.continues(19, 0.5)
    assert not known.continues(20, 5.0)
    assert known.forecast(22, 25, 0.0).item() == 19
    assert 19 < known.forecast(22, 25, 0.3).item() < 22


@pytest.mark.parametrize("levels", LEVELS.values())
def test_an_image_says_which_output_it_came_from(levels: Levels) -> None:
    x, output = torch.randn(2, 1, 4, 3, 3).unbind()
    sigma = torch.tensor(1.7)
    assert torch.allclose(levels.output(x, levels.image(x, output, sigma), sigma), output, atol=1e-5)


# --- Whole generations ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The model that ships in the package, which was trained."""
    file = ModelFile(ModelKind.CHECKPOINT, DEMO.name, DEMO)
    return Engine(Library(Folders(tmp_path_factory.mktemp("demo")), bundled=(file,)), None, device="cpu")


@contextmanager
def counted(engine: Engine) -> Iterator[Counter[str]]:
    """Counts the calls of the UNet."""
    calls: Counter[str] = Counter()
    engine.preload()
    unet = engine.models.checkpoints[0].model.unet
    hook = unet.register_forward_pre_hook(lambda *_: calls.update(unet=1))
    try:
        yield calls
    finally:
        hook.remove()


def made(engine: Engine, request: GenerationRequest) -> np.ndarray:
    return np.asarray(engine.generate(request, save=False).images[0].image, np.int16)


def test_faithful_asks_the_model_in_every_step(engine: Engine) -> None:
    with counted(engine) as calls:
        made(engine, replace(REQUEST, speed=Speed.FAITHFUL))
    assert calls["unet"] == 16


@pytest.mark.parametrize("sampler", ["DPM++ SDE", "Heun", "DDIM", "PLMS", "Restart", "DPM++ 2M SDE"])
def test_every_kind_of_sampler_asks_less(engine: Engine, sampler: str) -> None:
    with counted(engine) as calls:
        made(engine, replace(REQUEST, sampler=sampler, steps=20, speed=Speed.BALANCED))
    most = 20 if sampler == "Restart" else 12  # it goes back up, and begins anew there
    assert 0 < calls["unet"] <= most * (2 if SAMPLERS[sampler].second_order else 1)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M"])
def test_a_trained_model_paints_the_same_picture(demo: Engine, sampler: str) -> None:
    request = GenerationRequest(prompt="pizza", sampler=sampler, steps=25, seed=100, tuning=PRECISE)
    whole = made(demo, request)
    for speed, computed, most in ((Speed.BALANCED, 14, 1.0), (Speed.FAST, 9, 3.0)):
        with counted(demo) as calls:
            fast = made(demo, replace(request, speed=speed))
        assert calls["unet"] == computed
        assert np.abs(fast - whole).mean() < most


def test_both_halves_of_a_step_are_forecast_from_the_same_image(demo: Engine) -> None:
    """DPM2 a multiplies what lies between the images of its two halves, until the picture breaks."""
    apple = GenerationRequest(prompt="red apple", sampler="DPM++ 2S a", steps=25, seed=100, tuning=PRECISE)
    fast = made(demo, replace(apple, sampler="DPM2 a", speed=Speed.FAST))
    assert np.abs(fast - made(demo, apple)).mean() < 3


@pytest.mark.parametrize("sampler", ["LCM", "DPM fast"])
def test_some_samplers_are_left_alone(engine: Engine, sampler: str) -> None:
    request = replace(REQUEST, sampler=sampler)
    assert np.array_equal(made(engine, request), made(engine, replace(request, speed=Speed.FAITHFUL)))


def test_pictures_do_not_depend_on_their_batch(engine: Engine) -> None:
    together = engine.generate(replace(REQUEST, batch_size=2), save=False).images
    alone = made(engine, replace(REQUEST, seed=8))
    assert np.abs(np.asarray(together[1].image, np.int16) - alone).max() <= 1


def test_nothing_is_forecast_across_a_change_of_the_prompt(engine: Engine) -> None:
    with counted(engine) as calls:
        made(engine, replace(REQUEST, steps=20, prompt="un [gato:perro:0.5]"))
    changed = calls["unet"]
    with counted(engine) as calls:
        made(engine, replace(REQUEST, steps=20))
    assert changed > calls["unet"]


def test_each_pass_of_hires_begins_anew(engine: Engine) -> None:
    request = replace(REQUEST, hires=Hires(scale=1.5, strength=0.7))
    with counted(engine) as calls:
        made(engine, request)
    assert calls["unet"] < 32


def test_the_fine_adjustment_alone_and_over_the_speed(engine: Engine) -> None:
    alone = replace(REQUEST, speed=Speed.FAITHFUL, steps=20, tuning=replace(PRECISE, forecast=0.5))
    with counted(engine) as calls:
        made(engine, alone)
    assert calls["unet"] == 10
    with counted(engine) as calls:
        made(engine, replace(alone, speed=Speed.FAST))
    assert calls["unet"] == 10


def test_the_infotext_says_so(engine: Engine) -> None:
    assert "Speed: fast" in engine.generate(REQUEST, save=False).images[0].infotext
    plain = engine.generate(replace(REQUEST, speed=Speed.FAITHFUL), save=False).images[0].infotext
    assert "Speed" not in plain
