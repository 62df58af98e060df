"""The user's wildcard lists, as faces see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcolab.core.words.scripts import LIST_DELETED, LIST_OURS, LIST_OURS_AGAIN, LISTS_IMPORTED, NO_LISTS, NO_SUCH_LIST


class WildcardLists(Protocol):
    """Lists to look at and edit; see ``grids.dynamic.manager``."""

    def tree(self) -> tuple[str, ...]:
        """Names of the files, in alphabetical order."""
        ...

    def called(self, name: str) -> str:
        """What the file is called that is saved under ``name``."""
        ...

    def is_own(self, name: str) -> bool:
        """Whether the user has a file of this name."""
        ...

    def text(self, name: str) -> str:
        """What a file says. Raises ``WildcardRefused``."""
        ...

    def lists(self, name: str) -> tuple[str, ...]:
        """What the lists in a file are called in a prompt. Raises ``WildcardRefused``."""
        ...

    def save(self, name: str, text: str) -> str:
        """Write a file; its name. Raises ``WildcardRefused``, ``DiskFull`` or ``CannotWrite``."""
        ...

    def delete(self, name: str) -> None:
        """Remove one of the user's files. Raises ``WildcardRefused`` or ``CannotWrite``."""
        ...

    def import_zip(self, archive: Path) -> tuple[str, ...]:
        """The lists in a zip; their names. Raises ``WildcardRefused``, ``DiskFull`` or ``CannotWrite``."""
        ...


class NoLists:
    """There are none, and none can be made."""

    def tree(self) -> tuple[str, ...]:
        """See ``WildcardLists``."""
        return ()

    def called(self, name: str) -> str:
        """See ``WildcardLists``."""
        return name

    def is_own(self, _name: str) -> bool:
        """See ``WildcardLists``."""
        return False

    def text(self, _name: str) -> str:
        """See ``WildcardLists``."""
        return ""

    def lists(self, _name: str) -> tuple[str, ...]:
        """See ``WildcardLists``."""
        return ()

    def save(self, name: str, _text: str) -> str:
        """See ``WildcardLists``."""
        return name

    def delete(self, _name: str) -> None:
        """See ``WildcardLists``."""

    def import_zip(self, _archive: Path) -> tuple[str, ...]:
        """See ``WildcardLists``."""
        return ()


INDENT = "\N{EM SPACE}"
"""Before a line of the tree, once for each folder around it."""


def branches(names: Iterable[str]) -> list[tuple[str, str]]:
    """``names`` as the lines of a tree: what each says, and its name. A folder stands above what is in it; its name
    ends in "/", and it cannot be looked at.
    """
    lines: list[tuple[str, str]] = []
    told: set[str] = set()
    for name in names:
        *folders, file = name.split("/")
        for depth, folder in enumerate(folders):
            path = "/".join(folders[: depth + 1]) + "/"
            if path not in told:
                told.add(path)
                lines.append((f"{INDENT * depth}{folder}/", path))
        lines.append((f"{INDENT * len(folders)}{file.removesuffix('.txt')}", name))
    return lines


MOST_MENTIONED = 12


def mention(lists: WildcardLists, name: str) -> str:
    """How a prompt names the lists in a file: ``__ropa/arriba__``; those of .yaml and .json go by their own keys.
    Raises ``WildcardRefused``."""
    every = [f"__{one}__" for one in lists.lists(name)]
    return " ".join(every[:MOST_MENTIONED]) + (" …" if len(every) > MOST_MENTIONED else "")


def imported(names: tuple[str, ...]) -> str:
    """What is told after an import."""
    return LISTS_IMPORTED.format(count=len(names), names=", ".join(names[:8])) if names else NO_LISTS


@dataclass(frozen=True, slots=True)
class Deleted:
    """What came of deleting a list: what is ``told``, and ``text``, which stands in its place now; None leaves what is
    in the box, so that it can be saved again."""

    told: str
    text: str | None = None
    gone: bool = True


def deleted(lists: WildcardLists, name: str) -> Deleted:
    """Delete the user's list called ``name``; ours cannot be. Raises ``WildcardRefused`` or ``CannotWrite``."""
    name = lists.called(name)
    if not lists.is_own(name):
        there = name in lists.tree()
        return Deleted((LIST_OURS if there else NO_SUCH_LIST).format(name=name), gone=False)
    lists.delete(name)
    if name in lists.tree():
        return Deleted(LIST_OURS_AGAIN.format(name=name), lists.text(name))
    return Deleted(LIST_DELETED.format(name=name))
