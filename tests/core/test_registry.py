from __future__ import annotations

from dataclasses import dataclass

import pytest

from sdcolab.core.errors import UnknownName
from sdcolab.core.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str
    aliases: tuple[str, ...] = ()


THINGS = Registry("sampler", [Thing("Euler a", ("k_euler_a",)), Thing("Euler", ("k_euler",)), Thing("DDIM")])


@pytest.mark.parametrize("name", ["Euler a", "euler A", "K_EULER_A", "  Euler a "])
def test_find_knows_names_and_aliases(name: str) -> None:
    assert THINGS.find(name).name == "Euler a"


def test_order_is_kept() -> None:
    assert list(THINGS) == ["Euler a", "Euler", "DDIM"]


def test_a_miss_suggests() -> None:
    with pytest.raises(UnknownName) as caught:
        THINGS.find("Eulr a")
    assert caught.value.suggestions[0] == "Euler a"


def test_a_name_wins_over_an_alias_of_another() -> None:
    clash = Registry("sampler", [Thing("a", ("b",)), Thing("b")])
    assert clash.find("b").name == "b"


def test_entries_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        THINGS["x"] = Thing("x")  # type: ignore[index]
