"""Buckets against those of the reference trainer, and what the trainer only crashes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.errors import BucketRange, PictureTooSmall
from sdcolab.training.buckets import BucketRules, Buckets, crop_box
from tests.support.vectors import vectors

CONFIGS = vectors("lora_buckets")["configs"]


def rules_of(config: dict[str, Any]) -> BucketRules:
    return BucketRules(
        area=tuple(config["resolution"]),
        shortest=config["min_bucket_reso"],
        longest=config["max_bucket_reso"],
        step=config["bucket_reso_steps"],
        no_upscale=config["bucket_no_upscale"],
    ).adjusted()


@pytest.mark.parametrize("entry", CONFIGS, ids=lambda entry: "-".join(map(str, entry["config"].values())))
def test_buckets_are_the_reference_trainers(entry: dict[str, Any]) -> None:
    rules = rules_of(entry["config"])
    assert (rules.shortest, rules.longest) == (entry["config"]["adjusted_min"], entry["config"]["adjusted_max"])
    buckets = Buckets(rules)
    assert [list(size) for size in buckets.sizes] == (entry["buckets"] or [])
    for width, height, bucket, resized, offset, error, *crop in entry["images"]:
        if bucket is None:
            with pytest.raises(PictureTooSmall):
                buckets.fit((width, height))
            continue
        fit = buckets.fit((width, height))
        assert (list(fit.bucket), list(fit.resized), list(fit.offset)) == (bucket, resized, offset), (width, height)
        if isinstance(error, float):
            assert fit.ratio_error == pytest.approx(error, abs=1e-8)
        if crop:
            assert crop_box(fit.bucket, (width, height)) == pytest.approx(crop[0])


def test_without_buckets_every_picture_is_cut_to_the_resolution() -> None:
    for resolution, width, height, bucket, resized, offset in vectors("lora_buckets")["no_bucket"]:
        fit = Buckets(BucketRules(area=tuple(resolution), enabled=False).adjusted()).fit((width, height))
        assert (list(fit.bucket), list(fit.resized), list(fit.offset)) == (bucket, resized, offset)


@pytest.mark.parametrize(("shortest", "longest"), [(640, 1024), (256, 448)])
def test_a_resolution_outside_the_bounds_is_told(shortest: int, longest: int) -> None:
    with pytest.raises(BucketRange):
        BucketRules(shortest=shortest, longest=longest).adjusted()


@given(st.integers(64, 4000), st.integers(64, 4000))
def test_a_picture_always_covers_its_bucket(width: int, height: int) -> None:
    fit = Buckets(BucketRules().adjusted()).fit((width, height))
    assert all(side >= room for side, room in zip(fit.resized, fit.bucket, strict=True))
    assert fit.bucket[0] * fit.bucket[1] <= 512 * 512
    assert fit.bucket[0] % 64 == fit.bucket[1] % 64 == 0


def test_a_bound_below_the_step_is_one_step() -> None:
    rules = BucketRules((512, 512), shortest=64, longest=1024, step=128).adjusted()
    assert rules.shortest == 128
    assert (512, 512) in Buckets(rules).sizes
