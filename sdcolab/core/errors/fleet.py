"""What can go wrong with long lists of requests and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class FleetError(SdcolabError):
    """A list of requests cannot be made as asked."""


@dataclass(eq=False)
class BatchUnreadable(FleetError):
    """A list of requests cannot be read at ``line`` (from 1; 0: as a whole)."""

    code: ClassVar[str] = "fleet.batch_unreadable"
    path: Path
    line: int
    detail: str


@dataclass(eq=False)
class BatchEmpty(FleetError):
    """A list, or a folder of pictures, has no request."""

    code: ClassVar[str] = "fleet.batch_empty"
    path: Path


@dataclass(eq=False)
class BatchPlaceTaken(FleetError):
    """The place for the results holds those of another list."""

    code: ClassVar[str] = "fleet.place_taken"
    place: str


@dataclass(eq=False)
class BatchPlaceBusy(FleetError):
    """Another command of this machine is making a list in the same place."""

    code: ClassVar[str] = "fleet.place_busy"
    place: str


@dataclass(eq=False)
class BatchPlaceWrong(FleetError):
    """The place for the results cannot be used; ``detail`` is the library's reason."""

    code: ClassVar[str] = "fleet.place_wrong"
    place: str
    detail: str


@dataclass(eq=False)
class EngineLost(FleetError):
    """The engine that worked on a request died, ``tries`` times."""

    code: ClassVar[str] = "fleet.engine_lost"
    tries: int


@dataclass(eq=False)
class EnginesGone(FleetError):
    """No engine is left, and ``left`` requests are not made."""

    code: ClassVar[str] = "fleet.engines_gone"
    left: int


@dataclass(eq=False)
class ClusterSilent(FleetError):
    """Nobody listens where a cluster was said to be."""

    code: ClassVar[str] = "fleet.cluster_silent"
    address: str


@dataclass(eq=False)
class ClusterUnreachable(FleetError):
    """There is no Ray cluster at an address ("auto": on this machine)."""

    code: ClassVar[str] = "fleet.cluster_unreachable"
    address: str
    detail: str


@dataclass(eq=False)
class ClusterVersion(FleetError):
    """A machine of the cluster has another version of the program, and its pictures might differ."""

    code: ClassVar[str] = "fleet.cluster_version"
    there: str
    here: str
