"""Latent Couple's grammar (hechos/extensiones.md 5)."""

from __future__ import annotations

import pytest

from sdcolab.core.errors import RegionsMalformed
from sdcolab.core.regions import Region, Regions, regions_from_text, regions_of, regions_text


@pytest.mark.parametrize(
    ("division", "position", "cells"),
    [
        ("1:1", "0:0", (slice(0, 16), slice(0, 24))),
        ("1:2", "0:1", (slice(0, 16), slice(12, 24))),
        ("2:3", "1:0-2", (slice(8, 16), slice(0, 16))),
        ("3:1", "0.5-1.5:0", (slice(2, 8), slice(0, 24))),
    ],
)
def test_areas(division: str, position: str, cells: tuple[slice, slice]) -> None:
    (area,) = Regions(division, position, "0.8").areas()
    assert area.weight == 0.8
    assert area.cells(16, 24) == cells


def test_the_shortest_list_counts() -> None:
    assert len(Regions("1:1,1:2,1:2", "0:0,0:0", "1,1,1").areas()) == 2


@pytest.mark.parametrize(
    "lists", [("1", "0:0", "1"), ("0:1", "0:0", "1"), ("1:1", "0", "1"), ("1:1", "a:0", "1"), ("1:1", "0:0", "x")]
)
def test_what_breaks_the_grammar_is_told(lists: tuple[str, str, str]) -> None:
    with pytest.raises(RegionsMalformed):
        Regions(*lists)


def test_infotext_both_ways() -> None:
    regions = Regions("1:1,1:2", "0:0,0:1-2", "0.2,0.8", 12)
    text = regions_text(regions)
    assert text == "divisions=1:1,1:2 positions=0:0,0:1-2 weights=0.2,0.8 end at step=12"
    assert Regions(*regions_from_text(text)) == regions


def test_drawn_rectangles_become_regions() -> None:
    drawn = Region(0.0, 1.0, 0.25, 0.5, 0.8)
    (area,) = regions_of((drawn,)).areas()
    assert area == drawn
