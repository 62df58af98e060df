"""What is refused at the entrance because of its size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.request import RequestError


@dataclass(eq=False)
class PictureTooLarge(RequestError):
    """A picture has more than ``limit`` megapixels, or a file larger than any picture needs."""

    code: ClassVar[str] = "gates.picture_too_large"
    path: Path
    limit: int


@dataclass(eq=False)
class PicturesTooLarge(RequestError):
    """The pictures of one request have together more than ``limit`` megapixels."""

    code: ClassVar[str] = "gates.pictures_too_large"
    limit: int


@dataclass(eq=False)
class TextTooLong(RequestError):
    """A text has more than ``limit`` characters."""

    code: ClassVar[str] = "gates.text_too_long"
    field: str
    limit: int
