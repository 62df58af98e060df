"""Scripts in this process, for commands."""

from __future__ import annotations

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Tools
from sdcolab.wiring.engine import build_engine, build_library, model_file
from sdcolab.wiring.grids import run_grid


def run_here(task: Grid, *, folders: Folders, model: str | None, listener: Listener) -> None:
    """Run a script in this process, for commands. ``model``, a path or a name, is the default checkpoint."""
    chosen = [] if model is None else [model_file(folders, ModelKind.CHECKPOINT, model)]
    library = build_library(folders, *chosen)
    run_grid(task, Tools(folders, library, build_engine(folders, library)), listener, CancelToken())
