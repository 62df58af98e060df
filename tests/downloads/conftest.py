"""What the download tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK
from support.servers import FileServer

from sdcolab.core.events import Event
from sdcolab.core.folders import Folders
from sdcolab.downloads.queue import DownloadQueue


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "raíz")


@pytest.fixture
def direct_queue(folders: Folders) -> DownloadQueue:
    """A queue that may visit loopback servers."""
    return DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY)


@pytest.fixture
def events() -> list[Event]:
    """Append this list's ``append`` as a listener."""
    return []


@pytest.fixture
def serve() -> Iterator[Callable[..., FileServer]]:
    """Starts ``FileServer``s that stop when the test ends."""
    started: list[FileServer] = []

    def start(*args: object, **kwargs: object) -> FileServer:
        server = FileServer(*args, **kwargs)  # type: ignore[arg-type]
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__()
