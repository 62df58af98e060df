"""Weights with a decimal comma, ``(gato:1,2)``: half of our readers write so, and A1111's grammar reads text."""

from __future__ import annotations

import re

_WEIGHT = re.compile(r":\s{0,8}([+-]?\d{1,4}),(\d{1,6})\s{0,8}(?=\))")


def decimal_commas(text: str) -> tuple[str, ...]:
    """The numbers in ``text`` that stand where a weight stands and have a comma, as written ("1,2"), each once."""
    return tuple(dict.fromkeys(f"{match[1]},{match[2]}" for match in _WEIGHT.finditer(text)))


def with_points(text: str) -> str:
    """``text`` with a point in every such number."""
    return _WEIGHT.sub(r":\1.\2", text)
