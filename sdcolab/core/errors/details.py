"""The detail pass and the restoring of faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError
from sdcolab.core.errors.request import RequestError


class DetailError(SdcolabError):
    """Details cannot be worked on as asked."""


@dataclass(eq=False)
class DetailPackageMissing(DetailError):
    """Finding things in pictures needs a Python package that is not installed."""

    code: ClassVar[str] = "details.package_missing"
    package: str


@dataclass(eq=False)
class DetailClassesUnknown(DetailError):
    """None of the names asked for is one that the detector knows. ``known``: those, with commas."""

    code: ClassVar[str] = "details.classes_unknown"
    model: str
    classes: str
    known: str


@dataclass(eq=False)
class DetectorMissing(DetailError):
    """A unit names a detector that is not here. ``link`` gets ``file``, which finds the same, of ``size`` bytes."""

    code: ClassVar[str] = "details.detector_missing"
    model: str
    file: str
    folder: Path
    link: str
    size: int


@dataclass(eq=False)
class FaceFileMissing(DetailError):
    """Restoring faces needs a file that is not here. ``link`` is where to get it, ``size`` in bytes."""

    code: ClassVar[str] = "details.face_file_missing"
    file: str
    folder: Path
    link: str
    size: int


@dataclass(eq=False)
class DetailsOtherModel(DetailError):
    """(Warning) The model that made a picture, ``name``, is not here, and its details are drawn by ``used``."""

    code: ClassVar[str] = "details.other_model"
    name: str
    used: str


@dataclass(eq=False)
class CodeFormerAbsent(RequestError):
    """CodeFormer was asked for, which is not part of this program for its licence."""

    code: ClassVar[str] = "details.codeformer_absent"


@dataclass(eq=False)
class UpscalerLeftOut(SdcolabError):
    """An upscaling network cannot be loaded, and Lanczos enlarged in its place. ``reason`` is one of the keys of
    ``UNREADABLE_REASONS``."""

    code: ClassVar[str] = "details.upscaler_left_out"
    path: Path
    reason: str
