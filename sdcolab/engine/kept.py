"""What features keep beside something that lives longer than a request: a loaded checkpoint, or the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """At most one object of each class; it goes when its owner goes."""

    def __init__(self) -> None:
        self._objects: dict[type[Any], Any] = {}

    def of(self, kind: type[T], make: Callable[[], T]) -> T:
        """The object of class ``kind``, made by ``make`` when there is none yet."""
        if kind not in self._objects:
            self._objects[kind] = make()
        found: T = self._objects[kind]
        return found
