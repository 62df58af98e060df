"""A plan on disk, beside its sheet: what was asked for and which cells are done, so that it can be gone on with.

JSON Lines: the first says what was asked for, each further one what happened to a cell, or where the cells are on a
sheet. Lines are only ever added, so
that whatever ends the program, all but the last line is whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from sdcolab.core.codec import from_json, to_json
from sdcolab.core.errors import Cancelled, PlanUnreadable, SdcolabError
from sdcolab.core.events import Portion
from sdcolab.core.files import make_folder, storage_errors
from sdcolab.core.request import MAX_RANDOM_SEED
from sdcolab.core.scripts import PLAN_SUFFIX, Grid
from sdcolab.core.sheets import LaidCell

VERSION = 1
MAX_LINE = 200_000_000
"""Bytes of the first line, which holds the initial pictures."""

MAX_FILE = 1_000_000_000
MAX_TRIES = 2
"""A cell that was begun so often and never ended is passed over: it may be what ends the program."""

_MAX_LOOKED_AT = 200
_PART = re.compile(r"-z\d+$")
"""How the name of a sheet of one Z value ends; all sheets of a plan share its file."""

_ENDED: Mapping[str, Any] = {"ended": True}
_ENDED_LINE = json.dumps(_ENDED).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Done:
    """A cell that was made: its first picture's ``path``, seed and infotext."""

    path: Path
    seed: int
    infotext: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a plan. ``draws`` is the seed of everything that was drawn for it."""

    task: Grid
    draws: int
    done: Mapping[int, Done]
    tries: Mapping[int, int]
    ended: bool = False


class PlanFile:
    """A plan's file, open for adding lines. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> PlanFile:
        make_folder(self.path.parent)
        with storage_errors(self.path):
            self._file = self.path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self, task: Grid, draws: int) -> None:
        """Write down what was asked for. Raises ``DiskFull`` or ``CannotWrite``."""
        self._add({"sdcolab": VERSION, "name": task.name, "draws": draws, "task": to_json(task)})

    @contextlib.contextmanager
    def making(self, cells: Sequence[int]) -> Iterator[None]:
        """While it lasts, ``cells`` are being made. A try that somebody stopped does not count."""
        for cell in cells:
            self._add({"cell": cell, "begun": True})
        try:
            yield
        except Cancelled:
            for cell in cells:
                self._add({"cell": cell, "begun": False})
            raise

    def done(self, cell: int, made: Done) -> None:
        """A cell is made; its file is named as seen from here."""
        path = os.path.relpath(made.path, self.path.parent)
        self._add({"cell": cell, "path": path, "seed": made.seed, "infotext": made.infotext})

    def drawn(self, sheet: Path, cells: Sequence[tuple[int, str, Portion]]) -> None:
        """A sheet is drawn beside this file: the number, the name and the place of each cell on it."""
        self._add({"sheet": sheet.name, "cells": [[cell, name, *box] for cell, name, box in cells]})

    def ended(self) -> None:
        """Nothing is left to do."""
        self._add(_ENDED)

    def _add(self, entry: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ValueError("the file is not open")
        with storage_errors(self.path):
            self._file.write(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            self._file.flush()


def read(path: Path) -> Progress:
    """What a plan's file says; lines that are not whole do not count, nor do cells whose picture is gone.

    Raises ``PlanUnreadable``.
    """
    try:
        lines = _lines(path)
        head = next(lines, {})
        if head.get("sdcolab") != VERSION:
            raise PlanUnreadable(path=path)
        task = replace(from_json(Grid, head["task"]), name=str(head.get("name", "")))
        draws = min(max(int(head["draws"]), 0), MAX_RANDOM_SEED)
        return _progress(task, draws, lines, path.parent)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlanUnreadable(path=path) from error
    except SdcolabError as error:
        raise error if isinstance(error, PlanUnreadable) else PlanUnreadable(path=path) from error


def _progress(task: Grid, draws: int, lines: Iterator[Mapping[str, Any]], folder: Path) -> Progress:
    done: dict[int, Done] = {}
    tries: dict[int, int] = {}
    ended = False
    for line in lines:
        match line:
            case {"cell": int(cell), "begun": bool(begun)}:
                tries[cell] = tries.get(cell, 0) + (1 if begun else -1)
            case {"cell": int(cell), "path": str(name), "seed": int(seed), "infotext": str(infotext)}:
                picture = _beside(folder, name)
                if picture is not None:
                    done[cell] = Done(picture, seed, infotext)
            case {"ended": True}:
                ended = True
    return Progress(task, draws, done, tries, ended)


def _beside(folder: Path, name: str) -> Path | None:
    """The picture that a plan in ``folder`` names: below the folder of all outputs, and there."""
    picture = Path(os.path.normpath(folder / name))
    outputs = folder.parents[1] if len(folder.parents) > 1 else folder
    return picture if picture.is_relative_to(outputs) and picture.is_file() else None


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.stat().st_size > MAX_FILE:
        raise ValueError("too large")
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


def laid(sheet: Path) -> tuple[LaidCell, ...]:
    """The cells on the sheet at a path whose pictures are still there, as the plan beside it says, in their order.

    None where there is no plan, or none that tells.
    """
    own = sheet.with_suffix(PLAN_SUFFIX)
    plan = own if own.is_file() else sheet.with_name(_PART.sub("", sheet.stem) + PLAN_SUFFIX)
    pictures: dict[int, Path] = {}
    places: dict[int, tuple[str, Portion]] = {}
    try:
        for line in _lines(plan):
            match line:
                case {"cell": int(cell), "path": str(name)} if picture := _beside(sheet.parent, name):
                    pictures[cell] = picture
                case {"sheet": sheet.name, "cells": list(cells)}:
                    places = dict(map(_place, cells))
    except (OSError, ValueError, TypeError):
        return ()
    return tuple(LaidCell(pictures[cell], *places[cell]) for cell in sorted(pictures.keys() & places.keys()))


def _place(said: Any) -> tuple[int, tuple[str, Portion]]:
    """A cell's number, name and place as a line tells them. Raises ``TypeError`` and ``ValueError``."""
    cell, name, left, top, right, bottom = said
    box = (left, top, right, bottom)
    if not isinstance(cell, int) or not all(0 <= part <= 1 for part in box):
        raise ValueError(said)
    return cell, (str(name), box)


def called(name: str, folder: Path) -> Path | None:
    """The file below ``folder`` of the plan with this name that has not ended, the newest first."""
    if not name:
        return None
    for path in _newest(folder):
        try:
            head = next(_lines(path), {})
        except (OSError, ValueError):
            continue
        if head.get("name") == name:
            return path
    return None


def leave(path: Path) -> None:
    """Nobody wants the rest of this plan. Raises ``DiskFull`` or ``CannotWrite``."""
    with PlanFile(path) as file:
        file.ended()


def unfinished(folder: Path) -> Iterator[tuple[Path, Progress]]:
    """Plans below ``folder`` that can be gone on with, the newest first."""
    for path in _newest(folder):
        try:
            if _says_ended(path):
                continue
            progress = read(path)
        except (OSError, PlanUnreadable):
            continue
        if not progress.ended:
            yield path, progress


def _says_ended(path: Path) -> bool:
    """Whether the last line says so: most plans have ended, and reading all of them from Drive takes long."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, len(_ENDED_LINE)), os.SEEK_END)
        return file.read() == _ENDED_LINE


def _newest(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.glob(f"*/*{PLAN_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:  # the folder does not answer, or a file went while it was looked at
        return []
    return found[:_MAX_LOOKED_AT]


def next_stem(folder: Path, kind: str, seed: int) -> str:
    """A name for the next sheet in ``folder``, as A1111 gives them: ``xyz_grid-0003-1234``."""
    numbers = re.compile(rf"{re.escape(kind)}-(\d+)-")
    taken = [int(match[1]) for path in folder.glob(f"{kind}-*") if (match := numbers.match(path.name))]
    return f"{kind}-{max(taken, default=-1) + 1:04}-{seed}"
