"""Values of axes: the grammar as the guide and A1111 write it, on any text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.errors import (
    AxisSizeUnreadable,
    AxisSwitchUnreadable,
    AxisValueUnreadable,
    GridError,
    TooManyAxisValues,
)
from sdcolab.grids import values


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20, 30", ("20", "30")),
        (
            '"frase 1, frase 2","frase 3, fase 4","frase 5, frase 6"',
            ("frase 1, frase 2", "frase 3, fase 4", "frase 5, frase 6"),
        ),
        ('"a, b", "c, d"', ("a, b", "c, d")),
        ("<lora:mi lora:0.4>, <lora:mi lora:0.6>", ("<lora:mi lora:0.4>", "<lora:mi lora:0.6>")),
        ('di ""hola"", x', ('di ""hola""', "x")),
        ('"di ""hola""", x', ('di "hola"', "x")),
        ("a\nb, c", ("a", "b", "c")),
        ("", ()),
        ("  ", ()),
        ("a,,b", ("a", "", "b")),
    ],
)
def test_split(text: str, found: tuple[str, ...]) -> None:
    assert values.split(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,2,,3", (1, 2, 3)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("1-10 (+2)", (1, 3, 5, 7, 9)),
        ("1-4(+2)", (1, 3)),
        ("10-5 (-3)", (10, 7)),
        ("1-10 [5]", (1, 3, 5, 7, 10)),
        ("-1", (-1,)),
        ("-3 - -1", (-3, -2, -1)),
        ("- 3 - - 1 (+ 2)", (-3, -1)),
        ("−3 – −1, 5—6", (-3, -2, -1, 5, 6)),
        ("5 [1]", None),
        ("3-3", (3,)),
        ("1-10 [1]", (1,)),
        ("1.5", None),
        ("1-10 (2)", None),
        ("1-10 (+0)", None),
        ("dos", None),
    ],
)
def test_whole_numbers(text: str, found: tuple[int, ...] | None) -> None:
    if found is None:
        with pytest.raises(AxisValueUnreadable):
            values.whole_numbers(values.split(text), "Steps")
    else:
        assert values.whole_numbers(values.split(text), "Steps") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7, 7.5", (7.0, 7.5)),
        ("1-7(+3)", (1, 4, 7)),
        ("0-1 (+0.3)", (0, 0.3, 0.6, 0.9, 1.2)),
        ("0-1 [3]", (0, 0.5, 1)),
        ("1-3", (1, 2, 3)),
        (".5-1 (+.25)", (0.5, 0.75, 1)),
        ("1-0 (-0.5)", (1, 0.5, 0)),
        ("- 1 - + .5 [3]", (-1, -0.25, 0.5)),
        ("-1", (-1,)),
    ],
)
def test_numbers(text: str, found: tuple[float, ...]) -> None:
    assert values.numbers(values.split(text), "CFG Scale") == pytest.approx(found)


def test_sizes_and_truths() -> None:
    assert values.sizes(values.split("512x768, 96 × 160"), "Size") == ((512, 768), (96, 160))
    assert values.truths(values.split("True, no, sí, 0"), "x") == (True, False, True, False)
    with pytest.raises(AxisSizeUnreadable):
        values.sizes(("512",), "Size")
    with pytest.raises(AxisSwitchUnreadable):
        values.truths(("quizás",), "x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("“un gato, azul”,“un perro”", ("un gato, azul", "un perro")),
        ("“un gato”, un perro, „a, b“", ("un gato", "un perro", "a, b")),
        ('"un “gato” feo", otro', ("un “gato” feo", "otro")),
        ("el “gato” feo, otro", ("el “gato” feo", "otro")),
        ("“sin fin, otro", ("“sin fin", "otro")),
    ],
)
def test_the_quotes_of_telephones_count_where_they_hold_a_value(text: str, found: tuple[str, ...]) -> None:
    assert values.split(text) == found


@pytest.mark.parametrize(
    ("text", "comma"),
    [
        ("0,5", True),
        ("0.2, 0,4", True),
        ("mi lora:0,8", True),
        ("0.5, 1", False),
        ("0, 5", False),
        ("10,5", False),
        ("7,5, 8", True),
        ("4, 5,5", True),
    ],
)
def test_a_decimal_comma_is_seen(text: str, *, comma: bool) -> None:
    assert values.has_decimal_comma(text) == comma


def test_a_range_has_an_end() -> None:
    for read in (values.whole_numbers, values.numbers):
        with pytest.raises(TooManyAxisValues):
            read(("1-999999999999",), "Seed")
        with pytest.raises(TooManyAxisValues):
            read(("1-2 [999999999]",), "Seed")


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1).map(str.strip),
        min_size=1,
    ).filter(lambda found: any(found))
)
def test_join_is_the_inverse_of_split(found: list[str]) -> None:
    assert values.split(values.join(found)) == tuple(found)


@given(st.text() | st.text('0123456789-+()[]. ,"x'))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (values.whole_numbers, values.numbers, values.sizes, values.truths):
        with contextlib.suppress(GridError):
            read(values.split(text), "eje")
