"""The words of the rooms: each module finds all that it says, and nothing is left that nobody says."""

from __future__ import annotations

import re

import pytest

from sdcolab.core.words.rooms import ROOM_WORDS
from sdcolab.studio.look import asset, room_module

USED = re.compile(r'WORDS\.(\w+)|phrase\("(\w+)"')


@pytest.mark.parametrize("name", ROOM_WORDS)
def test_a_module_says_what_its_words_hold(name: str) -> None:
    used = {first or second for first, second in USED.findall(asset(f"rooms/{name}.js"))}
    assert used == set(ROOM_WORDS[name])
    assert room_module(name).startswith("const WORDS = {")


def test_a_module_without_words_is_as_it_was_written() -> None:
    assert room_module("cola") == asset("rooms/cola.js")
    with pytest.raises(FileNotFoundError):
        room_module("ninguna")
