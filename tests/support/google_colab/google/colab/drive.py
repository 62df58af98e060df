"""Stand-in for google.colab.drive."""

from __future__ import annotations

import os
from pathlib import Path

from google.colab._message import MessageError


class TIMEOUT(Exception):
    """Stands for pexpect.TIMEOUT."""


FAILURES: dict[str, Exception] = {
    "denied": MessageError("Error: credential propagation was unsuccessful"),
    "root_timeout": ValueError(
        "mount failed: timeout during initial read of root folder; for more info: "
        "https://research.google.com/colaboratory/faq.html#drive-timeout"
    ),
    "no_answer": TIMEOUT("Timeout exceeded."),
    "space": ValueError("Mountpoint must not contain a space."),
    "not_directory": ValueError("Mountpoint must either be a directory or not exist"),
    "no_parent": ValueError("Mountpoint must be in a directory that exists"),
    "policy": ValueError(
        "The domain policy has disabled Drive File Stream: https://support.google.com/a/answer/7496409"
    ),
    "unsupported": NotImplementedError(
        "Mounting drive is unsupported in this environment. Use PyDrive2 instead. See examples at ..."
    ),
    "no_kernel": AttributeError("'NoneType' object has no attribute 'kernel'"),
    "failed": ValueError("mount failed"),
}


def mount(mountpoint: str, force_remount: bool = False, timeout_ms: int = 120000, readonly: bool = False) -> None:
    """Show ``$STANDIN_DRIVE_FOLDER`` as ``MOUNTPOINT/MyDrive``, or fail as asked."""
    if failure := os.environ.get("STANDIN_DRIVE"):
        raise FAILURES[failure]
    here = Path(mountpoint)
    if (here / "My Drive").is_dir() and not force_remount:
        print(
            f"Drive already mounted at {mountpoint}; to attempt to forcibly remount, "
            f'call drive.mount("{mountpoint}", force_remount=True).'
        )
        return
    if here.is_symlink():
        raise ValueError("Mountpoint must not be a symlink")
    if here.is_dir() and any(here.iterdir()):
        raise ValueError("Mountpoint must not already contain files")
    if here.exists() and not here.is_dir():
        raise ValueError("Mountpoint must either be a directory or not exist")
    if not here.parent.exists():
        raise ValueError("Mountpoint must be in a directory that exists")
    backing = Path(os.environ["STANDIN_DRIVE_FOLDER"])
    backing.mkdir(parents=True, exist_ok=True)
    here.mkdir(exist_ok=True)
    (here / "My Drive").symlink_to(backing, target_is_directory=True)
    (here / "MyDrive").symlink_to(backing, target_is_directory=True)
    print(f"Mounted at {mountpoint}")


def flush_and_unmount(timeout_ms: int = 24 * 60 * 60 * 1000) -> None:
    """Disconnect what ``mount`` connected below ``$SDCOLAB_CONTENIDO``, or fail as asked."""
    if os.environ.get("STANDIN_FLUSH") == "failed":
        raise ValueError("flush_and_unmount failed")
    here = Path(os.environ.get("SDCOLAB_CONTENIDO", "/content"), "drive")
    if not (here / "My Drive").is_dir():
        print("Drive not mounted, so nothing to flush and unmount.")
        return
    for name in ("My Drive", "MyDrive"):
        (here / name).unlink()
