"""Where the notebook runs: Google Colab, or any other machine with Jupyter.

Everything that only Colab has (Drive, secrets, its own link to a port) is behind ``Host``; google.colab is imported
inside the methods that need it. All must be called from the kernel's main thread (hechos/lanzadores.md 5a-5c).
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from sdcolab.colab.waiting import muted, within
from sdcolab.core.errors import (
    DriveBadMountpoint,
    DriveDenied,
    DriveFlushFailed,
    DriveMountFailed,
    DriveNoAnswer,
    DriveNotEmpty,
    DrivePolicy,
    DriveRootTimeout,
    DriveSymlink,
    DriveUnsupported,
    HostError,
    ProxyUnavailable,
    SecretNoAccess,
    SecretTimeout,
)
from sdcolab.core.folders import ROOT_VARIABLE, Folders
from sdcolab.core.words.explain import COLAB_VARIABLE

CONTENT_VARIABLE = "SDCOLAB_CONTENIDO"
"""Environment variable that moves Colab's ``/content`` (for tests and for Colab's look-alikes)."""

KAGGLE_VARIABLE = "KAGGLE_KERNEL_RUN_TYPE"
"""Set by every Kaggle notebook."""

MOUNT_TIMEOUT_MS = 120_000
FLUSH_TIMEOUT_MS = 600_000
HUNG_SECONDS = 10.0
PROXY_TIMEOUT_SECONDS = 15


class Host(Protocol):
    """The machine that runs the notebook."""

    @property
    def is_colab(self) -> bool:
        """Whether this is Google Colab."""
        ...

    @property
    def content(self) -> Path:
        """Folder for the program's own folder; in Colab, what the Files panel shows."""
        ...

    def mount_drive(self) -> Path:
        """Ask for permission, connect Google Drive and return the user's folder in it. Raises a ``HostError``."""
        ...

    def flush_drive(self) -> bool:
        """Wait until Drive has sent everything to the cloud and disconnect it; whether there was one connected.

        Raises ``DriveFlushFailed``.
        """
        ...

    def secret(self, name: str) -> str | None:
        """The user's secret, or None when there is none. Raises ``SecretNoAccess`` or ``SecretTimeout``."""
        ...

    def proxy_url(self, port: int) -> str:
        """A link to ``port`` that works for the owner of the notebook only. Raises ``ProxyUnavailable``."""
        ...

    def gpu(self) -> str | None:
        """Name and memory of the NVIDIA card ("Tesla T4, 15360 MiB"), or None."""
        ...


class LocalHost:
    """Any machine that is not Colab: no Drive, no secrets, no proxy."""

    is_colab = False

    def __init__(self, content: Path | None = None) -> None:
        self.content = content or Path.home()

    def mount_drive(self) -> Path:
        """Raises ``DriveUnsupported``."""
        raise DriveUnsupported()

    def flush_drive(self) -> bool:
        """False: there is no Drive here."""
        return False

    def secret(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's signature
        """None: here secrets come from the environment."""
        return None

    def proxy_url(self, port: int) -> str:  # noqa: ARG002 - the protocol's signature
        """Raises ``ProxyUnavailable``."""
        raise ProxyUnavailable()

    def gpu(self) -> str | None:
        """See ``Host.gpu``."""
        return nvidia_gpu()


class KaggleHost(LocalHost):
    """A Kaggle notebook: what is below its content folder stays when the user saves a version."""

    def __init__(self) -> None:
        super().__init__(Path("/kaggle/working"))

    def secret(self, name: str) -> str | None:
        """See ``Host.secret``: what Add-ons -> Secrets holds and this notebook may read."""
        try:
            client = import_module("kaggle_secrets").UserSecretsClient()
            return str(client.get_secret(name)).strip() or None
        except Exception:  # noqa: BLE001 - an edge: an absent secret, a refused one and no answer are unrelated types
            return None


class ColabHost:
    """Google Colab."""

    is_colab = True

    def __init__(self, content: Path = Path("/content")) -> None:
        self.content = content

    @property
    def mountpoint(self) -> Path:
        """Where Drive is mounted. Nothing may be written below it before that (hechos/lanzadores.md 5a)."""
        return self.content / "drive"

    def mount_drive(self) -> Path:
        """See ``Host.mount_drive``. A Drive that is already there is used without asking for permission again."""
        if not self._is_connected():
            try:
                from google.colab import drive  # pyright: ignore[reportMissingImports]

                dead = is_dead_mount(self.mountpoint)  # else drive.mount would only say that it is there already
                with muted():  # it tells in English what we tell in Spanish
                    drive.mount(str(self.mountpoint), force_remount=dead, timeout_ms=MOUNT_TIMEOUT_MS)
            except Exception as error:  # an edge: google.colab raises half a dozen unrelated types
                raise mount_failure(error, self.mountpoint) from error
        return self.my_drive() or self.mountpoint / "MyDrive"

    def flush_drive(self) -> bool:
        """See ``Host.flush_drive`` (hechos/lanzadores.md 5a)."""
        if self.my_drive() is None:
            return False
        try:
            from google.colab import drive  # pyright: ignore[reportMissingImports]

            with muted():
                drive.flush_and_unmount(timeout_ms=FLUSH_TIMEOUT_MS)
        except Exception as error:  # an edge: as mount, it raises unrelated types
            raise DriveFlushFailed() from error
        return True

    def secret(self, name: str) -> str | None:
        """See ``Host.secret``; waits up to 10 s when nobody answers (hechos/lanzadores.md 5b)."""
        try:
            from google.colab import userdata  # pyright: ignore[reportMissingImports]
        except ImportError:  # older than secrets
            return None
        try:
            value = userdata.get(name)
        except userdata.SecretNotFoundError:
            return None
        except userdata.NotebookAccessError as error:
            raise SecretNoAccess(name=name) from error
        except (userdata.TimeoutException, AttributeError) as error:  # AttributeError: no kernel to answer (5a)
            raise SecretTimeout(name=name) from error
        return str(value).strip() or None

    def proxy_url(self, port: int) -> str:
        """See ``Host.proxy_url`` (hechos/lanzadores.md 5c)."""
        script = f"google.colab.kernel.proxyPort({port}, {{'cache': false}})"
        try:
            from google.colab import output  # pyright: ignore[reportMissingImports]

            url = output.eval_js(script, timeout_sec=PROXY_TIMEOUT_SECONDS)
        except Exception as error:  # an edge: the reply comes from the user's browser
            raise ProxyUnavailable() from error
        if not isinstance(url, str) or not url.startswith("https://"):
            raise ProxyUnavailable()
        return url

    def gpu(self) -> str | None:
        """See ``Host.gpu``."""
        return nvidia_gpu()

    def _is_connected(self) -> bool:
        """Whether Drive is there. Raises ``DriveNoAnswer`` when it is, and hangs: looking at it would never end."""
        try:
            return within(HUNG_SECONDS, lambda: os.path.ismount(self.mountpoint) and self.my_drive() is not None)
        except TimeoutError:
            raise DriveNoAnswer() from None

    def my_drive(self) -> Path | None:
        """The user's folder in a Drive that is connected and answers; ``MyDrive`` is the alias without a space."""
        for name in ("MyDrive", "My Drive"):
            with contextlib.suppress(OSError):  # "Transport endpoint is not connected", say
                if (self.mountpoint / name).is_dir():
                    return self.mountpoint / name
        return None


def detect_host(environ: Mapping[str, str] = os.environ) -> Host:
    """Colab when its package and its environment variable are here, Kaggle by its own, else a local machine."""
    if COLAB_VARIABLE in environ and _has_google_colab():
        return ColabHost(Path(environ.get(CONTENT_VARIABLE) or "/content"))
    if KAGGLE_VARIABLE in environ:
        return KaggleHost()
    return LocalHost()


def host_folders(host: Host, environ: Mapping[str, str] = os.environ) -> Folders:
    """The program's folders on ``host``: ``$SDCOLAB_CARPETA``, or ``sdcolab`` inside the host's content folder."""
    named = environ.get(ROOT_VARIABLE)
    return Folders(Path(named).expanduser().absolute() if named else host.content / "sdcolab")


def is_dead_mount(mountpoint: Path) -> bool:
    """Whether Drive is mounted there and its program no longer answers."""
    try:
        mountpoint.stat()
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.EIO, errno.ESTALE)
    return False


def nvidia_gpu() -> str | None:
    """Name and memory of the first NVIDIA card as its driver tells, without importing torch."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def nvidia_cards() -> int:
    """How many NVIDIA cards its driver tells: Kaggle lends two T4s, and each can have an engine of its own."""
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def mount_failure(error: Exception, mountpoint: Path) -> HostError:
    """What went wrong in ``google.colab.drive.mount``, told by the exception's class and text (lanzadores.md 5a).

    By class name: ``MessageError`` and pexpect's ``TIMEOUT`` live in modules that are not public or may be absent.
    """
    kind, text, where = type(error).__name__, str(error), str(mountpoint)
    if isinstance(error, (NotImplementedError, ImportError, AttributeError)):
        return DriveUnsupported()
    if kind == "TIMEOUT" or isinstance(error, TimeoutError):
        return DriveNoAnswer()
    for sign, failure in (
        ("credential propagation", DriveDenied()),
        ("initial read of root folder", DriveRootTimeout()),
        ("already contain files", DriveNotEmpty(mountpoint=where)),
        ("symlink", DriveSymlink(mountpoint=where)),
        ("Mountpoint must", DriveBadMountpoint(mountpoint=where)),
        ("domain policy", DrivePolicy()),
    ):
        if sign in text:
            return failure
    return DriveDenied() if kind == "MessageError" else DriveMountFailed(detail=text or kind)


def _has_google_colab() -> bool:
    try:
        return find_spec("google.colab") is not None
    except ModuleNotFoundError:  # no "google" package at all
        return False
