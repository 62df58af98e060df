"""Wildcard files: lists of values by name, from a folder (hechos/extensiones.md 0 and 6)."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sdcolab.grids.dynamic.grammar import weighted
from sdcolab.grids.dynamic.nodes import Entry, Wildcards

SUFFIXES = (".txt", ".yaml", ".json")
MAX_FILE = 4_000_000
"""Bytes of one file; larger ones are passed over."""

MAX_FILES = 20_000
MAX_VALUES = 200_000
_MAX_NESTING = 20
_GLOB = frozenset("*?[")


def values_of_text(text: str) -> tuple[str, ...]:
    """The values of a .txt: one a line without blanks around it; empty lines and those that begin with ``#`` do not
    count."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def lists_of_tree(tree: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The lists in what a .yaml or .json says, by the path of keys that leads to each."""
    if depth > _MAX_NESTING:
        return
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from lists_of_tree(value, f"{prefix}/{key}" if prefix else str(key), depth + 1)
    elif isinstance(tree, list):
        yield prefix, tuple(str(value) for value in tree if not isinstance(value, list | dict) and value is not None)
    elif tree is not None:
        yield prefix, (str(tree),)


class WildcardFolder(Wildcards):
    """The lists below one or more folders, the first of which wins where two have a list of the same name.

    A .txt is a list with the file's name; what lies in a .yaml or .json goes by its keys,
    without the file's name, or by the file's name where it is a plain list. Read when first asked for; ``reread`` after
    files changed.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._lists: dict[str, tuple[str, ...]] | None = None
        self._entries: dict[str, tuple[Entry, ...]] = {}

    def reread(self) -> None:
        """Forget what was read."""
        self._lists, self._entries = None, {}

    def names(self) -> Sequence[str]:
        """See ``Wildcards``; in alphabetical order."""
        return sorted(self._all())

    def values(self, name: str) -> tuple[str, ...]:
        """The values of a list, or of all that a pattern (``*``, ``?``, ``[ab]``; folders do not count) means: sorted,
        each once."""
        lists = self._all()
        if name in lists:
            found = lists[name]
        elif _GLOB & set(name):
            matching = fnmatch.filter(sorted(lists), name)
            found = tuple(value for one in matching for value in lists[one])
        else:
            return ()
        return tuple(sorted(set(found)))

    def entries(self, name: str) -> Sequence[Entry]:
        """See ``Wildcards``."""
        if name not in self._entries:
            self._entries[name] = tuple(weighted(value) for value in self.values(name))
        return self._entries[name]

    def _all(self) -> dict[str, tuple[str, ...]]:
        if self._lists is None:
            self._lists = {}
            for folder in reversed(self._folders):
                self._lists |= _lists_below(folder)
        return self._lists


def _lists_below(folder: Path) -> dict[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for path in _files(folder):
        for name, values in _lists_in(path, folder):
            lists[name] = (*lists.get(name, ()), *values)[:MAX_VALUES]
    return lists


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    found = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    yield from sorted(found)[:MAX_FILES]


def _lists_in(path: Path, folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    name = path.relative_to(folder).with_suffix("").as_posix()
    text = _text(path)
    if text is None:
        return
    if path.suffix == ".txt":
        yield name, values_of_text(text)
        return
    try:
        tree = _yaml(text) if path.suffix == ".yaml" else json.loads(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    above = path.relative_to(folder).parent.as_posix()
    yield from lists_of_tree(tree, name if not isinstance(tree, Mapping) else above.removeprefix("."))


def _yaml(text: str) -> Any:
    """The tree in ``text``. Raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=yaml.SafeLoader)  # type: ignore[no-untyped-call]


def _text(path: Path) -> str | None:
    """What a file says, without what is no UTF-8; None when it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_FILE:
            return None
        return path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return None
