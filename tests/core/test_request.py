from __future__ import annotations

import dataclasses
import math

import pytest

from sdcolab.core.errors import FieldNotMultiple, FieldOutOfRange
from sdcolab.core.request import MAX_RANDOM_SEED, MAX_SEED, GenerationRequest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", 151),
        ("cfg_scale", -0.1),
        ("cfg_scale", math.nan),
        ("cfg_scale", math.inf),
        ("seed", -2),
        ("seed", MAX_SEED + 1),
        ("width", 56),
        ("height", 2056),
        ("batch_size", 0),
        ("batch_count", 101),
        ("clip_skip", 13),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(FieldOutOfRange) as caught:
        GenerationRequest(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_sizes_are_multiples_of_eight() -> None:
    with pytest.raises(FieldNotMultiple) as caught:
        GenerationRequest(width=513)
    assert (caught.value.field, caught.value.step) == ("width", 8)


def test_resolved_settles_everything() -> None:
    resolved = GenerationRequest(prompt="gato", width=256).resolved(checkpoint="demo", native_size=128)
    assert (resolved.width, resolved.height, resolved.checkpoint) == (256, 128, "demo")
    assert 0 <= resolved.seed <= MAX_RANDOM_SEED
    assert resolved.resolved(checkpoint="demo", native_size=512) == resolved


def test_random_seeds_differ() -> None:
    seeds = {GenerationRequest().resolved(checkpoint="", native_size=512).seed for _ in range(20)}
    assert len(seeds) > 15


def test_seeds_of_images_are_consecutive_and_wrap() -> None:
    assert [GenerationRequest(seed=5).seed_of(index) for index in range(3)] == [5, 6, 7]
    assert GenerationRequest(seed=MAX_SEED).seed_of(1) == 0


def test_image_count() -> None:
    assert GenerationRequest(batch_size=2, batch_count=3).image_count == 6


def test_requests_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GenerationRequest().steps = 3  # type: ignore[misc]
