"""Immutable registries: named things with aliases, and helpful misses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from sdcolab.core.errors import UnknownName

_ENDING = re.compile(r"\.(safetensors|ckpt|pth?|bin|onnx)$")


class Named(Protocol):
    """What a registry holds: a thing with a display name and other names it answers to."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T], Generic[T]):
    """Things by their display name, in order. ``find`` also knows aliases and ignores case.

    ``kind`` names the registry in error messages; its Spanish label lives in ``core.words.KIND_LABELS``.
    """

    def __init__(self, kind: str, entries: Iterable[T]) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}
        self._lookup = {alias.casefold(): entry for entry in self._entries.values() for alias in entry.aliases}
        self._lookup |= {name.casefold(): entry for name, entry in self._entries.items()}

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def knows(self, name: str) -> bool:
        """Whether ``find`` finds something called ``name``."""
        return name.strip().casefold() in self._lookup

    def find(self, name: str) -> T:
        """The entry called ``name`` or having it as an alias; case and surrounding blanks do not matter.

        Raises ``UnknownName`` with up to three close names.
        """
        entry = self._lookup.get(name.strip().casefold())
        if entry is None:
            raise UnknownName(kind=self.kind, name=name, suggestions=closest(name, self._entries))
        return entry


def closest(name: str, candidates: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Up to ``limit`` of ``candidates`` that look like ``name``, best first. That both end in .safetensors makes no two
    alike."""
    by_shape = {_shape(candidate): candidate for candidate in candidates}
    return tuple(by_shape[shape] for shape in difflib.get_close_matches(_shape(name), by_shape, limit, 0.5))


def _shape(name: str) -> str:
    return _ENDING.sub("", name.strip().casefold())
