"""Giving finished files their names, without ever touching a file that is already there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path

from sdcolab.core.file_names import free_names
from sdcolab.core.files import atomic_write, storage_errors

MAX_SAME_NAME = 50
"""Files that share a name which are looked at to see whether one of them is the new one."""

COPY_BLOCK = 1 << 20
"""Bytes that are copied at a time."""


def names_in_use(folder: Path, name: str) -> Iterator[Path]:
    """The first files that are called ``name``, ``name (2)`` and so on in ``folder``."""
    return takewhile(Path.exists, (folder / one for one in islice(free_names(name), MAX_SAME_NAME)))


def free_name(folder: Path, name: str) -> Path:
    """Where a new file called ``name`` can go in ``folder``: under that name, or with a number."""
    return next(path for one in free_names(name) if not (path := folder / one).exists())


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
