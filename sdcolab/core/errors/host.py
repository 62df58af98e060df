"""Colab, Drive, tunnels and child processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class HostError(SdcolabError):
    """Google Colab, Drive or the public link did not work."""


@dataclass(eq=False)
class DriveDenied(HostError):
    """The user closed Drive's permission dialog, chose another account, or the browser blocks third-party cookies."""

    code: ClassVar[str] = "host.drive_denied"


@dataclass(eq=False)
class DriveRootTimeout(HostError):
    """Drive's root folder has so many files that it could not be read in time."""

    code: ClassVar[str] = "host.drive_root_timeout"


@dataclass(eq=False)
class DriveNoAnswer(HostError):
    """Mounting Drive ran out of time without any answer."""

    code: ClassVar[str] = "host.drive_no_answer"


@dataclass(eq=False)
class DriveNotEmpty(HostError):
    """The mount point already holds files that are not Drive's."""

    code: ClassVar[str] = "host.drive_not_empty"
    mountpoint: str


@dataclass(eq=False)
class DriveSymlink(HostError):
    """The mount point is a symbolic link."""

    code: ClassVar[str] = "host.drive_symlink"
    mountpoint: str


@dataclass(eq=False)
class DriveBadMountpoint(HostError):
    """The mount point has a space, is not a folder, or its parent does not exist."""

    code: ClassVar[str] = "host.drive_bad_mountpoint"
    mountpoint: str


@dataclass(eq=False)
class DrivePolicy(HostError):
    """The administrator of the user's domain does not allow Drive in Colab."""

    code: ClassVar[str] = "host.drive_policy"


@dataclass(eq=False)
class DriveUnsupported(HostError):
    """This environment cannot mount Drive: it is not google.com's Colab."""

    code: ClassVar[str] = "host.drive_unsupported"


@dataclass(eq=False)
class DriveMountFailed(HostError):
    """Drive could not be mounted for another reason; ``detail`` is Colab's own message."""

    code: ClassVar[str] = "host.drive_mount_failed"
    detail: str


@dataclass(eq=False)
class DriveFull(HostError):
    """Drive has no room left; ``pending`` images wait on the machine."""

    code: ClassVar[str] = "host.drive_full"
    pending: int


@dataclass(eq=False)
class DriveLost(HostError):
    """Drive went away or refuses writes; ``pending`` images wait on the machine."""

    code: ClassVar[str] = "host.drive_lost"
    pending: int
    reason: str


@dataclass(eq=False)
class DriveUnread(HostError):
    """Drive is there and what it holds could not be read when the program started."""

    code: ClassVar[str] = "host.drive_unread"
    reason: str


@dataclass(eq=False)
class SecretNoAccess(HostError):
    """A Colab secret exists but the notebook may not read it."""

    code: ClassVar[str] = "host.secret_no_access"
    name: str


@dataclass(eq=False)
class SecretTimeout(HostError):
    """Colab did not answer when asked for its secrets."""

    code: ClassVar[str] = "host.secret_timeout"
    name: str


@dataclass(eq=False)
class ProxyUnavailable(HostError):
    """Colab gave no link of its own to a port of the machine."""

    code: ClassVar[str] = "host.proxy_unavailable"


@dataclass(eq=False)
class ShareDown(HostError):
    """The public link service did not answer or refused; ``reason`` is its own message."""

    code: ClassVar[str] = "host.share_down"
    reason: str


@dataclass(eq=False)
class ShareProgramMissing(HostError):
    """The program that makes the public link could not be downloaded or run."""

    code: ClassVar[str] = "host.share_program_missing"
    reason: str


class NgrokTokenMissing(HostError):
    """The user chose ngrok and gave no token for it."""

    code: ClassVar[str] = "host.ngrok_token_missing"


class NgrokTokenRejected(HostError):
    """ngrok does not accept the user's token."""

    code: ClassVar[str] = "host.ngrok_token_rejected"


class NgrokBusy(HostError):
    """The user's ngrok account allows one link at a time and has it open somewhere else."""

    code: ClassVar[str] = "host.ngrok_busy"


@dataclass(eq=False)
class NgrokDown(HostError):
    """ngrok did not answer or refused; ``reason`` is its own message."""

    code: ClassVar[str] = "host.ngrok_down"
    reason: str


@dataclass(eq=False)
class NgrokProgramMissing(HostError):
    """ngrok's agent could not be downloaded or run."""

    code: ClassVar[str] = "host.ngrok_program_missing"
    reason: str


@dataclass(eq=False)
class ShareLost(HostError):
    """The public link stopped working; another is on its way."""

    code: ClassVar[str] = "host.share_lost"


@dataclass(eq=False)
class WebKilled(HostError):
    """The system killed the web UI's process, nearly always for using too much memory."""

    code: ClassVar[str] = "host.web_killed"


@dataclass(eq=False)
class WebCrashed(HostError):
    """The web UI's process ended on its own; ``ending`` says how."""

    code: ClassVar[str] = "host.web_crashed"
    ending: str


@dataclass(eq=False)
class WebGaveUp(HostError):
    """The web UI's process died ``times`` times in a row as soon as it started."""

    code: ClassVar[str] = "host.web_gave_up"
    times: int
    log: Path


class EngineKilled(HostError):
    """The system killed the process that makes the images, nearly always for using too much memory."""

    code: ClassVar[str] = "host.engine_killed"


class JobLost(HostError):
    """The process that was making these images was killed or crashed meanwhile."""

    code: ClassVar[str] = "host.job_lost"


@dataclass(eq=False)
class EngineCrashed(HostError):
    """The process that makes the images ended on its own; ``ending`` says how."""

    code: ClassVar[str] = "host.engine_crashed"
    ending: str


@dataclass(eq=False)
class EngineGaveUp(HostError):
    """The process that makes the images died ``times`` times in a row as soon as it started."""

    code: ClassVar[str] = "host.engine_gave_up"
    times: int
    log: Path


class DriveFlushFailed(HostError):
    """Google Drive did not confirm in time that it has sent everything to the cloud."""

    code: ClassVar[str] = "host.drive_flush_failed"


@dataclass(eq=False)
class SiteUnreachable(HostError):
    """A site that the program needs does not answer; ``site`` is its name."""

    code: ClassVar[str] = "host.site_unreachable"
    site: str


class NoWidgets(HostError):
    """The panel needs a Jupyter notebook with ipywidgets."""

    code: ClassVar[str] = "host.no_widgets"


@dataclass(eq=False)
class PackagesMissing(HostError):
    """Python packages that the program needs could not be installed."""

    code: ClassVar[str] = "host.packages_missing"
    names: str


@dataclass(eq=False)
class PackagesTooOld(HostError):
    """The environment's packages are older than what the program needs."""

    code: ClassVar[str] = "host.packages_too_old"
    names: str
