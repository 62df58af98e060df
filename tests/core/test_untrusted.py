"""Text and JSON from outside: cleaned, bounded, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.untrusted import MAX_DEPTH, clean, clean_text, parse_json

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=40)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("gato", "gato"),
        ("añil 🐱 \ufffd", "añil 🐱 \ufffd"),
        ("gato \ud83d", "gato ?"),
        ("\udc31 gato", "? gato"),
        ("\ud83d\udc31", "🐱"),
        ("ga\0to", "gato"),
    ],
)
def test_texts(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(ANY_TEXT)
def test_what_is_cleaned_can_be_written_and_stays(text: str) -> None:
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned == clean_text(cleaned)


@given(st.recursive(ANY_TEXT | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner), max_leaves=9))
def test_values_keep_their_shape(value: object) -> None:
    assert json.dumps(clean(value), ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,",
        "NaN",
        "1e400",
        '{"a": -1e999}',
        "9" * 65,
        '{"a": -Infinity}',
        "\0\0",
        "[" * 200_000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_not_plain_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(ValueError):
        parse_json(b'{"a": "\xff"}')


def test_keys_are_cleaned_too() -> None:
    assert parse_json('{"a\\ud800": ["\\u0000b"]}') == {"a?": ["b"]}
