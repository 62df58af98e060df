"""Giving finished files their names, without ever touching a file that is already there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from sdcolab.core.file_names import numbered
from sdcolab.core.files import atomic_write, storage_errors

MAX_SAME_NAME = 50
"""Different files that may share a name."""

COPY_BLOCK = 1 << 20
"""Bytes that are copied at a time."""


def names_in_use(folder: Path, name: str) -> Iterator[Path]:
    """The files that are called ``name``, ``name (2)`` and so on in ``folder``."""
    for number in range(1, MAX_SAME_NAME + 1):
        path = folder / (name if number == 1 else numbered(name, number))
        if not path.exists():
            return
        yield path


def free_name(folder: Path, name: str) -> Path:
    """Where a new file called ``name`` can go in ``folder``: under that name, or with a number."""
    used = sum(1 for _ in names_in_use(folder, name))
    return folder / (numbered(name, used + 1) if used else name)


def move(source: Path, target: Path) -> None:
    """Move a file in one step. Across disks (a folder that is a link to Drive) it is copied and then takes its name."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    with atomic_write(target) as out, source.open("rb") as file:
        shutil.copyfileobj(file, out, COPY_BLOCK)
    source.unlink(missing_ok=True)
