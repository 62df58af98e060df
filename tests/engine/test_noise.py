"""Noise against A1111's, number by number."""

from __future__ import annotations

import re
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdcolab.core.request import NoiseOrigin
from sdcolab.engine import noise as noise_module
from sdcolab.engine.noise import (
    BatchNoise,
    BrownianTree,
    NoiseSpec,
    make_generator,
    paste_centred,
    philox_normal,
    slerp,
)

DATA = Path(__file__).parents[1] / "data" / "referencia"
CPU = torch.device("cpu")
PHILOX = np.load(DATA / "philox.npz")
BATCHES = np.load(DATA / "imagerng_seeds1234_1235_4x16x16.npz")
BROWNIAN = np.load(DATA / "brownian_torchsde.npz")
SEEDS = (1234, 1235)
SHAPE = (4, 16, 16)


@pytest.mark.parametrize("name", PHILOX.files)
def test_philox_equals_reference(name: str) -> None:
    match = re.fullmatch(r"philox_seed(\d+)_call(\d+)_.*", name)
    assert match
    seed, call = int(match[1]), int(match[2])
    np.testing.assert_array_equal(philox_normal(seed, call, PHILOX[name].shape), PHILOX[name])


@pytest.mark.parametrize(
    ("seed", "call", "expected"),
    [
        (0, 0, [-0.9246624, -0.42534396, -2.6438458, 0.14518388]),
        (0, 1, [0.18082589, -0.5522627, 0.9238134, -0.73497033]),
        (12345, 0, [0.5786413, -0.5247555, -0.29190373, 0.01401390]),
        (2**32 + 1, 0, [0.85489404, -0.11420238]),
    ],
)
def test_philox_equals_known_values(seed: int, call: int, expected: list[float]) -> None:
    """hechos/a1111.md 2.2."""
    np.testing.assert_allclose(philox_normal(seed, call, (len(expected),)), expected, rtol=1e-6)


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sub0.3": {"subseeds": (99, 100), "subseed_strength": 0.3},
    "sub1.0": {"subseeds": (99, 100), "subseed_strength": 1.0},
    "resize_up": {"resize_from": (8, 24)},
    "resize_sub": {"resize_from": (12, 8), "subseeds": (5, 6), "subseed_strength": 0.5},
    "ensd": {"eta_seed_delta": 31337},
}


def test_every_reference_variant_is_tested() -> None:
    assert {name.split("_", 1)[1].rsplit("_call", 1)[0] for name in BATCHES.files} == set(VARIANTS)


@pytest.mark.parametrize("origin", [NoiseOrigin.CPU, NoiseOrigin.NV])
@pytest.mark.parametrize("variant", VARIANTS)
def test_batch_noise_equals_reference(origin: NoiseOrigin, variant: str) -> None:
    noise = BatchNoise(NoiseSpec(SEEDS, SHAPE, origin, **VARIANTS[variant]), CPU)
    for call in range(3):
        expected = BATCHES[f"{origin}_{variant}_call{call}"]
        np.testing.assert_allclose(noise.normal().numpy(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("origin", NoiseOrigin)
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_does_not_depend_on_its_batch(origin: NoiseOrigin, variant: str) -> None:
    options = dict(VARIANTS[variant])
    both = BatchNoise(NoiseSpec(SEEDS, SHAPE, origin, **options), CPU)
    if "subseeds" in options:
        options["subseeds"] = options["subseeds"][1:]
    alone = BatchNoise(NoiseSpec(SEEDS[1:], SHAPE, origin, **options), CPU)
    for _ in range(2):
        assert torch.equal(both.normal()[1:], alone.normal())
    assert torch.equal(both.brownian(0.03, 14.6)(5.0, 3.0)[1:], alone.brownian(0.03, 14.6)(5.0, 3.0))


def test_gpu_without_cuda_is_the_cpu() -> None:
    draws = [make_generator(origin, 7, CPU).normal((5,)) for origin in (NoiseOrigin.GPU, NoiseOrigin.CPU)]
    assert torch.equal(*draws)


def test_slerp_ends_and_nearly_parallel() -> None:
    low, high = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(slerp(0.0, low, high), low)
    torch.testing.assert_close(slerp(1.0, low, high), high)
    torch.testing.assert_close(slerp(0.25, low, low * 2), low * 0.25 + low * 2 * 0.75)


@pytest.mark.parametrize(
    ("small", "large", "copied"),
    [((4, 4), (8, 8), (4, 4)), ((10, 4), (8, 8), (8, 4)), ((12, 12), (8, 8), (8, 8)), ((5, 3), (8, 8), (5, 3))],
)
def test_paste_centred_keeps_the_rest(small: tuple[int, int], large: tuple[int, int], copied: tuple[int, int]) -> None:
    result = paste_centred(torch.ones(2, *small), torch.zeros(2, *large))
    assert int(result.sum()) == 2 * copied[0] * copied[1]


@pytest.mark.parametrize("origin", [NoiseOrigin.CPU, NoiseOrigin.NV])
@pytest.mark.parametrize("seed", [0, 1234, 2**32 - 1])
def test_brownian_tree_equals_torchsde(origin: NoiseOrigin, seed: int) -> None:
    shape = (4, 3, 2)
    tree = BrownianTree(0.0291675, 14.614642, seed, lambda node: make_generator(origin, node, CPU).normal(shape))
    for (low, high), expected in zip(BROWNIAN["queries"].tolist(), BROWNIAN[f"{origin}_{seed}"], strict=True):
        np.testing.assert_array_equal(tree.increment(low, high).numpy(), expected)


def test_brownian_increments_add_up_and_change_sign() -> None:
    path = BatchNoise(NoiseSpec(SEEDS, SHAPE), CPU).brownian(0.1, 10.0)
    times = [10.0, 7.5, 2.0, 0.1]
    parts = [path(a, b) * (a - b) ** 0.5 for a, b in pairwise(times)]
    torch.testing.assert_close(sum(parts), path(10.0, 0.1) * 9.9**0.5, atol=1e-5, rtol=0)
    assert torch.equal(path(7.5, 2.0), -path(2.0, 7.5))


def test_brownian_ignores_ensd_and_variation() -> None:
    plain = BatchNoise(NoiseSpec(SEEDS, SHAPE), CPU)
    other = BatchNoise(NoiseSpec(SEEDS, SHAPE, subseeds=(1, 2), subseed_strength=0.5, eta_seed_delta=3), CPU)
    other.normal()
    assert torch.equal(plain.brownian(0.1, 10.0)(3.0, 2.0), other.brownian(0.1, 10.0)(3.0, 2.0))


def test_large_draws_are_made_ahead_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    small_ones: list[threading.Thread] = []
    draw = noise_module.philox_normal

    def noting(seed: int, call: int, shape: tuple[int, ...]) -> np.ndarray:
        (small_ones if seed == 9 else threads).append(threading.current_thread())
        return draw(seed, call, shape)

    monkeypatch.setattr(noise_module, "philox_normal", noting)
    spec = NoiseSpec(seeds=(5, 6), shape=(4, 64, 64))
    noise = BatchNoise(spec, CPU)
    drawn = [noise.normal() for _ in range(4)]
    for call, batch in enumerate(drawn):
        assert torch.equal(batch, torch.from_numpy(np.stack([draw(seed, call, spec.shape) for seed in spec.seeds])))
    ours = threading.current_thread()
    assert [thread is ours for thread in threads[:8]] == [True] * 4 + [False] * 4

    small = BatchNoise(NoiseSpec(seeds=(9,), shape=(4, 8, 8)), CPU)
    for _ in range(3):
        small.normal()
    assert small_ones == [ours] * 3
