"""The text of an axis as a list of values (hechos/a1111.md 9.1)."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from sdcolab.core.errors import AxisSizeUnreadable, AxisSwitchUnreadable, AxisValueUnreadable, TooManyAxisValues

T = TypeVar("T")

MAX_VALUES = 1000
"""As many values as one axis may have."""

MAX_TEXT = 1_000_000
"""Characters of an axis' text."""

_CURLY = re.compile(r"((?:^|[,\n])[ \t]*)[“”„]([^“”„]*)[“”„](?=[ \t]*(?:[,\n]|$))")
"""A value in the quotes that telephones write."""

_DECIMAL_COMMA = re.compile(r"(?<![\d.,])-?0,\d")
_TIGHT_COMMA, _LOOSE_COMMA = re.compile(r"\d,\d"), re.compile(r"\d,\s+[-+.\d]")

_INT = r"[+-]?\d{1,20}"
_FLOAT = r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})"
_TRUE, _FALSE = ("true", "yes", "y", "1", "sí", "si"), ("false", "no", "n", "0")


def _range_of(number: str) -> re.Pattern[str]:
    """``a-b``, ``a-b (+step)`` and ``a-b [count]``, with blanks anywhere between the parts, also after a sign."""
    digits = number.removeprefix("[+-]?")
    number, step = rf"[+-]?\s*{digits}", rf"\(\s*(?P<step>[+-]\s*{digits})\s*\)"
    return re.compile(rf"\s*(?P<low>{number})\s*-\s*(?P<high>{number})\s*(?:{step}|\[\s*(?P<count>\d{{1,9}})\s*\])?\s*")


_INT_RANGE, _FLOAT_RANGE = _range_of(_INT), _range_of(_FLOAT)


def split(text: str) -> tuple[str, ...]:
    """The values of a text: separated by commas, quoted where they have commas themselves (``"a, b","c"``; ``""`` is a
    quote inside of quotes; the curly quotes of telephones count too where no other is). Blanks around values do not
    count, several lines are one. Total on any text.
    """
    if not text.strip():
        return ()
    plain = text[:MAX_TEXT].replace("\0", "")
    if '"' not in plain:
        plain = _CURLY.sub(r'\1"\2"', plain)
    reader = csv.reader(io.StringIO(plain), skipinitialspace=True)
    try:
        values = [value.strip() for row in reader for value in row]
    except csv.Error:  # a field longer than the module takes
        values = [value.strip() for value in text.split(",")]
    return tuple(values)


def join(values: Iterable[str]) -> str:
    """The text that ``split`` reads as ``values``."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def whole_numbers(values: Iterable[str], axis: str) -> tuple[int, ...]:
    """Integers and their ranges: ``1-5`` has both ends, ``1-10 (+2)`` steps, ``1-10 [5]`` so many at equal distances,
    cut to integers. Empty values are left out.

    Raises ``AxisValueUnreadable`` with the value, ``TooManyAxisValues``.
    """
    return tuple(limited((number for value in values for number in _whole(value, axis)), axis))


def numbers(values: Iterable[str], axis: str) -> tuple[float, ...]:
    """Numbers and their ranges, like ``whole_numbers``; a range may reach beyond its end, as far as a step does:
    ``0-1 (+0.3)`` is 0, 0.3, 0.6, 0.9, 1.2."""
    return tuple(limited((number for value in values for number in _real(value, axis)), axis))


def truths(values: Iterable[str], axis: str) -> tuple[bool, ...]:
    """``True`` and ``False``, and what people write for them in English and Spanish.

    Raises ``AxisSwitchUnreadable``.
    """
    return tuple(_truth(value, axis) for value in values if value)


def sizes(values: Iterable[str], axis: str) -> tuple[tuple[int, int], ...]:
    """``512x768`` as (width, height). Raises ``AxisSizeUnreadable``."""
    return tuple(_size(value, axis) for value in values if value)


def has_decimal_comma(text: str) -> bool:
    """Whether a text of numbers seems to have one with a comma, such as ``0,5``, or ``7,5, 8``, whose commas differ."""
    differ = _TIGHT_COMMA.search(text) is not None and _LOOSE_COMMA.search(text) is not None
    return differ or _DECIMAL_COMMA.search(text) is not None


_DASHES = str.maketrans("‐‑–—−", "-----")
"""What telephones and texts on the web write for the sign."""


def _whole(value: str, axis: str) -> Iterable[int]:
    value = value.translate(_DASHES)
    if not value:
        return ()
    if re.fullmatch(_INT, value):
        return (int(value),)
    match = _INT_RANGE.fullmatch(value)
    if match is None:
        raise AxisValueUnreadable(axis=axis, value=value)
    low, high = int(_joined(match["low"])), int(_joined(match["high"]))
    if match["count"]:
        return (math.trunc(number) for number in _spread(low, high, int(match["count"])))
    step = int(_joined(match["step"])) if match["step"] else 1
    if not step:
        raise AxisValueUnreadable(axis=axis, value=value)
    return range(low, high + 1, step)


def _real(value: str, axis: str) -> Iterable[float]:
    value = value.translate(_DASHES)
    if not value:
        return ()
    if re.fullmatch(_FLOAT, value):
        return (float(value),)
    match = _FLOAT_RANGE.fullmatch(value)
    if match is None:
        raise AxisValueUnreadable(axis=axis, value=value)
    low, high = float(_joined(match["low"])), float(_joined(match["high"]))
    if match["count"]:
        return _spread(low, high, int(match["count"]))
    step = float(_joined(match["step"])) if match["step"] else 1.0
    if not step:
        raise AxisValueUnreadable(axis=axis, value=value)
    count = max(0, math.ceil((high + step - low) / step))
    return (low + step * index for index in range(count))


def _joined(number: str) -> str:
    """A number of a range without its blanks."""
    return "".join(number.split())


def _spread(low: float, high: float, count: int) -> Iterator[float]:
    """``count`` numbers from ``low`` to ``high`` at equal distances."""
    if count == 1:
        yield float(low)
        return
    step = (high - low) / max(count - 1, 1)
    for index in range(count):
        yield float(high) if index == count - 1 else low + step * index


def _truth(value: str, axis: str) -> bool:
    if value.casefold() in _TRUE:
        return True
    if value.casefold() in _FALSE:
        return False
    raise AxisSwitchUnreadable(axis=axis, value=value)


def _size(value: str, axis: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})\s*[xX×]\s*(\d{1,5})", value)
    if match is None:
        raise AxisSizeUnreadable(axis=axis, value=value)
    return int(match[1]), int(match[2])


def limited(found: Iterable[T], axis: str) -> Iterator[T]:
    """``found``, which must not be more than ``MAX_VALUES``. Raises ``TooManyAxisValues``."""
    for count, number in enumerate(found):
        if count >= MAX_VALUES:
            raise TooManyAxisValues(axis=axis, limit=MAX_VALUES)
        yield number
