"""Scripts in this process, for commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.library import Library
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Tools
from sdcolab.wiring.engine import build_engine, build_library, model_file, shaped, store_for
from sdcolab.wiring.grids import kit_of


def library_for(folders: Folders, model: str | None) -> Library:
    """The library, whose default checkpoint is ``model``, a path or a name. Raises ``ModelMissing``."""
    return build_library(folders, *([] if model is None else [model_file(folders, ModelKind.CHECKPOINT, model)]))


def shaped_task(task: Grid, library: Library) -> Grid:
    """``task``, whose pictures have the shape of the one they begin with where no size is said."""
    request = task.request
    if request.init is None:
        return task
    wanted = request.checkpoint
    checkpoint = library.find(ModelKind.CHECKPOINT, wanted) if wanted else library.default_checkpoint()
    return replace(task, request=shaped(request, checkpoint))


def run_here(
    task: Grid,
    *,
    folders: Folders,
    library: Library,
    listener: Listener,
    output: Path | None = None,
    image_format: ImageFormat = ImageFormat.PNG,
) -> None:
    """Run a script in this process. Pictures and sheets are saved in the program's folders, or flat in ``output``."""
    from sdcolab.grids.run import run

    store = store_for(folders, task.request, output, image_format)
    kit = kit_of(Tools(folders, library, build_engine(folders, library, store)))
    run(task, replace(kit, stores=store), listener, CancelToken())
