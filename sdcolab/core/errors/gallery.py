"""Errors of the gallery, the cards, and what else the faces ask of the studio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class GalleryError(SdcolabError):
    """Something asked of the gallery cannot be done."""


class PictureGone(GalleryError):
    """The picture is not there any more: another page or program moved or deleted it."""

    code: ClassVar[str] = "gallery.picture_gone"


@dataclass(eq=False)
class AlbumFolderName(GalleryError):
    """A folder for pictures cannot be called ``name``."""

    code: ClassVar[str] = "gallery.folder_name"
    name: str


@dataclass(eq=False)
class StrangeQuestion(GalleryError):
    """A face asked ``question``, which no room knows, or with what it cannot mean."""

    code: ClassVar[str] = "gallery.strange_question"
    question: str


class NotOurSettings(GalleryError):
    """A file to import is not one that ``studio.bundle`` wrote, or it is damaged."""

    code: ClassVar[str] = "gallery.not_our_settings"


@dataclass(eq=False)
class NameTaken(GalleryError):
    """There is a file called ``name`` already where one should be moved."""

    code: ClassVar[str] = "gallery.name_taken"
    name: str
