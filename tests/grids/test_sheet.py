"""Sheets: the reference's geometry to the pixel, legends in any script, nothing over anything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdcolab.grids.plan import Legend, Legends
from sdcolab.grids.sheet import Size, _wrapped, draw_sheet, layout_of, side_by_side


def legends(*texts: str) -> Legends:
    return tuple((Legend(text),) for text in texts)


LONG = "a very long text that has to be wrapped over several lines in the legend of the plot"


@pytest.mark.parametrize(
    ("cell", "columns", "rows", "margin", "whole"),
    [
        ((128, 128), legends("Steps: 2", "Steps: 3"), (), 0, (256, 148)),
        ((128, 128), legends("CFG Scale: 1.0", "CFG Scale: 4.0", "CFG Scale: 7.0"), (), 0, (384, 146)),
        ((128, 128), legends("red cat", LONG), legends("Steps: 2", "Steps: 3"), 0, (352, 307)),
        ((128, 128), legends(*["cat, dog, bird"] * 6), (), 0, (768, 148)),
        ((128, 128), legends("Seed: 1", "Seed: 3"), legends("Clip skip: 1", "Clip skip: 2"), 0, (352, 274)),
        ((128, 160), legends("Size: 128x128", "Size: 96x160"), (), 0, (256, 178)),
        ((128, 128), legends("Seed: 1", "Seed: 2"), legends("CFG Scale: 4.0", "CFG Scale: 8.0"), 8, (360, 282)),
        ((360, 282), legends("Steps: 2", "Steps: 3"), (), 0, (720, 330)),
        ((128, 128), legends("red", "red"), legends("on a sofa", "on a sofa"), 10, (362, 284)),
    ],
)
def test_sizes_are_those_of_the_reference(
    cell: tuple[int, int], columns: Legends, rows: Legends, margin: int, whole: tuple[int, int]
) -> None:
    made = layout_of(len(columns), max(1, len(rows)), Size(*cell), columns, rows, margin).whole
    assert (made.width, made.height) == whole


def test_pictures_lie_at_their_places_and_gaps_stay_empty() -> None:
    cells = {(0, 0): "#ff0000", (1, 1): "#0000ff"}
    sheet = draw_sheet(
        2,
        2,
        Size(64, 64),
        lambda x, y: Image.new("RGB", (64, 48), cells[x, y]) if (x, y) in cells else None,
        legends("uno", "dos"),
        legends("a", "b"),
        margin=6,
    )
    layout = layout_of(2, 2, Size(64, 64), legends("uno", "dos"), legends("a", "b"), 6)
    left, top = layout.place(1, 1)
    assert sheet.getpixel((left, top + 8)) == (0, 0, 255)
    assert sheet.getpixel((left, top + 7)) == (255, 255, 255)
    assert sheet.getpixel(layout.place(1, 0)) == (255, 255, 255)


@given(
    st.lists(st.text(max_size=60), min_size=1, max_size=3),
    st.lists(st.lists(st.text(max_size=30), max_size=3), min_size=1, max_size=2),
    st.sampled_from([64, 96, 200]),
)
@example([""], [["", "0" * 16]], 64)
@example([""], [["0000000000000MY"]], 64)
@settings(max_examples=20, deadline=None)
def test_legends_never_touch_the_cells(columns: list[str], rows: list[list[str]], side: int) -> None:
    across = legends(*columns)
    down = tuple(tuple(Legend(text, index % 2 == 0) for index, text in enumerate(row)) for row in rows)
    colour = (1, 200, 3)
    cell = Image.new("RGB", (side, side), colour)
    sheet = draw_sheet(len(across), len(down), Size(side, side), lambda _x, _y: cell, across, down)
    layout = layout_of(len(across), len(down), Size(side, side), across, down)
    for column in range(len(across)):
        for row in range(len(down)):
            left, top = layout.place(column, row)
            assert (np.asarray(sheet.crop((left, top, left + side, top + side))) == colour).all()


@pytest.mark.parametrize("text", ["ñandú ¿qué?", "日本語の猫", "🐱🐶", "Кошка"])
def test_scripts_have_a_font(text: str) -> None:
    def ink(shown: str) -> bytes:
        return draw_sheet(1, 1, Size(300, 300), lambda _x, _y: None, legends(shown)).tobytes()

    lacking = "\U0010fffe" * len(text)
    assert ink(text) != ink(lacking)
    assert ink(text) != ink("")


def test_small_legends_keep_their_blanks() -> None:
    """Hinted, a blank of 10 pixels' text has two columns, which letters fill."""

    def widest_gap(shown: str) -> int:
        sheet = draw_sheet(1, 1, Size(128, 128), lambda _x, _y: None, legends(shown))
        inked = np.flatnonzero((np.asarray(sheet.convert("L")) < 200).any(axis=0))
        return int(np.diff(inked).max())

    assert widest_gap("rojo en la") >= 4
    assert widest_gap("rojoenla") <= 3


def test_japanese_lines_begin_with_no_comma() -> None:
    text = "桜の木の下で本を読む少女、夕焼け"
    lines = [line.text for line in _wrapped(legends(text)[0][0], 120, 10)]
    assert "".join(lines) == text and len(lines) > 1
    assert not any(line.startswith("、") for line in lines)


def test_several_sheets_side_by_side() -> None:
    one, two = Image.new("RGB", (100, 80), "red"), Image.new("RGB", (90, 80), "blue")
    both = side_by_side([one, two], legends("Z: 1", "Z: 2"))
    assert both.width == 200
    assert both.height > 80
    assert side_by_side([one], ((),)) is one
