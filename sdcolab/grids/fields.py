"""Fields of a request by their dotted path, as axes change them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sdcolab.core.fields import plain_path, table_of, value_at, with_value
from sdcolab.core.names import JOINED_NAMES
from sdcolab.core.request import GenerationRequest


def knows(path: str) -> bool:
    """Whether requests of this version have the field."""
    return plain_path(path) in table_of(GenerationRequest)


def has_part(request: GenerationRequest, path: str) -> bool:
    """Whether ``request`` has the part that ``path`` lies in: its hires pass, its initial picture."""
    part, _, _ = path.rpartition(".")
    try:
        return not part or value_at(request, part) is not None
    except (AttributeError, IndexError):
        return False


def changed(request: GenerationRequest, path: str, value: Any) -> GenerationRequest:
    """``request`` with ``value`` at ``path``, or as it is where it does not have that part, as in A1111. What joins a
    sampler and a schedule ("DPM++ 2M Karras") is both.

    Raises ``RequestError`` when the field does not take the value.
    """
    if not has_part(request, path):
        return request
    kind = table_of(GenerationRequest)[plain_path(path)].kind
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        value = kind(value)
    schedule_path = f"{path.removesuffix('sampler')}schedule"
    if path.endswith("sampler") and value in JOINED_NAMES and knows(schedule_path):
        value, schedule = JOINED_NAMES[value]
        request = with_value(request, schedule_path, schedule)
    return with_value(request, path, floored(path, value))


def floored(path: str, value: Any) -> Any:
    """``value`` of the field at ``path`` in whole blocks, as A1111 makes pictures; what is less than one stays."""
    step = table_of(GenerationRequest)[plain_path(path)].multiple
    return value // step * step if step > 1 and isinstance(value, int) and value >= step else value
