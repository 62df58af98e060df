"""Captions that a training has not seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.training.held_out import held_out

CAPTIONS = ("mika, 1girl, red hair, smile, park", "mika, 1girl, hat, night, city", "mika, 1girl, beach, sitting, day")


def test_the_tags_of_two_pictures_make_a_caption_of_neither() -> None:
    made = held_out(CAPTIONS, 3)
    assert made[0] == "mika, 1girl, smile, hat, city"
    assert len(made) == 3


def test_the_tags_to_keep_come_first() -> None:
    assert all(one.startswith("mika, 1girl, ") for one in held_out(CAPTIONS, 3, keep=2))


@pytest.mark.parametrize(
    "captions",
    [
        ("a photo of mika in a park",),
        ("mika",),
        ("mika, hat", "mika"),
    ],
)
def test_where_nothing_new_can_be_made_the_caption_itself_is_drawn(captions: tuple[str, ...]) -> None:
    assert set(held_out(captions, 4)) <= {*captions}


def test_tags_are_dropped_where_all_pictures_say_the_same() -> None:
    assert held_out(["zorp, hat, glasses"] * 3, 2) == ("zorp, hat",)


def test_no_more_than_were_asked_and_none_twice() -> None:
    assert held_out(CAPTIONS[:1], 4) == ("mika, 1girl, smile",)
    assert len(held_out(CAPTIONS, 2)) == 2


@given(
    captions=st.lists(st.lists(st.sampled_from("abcdefg"), max_size=5).map(", ".join), min_size=1, max_size=6),
    count=st.integers(1, 8),
    keep=st.integers(0, 6),
)
def test_what_is_made_is_new_or_a_caption(captions: list[str], count: int, keep: int) -> None:
    made = held_out(captions, count, keep=keep)
    assert 1 <= len(made) <= count
    seen = {frozenset(caption.split(", ")) for caption in captions}
    for one in made:
        assert one in captions or frozenset(one.split(", ")) not in seen
        assert {*one.split(", ")} <= {tag for caption in captions for tag in caption.split(", ")}
