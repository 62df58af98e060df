"""Colab's Drive, secrets and ports through the stand-in google.colab (hechos/lanzadores.md 5a-5c)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from sdcolab.colab.host import (
    ColabHost,
    LocalHost,
    detect_host,
    host_folders,
    is_dead_mount,
    mount_failure,
    nvidia_cards,
    nvidia_gpu,
)
from sdcolab.core import errors
from sdcolab.core.words import explain

FAILURES = [
    ("denied", errors.DriveDenied),
    ("root_timeout", errors.DriveRootTimeout),
    ("no_answer", errors.DriveNoAnswer),
    ("space", errors.DriveBadMountpoint),
    ("not_directory", errors.DriveBadMountpoint),
    ("no_parent", errors.DriveBadMountpoint),
    ("policy", errors.DrivePolicy),
    ("unsupported", errors.DriveUnsupported),
    ("no_kernel", errors.DriveUnsupported),
    ("failed", errors.DriveMountFailed),
]


@pytest.mark.parametrize(("failure", "expected"), FAILURES, ids=[name for name, _ in FAILURES])
def test_every_mount_failure_has_its_own_error(
    google_colab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, expected: type[errors.HostError]
) -> None:
    monkeypatch.setenv("STANDIN_DRIVE", failure)
    with pytest.raises(expected) as caught:
        ColabHost(tmp_path).mount_drive()
    assert "sigue sin Drive" in explain(caught.value).advice


def test_mounting_gives_the_users_folder(google_colab: Path, tmp_path: Path) -> None:
    host = ColabHost(tmp_path)
    assert host.mount_drive() == tmp_path / "drive" / "MyDrive"
    assert host.mount_drive().resolve() == google_colab  # again: already mounted
    assert google_colab.is_dir()


def test_files_in_the_mountpoint(google_colab: Path, tmp_path: Path) -> None:
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    with pytest.raises(errors.DriveNotEmpty) as caught:
        ColabHost(tmp_path).mount_drive()
    assert str(tmp_path / "drive") in str(explain(caught.value))


def test_mountpoint_that_is_a_link(google_colab: Path, tmp_path: Path) -> None:
    (tmp_path / "otra").mkdir()
    (tmp_path / "drive").symlink_to(tmp_path / "otra")
    with pytest.raises(errors.DriveSymlink):
        ColabHost(tmp_path).mount_drive()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("Transport endpoint is not connected"), errors.DriveMountFailed),
        (ValueError("mount failed: invalid oauth code"), errors.DriveMountFailed),
        (TimeoutError(), errors.DriveNoAnswer),
        (ModuleNotFoundError("No module named 'google'"), errors.DriveUnsupported),
        (RuntimeError(), errors.DriveMountFailed),
    ],
)
def test_failures_seen_elsewhere(error: Exception, expected: type[errors.HostError]) -> None:
    failure = mount_failure(error, Path("/content/drive"))
    assert type(failure) is expected
    assert "()" not in str(explain(failure))


def test_secrets(google_colab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_SECRETS", '{"HF_TOKEN": " hf_abc \\n"}')
    monkeypatch.setenv("STANDIN_SECRETS_DENIED", "CIVITAI_TOKEN")
    monkeypatch.setenv("STANDIN_SECRETS_SILENT", "NGROK_TOKEN")
    host = ColabHost()
    assert host.secret("HF_TOKEN") == "hf_abc"
    assert host.secret("NO_EXISTE") is None
    with pytest.raises(errors.SecretNoAccess) as denied:
        host.secret("CIVITAI_TOKEN")
    assert "activa" in explain(denied.value).advice
    with pytest.raises(errors.SecretTimeout):
        host.secret("NGROK_TOKEN")


def test_proxy(google_colab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ColabHost().proxy_url(7860).startswith("https://7860-")
    monkeypatch.setenv("STANDIN_PROXY", "no")
    with pytest.raises(errors.ProxyUnavailable):
        ColabHost().proxy_url(7860)


def test_detection(google_colab: Path, tmp_path: Path) -> None:
    host = detect_host({"COLAB_RELEASE_TAG": "x", "SDCOLAB_CONTENIDO": str(tmp_path)})
    assert host.is_colab
    assert host_folders(host, {}).root == tmp_path / "sdcolab"
    assert host_folders(host, {"SDCOLAB_CARPETA": "/otra"}).root == Path("/otra")
    assert not detect_host({}).is_colab


def test_detection_needs_the_package() -> None:
    assert isinstance(detect_host({"COLAB_RELEASE_TAG": "x"}), LocalHost)


def test_local_machine() -> None:
    host = LocalHost()
    with pytest.raises(errors.DriveUnsupported):
        host.mount_drive()
    with pytest.raises(errors.ProxyUnavailable):
        host.proxy_url(1)
    assert host.secret("HF_TOKEN") is None


def test_gpu_is_asked_to_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpu() is None
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'Tesla T4, 15360 MiB'\n")
    driver.chmod(driver.stat().st_mode | stat.S_IEXEC)
    assert nvidia_gpu() == "Tesla T4, 15360 MiB"
    driver.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2; exit 9\n")
    assert nvidia_gpu() is None


def test_flushing_drive(google_colab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOLAB_CONTENIDO", str(tmp_path))
    host = ColabHost(tmp_path)
    assert not host.flush_drive()
    assert not LocalHost().flush_drive()
    host.mount_drive()
    monkeypatch.setenv("STANDIN_FLUSH", "failed")
    with pytest.raises(errors.DriveFlushFailed):
        host.flush_drive()
    monkeypatch.delenv("STANDIN_FLUSH")
    assert host.flush_drive()
    assert not host.flush_drive()


def test_a_drive_whose_program_died_is_mounted_again(
    google_colab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mount point is there and every look at it fails, as when Drive's program is killed (ENOTCONN)."""
    host = ColabHost(tmp_path)
    host.mount_drive()
    look, dead = Path.stat, True

    def failing(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if dead and path.is_relative_to(tmp_path / "drive"):
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return look(path, follow_symlinks=follow_symlinks)

    def mount(mountpoint: str, force_remount: bool = False, timeout_ms: int = 0, readonly: bool = False) -> None:
        nonlocal dead
        assert force_remount
        dead = False

    monkeypatch.setattr(Path, "stat", failing)
    assert host.my_drive() is None
    assert is_dead_mount(host.mountpoint)
    assert host.flush_drive() is False
    from google.colab import drive  # type: ignore[import-not-found]

    monkeypatch.setattr(drive, "mount", mount)
    assert host.mount_drive() == tmp_path / "drive" / "MyDrive"
    assert not is_dead_mount(host.mountpoint)


def test_cards_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: Tesla T4 (UUID: GPU-1)'\necho 'GPU 1: Tesla T4 (UUID: GPU-2)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert nvidia_cards() == 2
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_cards() == 0
