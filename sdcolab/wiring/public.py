"""What ``from sdcolab import ...`` offers besides the types of ``core``: an engine ready to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, InfotextUnreadable
from sdcolab.core.files import system_reason
from sdcolab.core.folders import Folders, default_root
from sdcolab.core.infotext import parse, read_bytes
from sdcolab.core.machine import folders_in
from sdcolab.core.outputs import ImageStores
from sdcolab.core.request import GenerationRequest
from sdcolab.wiring import engine

if TYPE_CHECKING:
    from sdcolab.engine.engine import Engine


def open_engine(
    folder: str | Path | None = None,
    *,
    model: str | Path | None = None,
    save: bool = False,
    device: str | None = None,
) -> Engine:
    """An engine over the models below ``folder`` (None: $SDCOLAB_CARPETA, or ~/sdcolab) and the demo model.

    ``model``: the checkpoint for requests that name none, a file or a name in the folder. ``save``: each picture is
    saved in the folder as the page does; otherwise pictures stay in memory. ``device``: "cpu", "cuda" or "cuda:1";
    None takes the graphics card if there is one. One engine runs one request at a time and keeps its models loaded.

    Raises ``UnknownFile`` for a ``model`` that is not there, or ``NoCuda``.
    """
    from sdcolab.engine.engine import Engine

    folders = _folders(folder)
    chosen = [] if model is None else [engine.model_file(folders, ModelKind.CHECKPOINT, str(model))]
    store = ImageStores.below(folders) if save else None
    library = engine.build_library(folders, *chosen)
    return Engine(library, store, device=device, hash_cache=folders.hashes)


def request_of(source: str | Path, folder: str | Path | None = None) -> GenerationRequest:
    """The request that made a picture: what its file (PNG, JPEG, WebP, or its data in a text file) says, with the names
    that its models have below ``folder``. Models that are not there keep the defaults; what the picture started from is
    not in its file.

    Raises ``CannotRead``, or ``InfotextUnreadable`` when the file says nothing.
    """
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    text = read_bytes(data, path.name)
    if not parse(text).fields:
        raise InfotextUnreadable(source=path.name)
    return GenerationRequest(**engine.paste(text, _folders(folder)).changes)


def _folders(folder: str | Path | None) -> Folders:
    return folders_in(default_root() if folder is None else Path(folder).expanduser().absolute())
