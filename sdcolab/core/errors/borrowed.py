"""What can go wrong with the folders of other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class BorrowError(SdcolabError):
    """A folder of another program cannot be used."""


@dataclass(eq=False)
class FolderNotKnown(BorrowError):
    """A folder has none of the subfolders in which programs keep models."""

    code: ClassVar[str] = "borrow.not_known"
    path: Path


@dataclass(eq=False)
class FolderOurs(BorrowError):
    """A folder lies in our own, or around it."""

    code: ClassVar[str] = "borrow.ours"
    path: Path
