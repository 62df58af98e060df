"""Checks that the parts of a request share."""

from __future__ import annotations

from sdcolab.core.errors import FieldOutOfRange


def check_range(field: str, value: float, low: float, high: float) -> None:
    """Raise ``FieldOutOfRange`` unless ``low <= value <= high``; NaN is refused too."""
    if not low <= value <= high:
        raise FieldOutOfRange(field=field, value=value, low=low, high=high)
