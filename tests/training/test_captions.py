"""Captions against those of the reference trainer: every possible text, and how often each comes."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from sdcolab.core.errors import FieldOutOfRange
from sdcolab.training.captions import CaptionRules, Moment, caption_at, tag_frequency
from tests.support.vectors import vectors

NAMES = {
    "shuffle_caption": "shuffle",
    "caption_separator": "separator",
    "enable_wildcard": "wildcards",
    "caption_prefix": "prefix",
    "caption_suffix": "suffix",
    "caption_dropout_rate": "dropout_rate",
    "caption_dropout_every_n_epochs": "dropout_every_n_epochs",
    "caption_tag_dropout_rate": "tag_dropout_rate",
}
CALLS = 4000


@pytest.mark.parametrize("case", vectors("lora_captions")["cases"], ids=lambda case: case["name"])
def test_captions_are_the_reference_trainers(case: dict[str, Any]) -> None:
    rules = CaptionRules(**{NAMES.get(name, name): value for name, value in case["options"].items()})
    moment = Moment(case["epoch"], case["step"], case["max_train_steps"])
    chance = random.Random(42)
    first = [caption_at(case["caption"], rules, moment, chance) for _ in range(5)]
    assert first == case["python_random_seed_42_first5"]
    counts = Counter(caption_at(case["caption"], rules, moment, chance) for _ in range(CALLS))
    if "all_outputs" in case:
        assert set(counts) == set(case["all_outputs"])
    for text, count in case.get("counts_of_4000", {}).items():
        assert abs(counts[text] - count) < 6 * (2 * count) ** 0.5 + 1  # both are draws
    assert len(counts) == pytest.approx(case["distinct"], rel=0.05)
    empty = counts[""] / CALLS
    assert empty == pytest.approx(case["empty_share"], abs=0.03)


def test_a_rate_is_a_probability() -> None:
    with pytest.raises(FieldOutOfRange):
        CaptionRules(dropout_rate=1.5)


def test_tags_are_counted_in_lower_case() -> None:
    assert tag_frequency(["Gato, perro, GATO,, ", "gato,Perro rojo"]) == {"gato": 3, "perro": 1, "perro rojo": 1}
