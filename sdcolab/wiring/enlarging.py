"""Enlarging finished pictures: the kind of work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from PIL import Image

from sdcolab.core.details import find_detector
from sdcolab.core.errors import DetailsOtherModel, InitImageMissing
from sdcolab.core.events import CancelToken, Listener, Warned
from sdcolab.core.finishing import Cutting
from sdcolab.core.infotext import parse, to_request, with_files
from sdcolab.core.infotext.writing import units_described
from sdcolab.core.outputs import ImageStore
from sdcolab.core.picture_folders import pictures_of
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import Enlarge, Tools
from sdcolab.core.upscaling import After, enlarge
from sdcolab.wiring.training_tasks import teller

NOT_OF_A_PICTURE = ("hires", "refiner", "control", "regions", "restore_faces", "freeu", "details")
"""What an infotext says of how a picture was made that does not count when a part of it is drawn again."""


def enlarge_pictures(
    task: Enlarge,
    tools: Tools,
    listener: Listener,
    cancel: CancelToken,
    files: Sequence[Path] = (),
    output: Path | None = None,
) -> None:
    """Enlarge finished pictures, and those in ``files``; they are saved in ``output`` or among the extras."""
    files = (*files, *(pictures_of(task.folder, tools.folders) if task.folder else ()))
    if not task.pictures and not files:
        raise InitImageMissing()
    store = None
    if task.save:
        store = ImageStore(output, today=None) if output else ImageStore(tools.folders.extras)
    # Looked for before minutes of enlarging.
    units = tuple(replace(unit, model=find_detector(unit.model, tools.library).name) for unit in task.details)

    def repair(picture: Image.Image, infotext: str, tell: Listener) -> tuple[Image.Image, str]:
        pasted = with_files(to_request(parse(infotext)), tools.library)
        request = GenerationRequest(**dict(pasted.without(*NOT_OF_A_PICTURE).changes) | {"details": units})
        for missing in pasted.missing:
            if missing.field == "checkpoint":
                tell(Warned(DetailsOtherModel(name=missing.name, used=tools.library.default_checkpoint().name)))
        return tools.engine.retouch(picture, request, tell, cancel), units_described(request, "details")

    engine = tools.engine
    cutting = Cutting(task.split, task.focal, task.sized, task.flip, engine.find_faces if task.focal else None)
    pictures: tuple[Image.Image | Path, ...] = (*task.pictures, *files)
    with ExitStack() as open_until_then:
        tell = None
        if task.caption:
            caption = teller(task.caption.tagger, task.caption.threshold, tools, listener, cancel)
            tell = open_until_then.enter_context(caption)
        after = After(repair if units else None, cutting, tell)
        enlarge(pictures, task.enlargement, engine, store, listener, cancel, task.infotexts, engine, after)
