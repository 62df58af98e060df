"""Enlarging in this process, for commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import Enlarge, Tools
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.enlarging import enlarge_pictures


def enlarge_here(
    task: Enlarge, files: Sequence[Path], folders: Folders, output: Path | None, listener: Listener
) -> None:
    """Enlarge ``files`` in this thread; what is made is saved in ``output`` or among the extras."""
    library = build_library(folders)
    tools = Tools(folders, library, build_engine(folders, library))
    enlarge_pictures(task, tools, listener, CancelToken(), files, output)
