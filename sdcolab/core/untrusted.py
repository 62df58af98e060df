"""The gate for text and JSON from outside: pages, other programs, files that a synchronised disk may have changed.

What passes can be written anywhere: it has no halves of surrogate pairs (half an emoji, which UTF-8 cannot hold) and no
NULs (which file names and PNG chunks cannot hold), and it is not nested deeper than the program can walk.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 64
"""Lists in lists in lists. Nothing of the program's own goes beyond a dozen."""

MAX_DIGITS = 64
"""Of a number. Nothing of the program's own has more than 20, and what has hundreds is no number for floats."""

_UNWRITABLE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without NULs, and with "?" for each half of a surrogate pair. Two halves in a row, as JavaScript writes
    what lies beyond 16 bits, become the character that they mean."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii() or not _UNWRITABLE.search(text):
        return text
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return paired.encode("utf-8", "replace").decode("utf-8")


def clean(value: Any) -> Any:
    """A JSON value with every text cleaned, those of its keys too. Raises ``ValueError`` beyond ``MAX_DEPTH``."""
    return _clean(value, MAX_DEPTH)


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list | tuple | dict) and not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, list | tuple):
        return [_clean(one, depth - 1) for one in value]
    if isinstance(value, dict):
        return {clean_text(str(name)): _clean(one, depth - 1) for name, one in value.items()}
    return value


def parse_json(data: str | bytes) -> Any:
    """The cleaned JSON value in ``data``. Raises ``ValueError`` when it is none: also for NaN and Infinity, which JSON
    does not have, for numbers that only they could hold, for bytes that are not UTF-8, and for what is nested too
    deeply."""
    try:
        return clean(json.loads(data, parse_constant=_refuse_constant, parse_int=_whole, parse_float=_real))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _real(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError("too large a number")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
