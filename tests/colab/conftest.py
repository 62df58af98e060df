"""Stand-ins that the Colab tests share: google.colab and a host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import child_environ, frpc

__all__ = ["child_environ", "frpc", "google_colab"]

REPOSITORY = Path(__file__).parents[2]
GOOGLE_COLAB = REPOSITORY / "tests" / "support" / "google_colab"


@pytest.fixture
def google_colab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The stand-in google.colab on the path; yields the folder that plays the user's Drive."""

    def forget() -> None:
        for name in [name for name in sys.modules if name == "google" or name.startswith("google.colab")]:
            del sys.modules[name]

    forget()
    monkeypatch.syspath_prepend(str(GOOGLE_COLAB))
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_de-pruebas")
    drive = tmp_path / "nube"
    monkeypatch.setenv("STANDIN_DRIVE_FOLDER", str(drive))
    yield drive
    forget()
