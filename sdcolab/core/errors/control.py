"""ControlNet units, their models and their preprocessors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError
from sdcolab.core.errors.request import RequestError


class ControlError(SdcolabError):
    """A ControlNet unit cannot be used as it is. ``unit`` counts from 1."""


@dataclass(eq=False)
class ControlImageMissing(ControlError):
    """Units have no picture, and there is no initial one that could stand in."""

    code: ClassVar[str] = "control.image_missing"
    units: tuple[int, ...]


@dataclass(eq=False)
class ControlWithoutEffect(ControlError):
    """Units that are on change nothing: they weigh 0, or end before they begin."""

    code: ClassVar[str] = "control.without_effect"
    units: tuple[int, ...]


@dataclass(eq=False)
class ControlModelNotChosen(ControlError):
    """A unit names no model, and its preprocessor needs one."""

    code: ClassVar[str] = "control.model_not_chosen"
    unit: int


@dataclass(eq=False)
class ControlModelTaken(ControlError):
    """A unit names no model, and gets the only one that is there for its type and the checkpoint."""

    code: ClassVar[str] = "control.model_taken"
    unit: int
    model: str


@dataclass(eq=False)
class ControlFamilyWrong(ControlError):
    """The control model and the checkpoint are of different families."""

    code: ClassVar[str] = "control.family_wrong"
    path: Path
    family: str
    checkpoint: str


@dataclass(eq=False)
class ControlSizeWrong(ControlError):
    """The control model's layers are of another size than the checkpoint's, though no other family's."""

    code: ClassVar[str] = "control.size_wrong"
    path: Path


@dataclass(eq=False)
class ControlUnserved(ControlError):
    """A sort of control file that this program does not run. ``sort`` is a key of ``CONTROL_KIND_LABELS``."""

    code: ClassVar[str] = "control.unserved"
    path: Path
    sort: str


@dataclass(eq=False)
class ControlTypeUnknown(ControlError):
    """A union model that does not know the wanted type: the plain one where "promax" is needed."""

    code: ClassVar[str] = "control.type_unknown"
    path: Path
    types: int


@dataclass(eq=False)
class PreprocessorUnserved(RequestError):
    """A preprocessor that other programs have; ``instead`` is the one of ours that is most like it."""

    code: ClassVar[str] = "control.preprocessor_unserved"
    name: str
    instead: str


@dataclass(eq=False)
class PreprocessorFileMissing(ControlError):
    """A preprocessor needs weights that are not there: ``files`` (names), of ``size`` bytes together. ``links`` are
    where to get them."""

    code: ClassVar[str] = "control.preprocessor_file_missing"
    preprocessor: str
    files: str
    links: str
    size: int


@dataclass(eq=False)
class UnitFileMissing(PreprocessorFileMissing):
    """The same of a unit of ControlNet that is to be followed: a button of the unit gets them."""

    code: ClassVar[str] = "control.unit_file_missing"


@dataclass(eq=False)
class UnitWeightsMissing(ControlError):
    """No map can be shown of a unit whose preprocessor lacks ``files`` (names), of ``size`` bytes together; a button
    of the unit gets them."""

    code: ClassVar[str] = "control.unit_weights_missing"
    preprocessor: str
    files: str
    size: int


@dataclass(eq=False)
class UnitWeightsComing(ControlError):
    """No map can be shown of a unit yet: what its preprocessor lacks is being downloaded."""

    code: ClassVar[str] = "control.unit_weights_coming"
    preprocessor: str


@dataclass(eq=False)
class PreprocessorPackageMissing(ControlError):
    """A preprocessor needs a Python package that is not installed."""

    code: ClassVar[str] = "control.preprocessor_package_missing"
    preprocessor: str
    package: str


@dataclass(eq=False)
class ClipVisionMissing(ControlError):
    """An IP-Adapter needs a CLIP vision file that is not there: ``file``, of ``size`` bytes. ``links`` is where to get
    it."""

    code: ClassVar[str] = "control.clip_vision_missing"
    path: Path
    file: str
    size: int
    links: str


@dataclass(eq=False)
class ClipVisionUnknown(ControlError):
    """An IP-Adapter needs a CLIP vision file that is not there, nor known. ``width`` is the channels it must give."""

    code: ClassVar[str] = "control.clip_vision_unknown"
    path: Path
    folder: Path
    width: int


@dataclass(eq=False)
class PosesMalformed(ControlError):
    """A file or a drawing of people that is none."""

    code: ClassVar[str] = "control.poses_malformed"


@dataclass(eq=False)
class RegionsMalformed(RequestError):
    """The areas of Latent Couple cannot be read; ``part`` is the piece that breaks the grammar."""

    code: ClassVar[str] = "control.regions_malformed"
    part: str


@dataclass(eq=False)
class RegionsAtWork(RequestError):
    """Latent Couple is on: ``zones`` parts of the prompt draw in their own areas."""

    code: ClassVar[str] = "control.regions_at_work"
    zones: int


@dataclass(eq=False)
class RegionsAlone(RequestError):
    """Latent Couple is on and the prompt has one part alone, which is weakened to ``weight`` and kept in an area."""

    code: ClassVar[str] = "control.regions_alone"
    weight: float
