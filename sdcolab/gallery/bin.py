"""The gallery's bin: a folder where discarded pictures keep their folders until somebody empties it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.files import storage_errors


@dataclass(frozen=True, slots=True)
class Bin:
    """What is under ``folder``, which came from the same places under ``outputs``."""

    folder: Path
    outputs: Path

    def count(self) -> int:
        """How many pictures there are."""
        return sum(1 for path in self._files() if path.suffix != ".txt")

    def restore(self) -> int:
        """Bring everything back to where it was; how many files came back. Raises ``StorageError``."""
        files = [*self._files()]
        for path in files:
            move_to(path, self.outputs / path.relative_to(self.folder))
        return len(files)

    def empty(self) -> int:
        """Delete everything for good; how many files. Raises ``StorageError``."""
        files = [*self._files()]
        for path in files:
            with storage_errors(path):
                path.unlink(missing_ok=True)
        return len(files)

    def _files(self) -> Iterator[Path]:
        for parent, _, names in os.walk(self.folder):
            yield from (Path(parent, name) for name in names)


def move_to(source: Path, target: Path) -> Path:
    """Move a file to ``target``, or to ``target(1)`` and so on where that name is taken. Raises ``StorageError``."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        chosen, number = target, 0
        while chosen.exists():
            number += 1
            chosen = target.with_name(f"{target.stem}({number}){target.suffix}")
        source.rename(chosen)
    return chosen
