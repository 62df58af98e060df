"""Wildcard files: lists of values by name, from a folder (hechos/extensiones.md 0 and 6)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sdcolab.core.untrusted import clean_text, parse_json
from sdcolab.grids.dynamic.grammar import weighted
from sdcolab.grids.dynamic.nodes import Entry, Wildcards

SUFFIXES = (".txt", ".yaml", ".json")
MAX_FILE = 4_000_000
"""Bytes of one file; larger ones are passed over."""

MAX_FILES = 20_000
MAX_VALUES = 200_000
_MAX_NESTING = 20
_MAX_NODES = 400_000
"""Keys, lists and values of one .yaml or .json, each counted as often as its aliases repeat it."""

_GLOB = frozenset("*?[")
_NUMBER = re.compile(r"[\d:_.+-]+")
_MAX_DIGITS = 300


def values_of_text(text: str) -> tuple[str, ...]:
    """The values of a .txt: one a line without blanks around it; empty lines and those that begin with ``#`` do not
    count."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def lists_of_tree(tree: Any, prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The lists in what a .yaml or .json says, by the path of keys that leads to each; those within the first
    ``_MAX_NODES`` nodes."""
    left = _MAX_NODES
    waiting = [(prefix, tree, 0)]
    while waiting and left > 0:
        name, node, depth = waiting.pop()
        left -= 1
        if isinstance(node, Mapping):
            if depth < _MAX_NESTING:
                below = [(f"{name}/{_text_of(key)}" if name else _text_of(key), node[key], depth + 1) for key in node]
                waiting += reversed(below)
        elif isinstance(node, list):
            left -= len(node)
            yield name, tuple(_text_of(one) for one in node if not isinstance(one, list | dict) and one is not None)
        elif node is not None:
            yield name, (_text_of(node),)


def _text_of(value: Any) -> str:
    """A value as a prompt can hold it; nothing for a number of thousands of digits."""
    try:
        return clean_text(str(value))
    except ValueError:
        return ""


class WildcardFolder(Wildcards):
    """The lists below one or more folders, the first of which wins where two have a list of the same name.

    A .txt is a list with the file's name; what lies in a .yaml or .json goes by its keys,
    without the file's name, or by the file's name where it is a plain list. Read when first asked for.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._lists: dict[str, tuple[str, ...]] | None = None
        self._entries: dict[str, tuple[Entry, ...]] = {}

    def names(self) -> Sequence[str]:
        """See ``Wildcards``; in alphabetical order."""
        return sorted(self._all())

    def values(self, name: str) -> tuple[str, ...]:
        """The values of a list, or of all that a pattern (``*``, ``?``, ``[ab]``; folders do not count) means: sorted,
        each once."""
        lists, name = self._all(), name.strip("/")
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


def names_in(path: Path, folder: Path) -> tuple[str, ...]:
    """What the lists of the file at ``path`` below ``folder`` are called; none where it cannot be read."""
    return tuple(dict.fromkeys(name for name, _ in _lists_in(path, folder)))


def _lists_in(path: Path, folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    name = path.relative_to(folder).with_suffix("").as_posix()
    text = _text(path)
    if text is None:
        return
    if path.suffix == ".txt":
        yield name, values_of_text(text)
        return
    try:
        tree = _yaml(text) if path.suffix == ".yaml" else parse_json(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    above = path.relative_to(folder).parent.as_posix()
    yield from lists_of_tree(tree, name if not isinstance(tree, Mapping) else above.removeprefix("."))


def _yaml(text: str) -> Any:
    """The tree in ``text``. Raises ``yaml.YAMLError`` or ``ValueError``."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _check_events(yaml.parse(text, Loader=loader))  # type: ignore[no-untyped-call]
    return yaml.load(text, Loader=loader)  # type: ignore[no-untyped-call]


def _check_events(events: Iterable[yaml.Event]) -> None:
    """Raises ``ValueError`` for what would end libyaml's recursion (deep nesting) or never end (merges of merges, and
    numbers of thousands of digits: YAML reads ``1:59:59...`` to base 60 in quadratic time)."""
    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_NESTING or count > _MAX_NODES or _is_endless(event):
            raise ValueError("not a plain tree of lists")


def _is_endless(event: yaml.Event) -> bool:
    if not isinstance(event, yaml.ScalarEvent) or not event.implicit[0]:
        return False
    return event.value == "<<" or (len(event.value) > _MAX_DIGITS and not _NUMBER.sub("", event.value))


def _text(path: Path) -> str | None:
    """What a file says, without what is no UTF-8; None when it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_FILE:
            return None
        return path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return None
