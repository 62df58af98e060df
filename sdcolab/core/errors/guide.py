"""Links of the guide that lead to what this program has already, or to what is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdcolab.core.errors.downloads import DownloadError


@dataclass(eq=False)
class ExtensionBuiltIn(DownloadError):
    """A link to an extension of AUTOMATIC1111; ``extension`` is a key of ``core.words.guide.EXTENSIONS``."""

    code: ClassVar[str] = "guide.extension"
    extension: str


@dataclass(eq=False)
class RepositoryMoved(DownloadError):
    """A link to a repository that was deleted; ``home`` is the same file where it lives today."""

    code: ClassVar[str] = "guide.moved"
    link: str
    home: str


class LdsrSettings(DownloadError):
    """A link to LDSR's "project.yaml", which is not needed here."""

    code: ClassVar[str] = "guide.ldsr"
