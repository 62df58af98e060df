"""Models and the engine: what the other parts are given, and the ``generar`` command."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.control import models_for
from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import ControlModelTaken, ForeignFile, SdcolabError
from sdcolab.core.events import CancelToken, Listener, Phase, PhaseStarted, ignore_events
from sdcolab.core.fields import with_values
from sdcolab.core.files import make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.foreign_files import IN_FOLDERS, why_foreign
from sdcolab.core.formats import ImageFormat
from sdcolab.core.infotext import Pasted, parse, to_request, with_files
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.machine import MachineFile
from sdcolab.core.memory_plan import ONE_MODEL, MemoryChoice
from sdcolab.core.names import SCHEDULE_NAMES
from sdcolab.core.outputs import ImageStore, ImageStores
from sdcolab.core.preprocessors import lacks_model
from sdcolab.core.request import AUTOMATIC, INSIDE, SIZE_STEP, GenerationRequest
from sdcolab.core.result import GenerationResult, Unwritten
from sdcolab.core.tasks import LocalWorker, Tools
from sdcolab.core.tensors import header_if_told
from sdcolab.core.upscaling import upscaler_names
from sdcolab.wiring.demo import demo_control, demo_model

if TYPE_CHECKING:
    from PIL import Image

    from sdcolab.engine.engine import Engine


def build_library(folders: Folders, *chosen: ModelFile) -> Library:
    """The user's models and the demo; ``chosen`` files, from anywhere on the disk, come first."""
    demos = (demo_model(), demo_control())
    return Library(folders, bundled=tuple(file for file in demos if file.path.is_file()), first=chosen)


def library_around(folders: Folders, checkpoint: Path | None, vae: Path | None = None) -> Library:
    """The library with the files ``checkpoint`` and ``vae`` first in it, where there are such files."""
    asked = ((ModelKind.CHECKPOINT, checkpoint), (ModelKind.VAE, vae))
    there = ((kind, path) for kind, path in asked if path is not None and path.is_file())
    return build_library(folders, *(model_file(folders, kind, str(path)) for kind, path in there))


def model_file(folders: Folders, kind: ModelKind, name: str) -> ModelFile:
    """The file that ``name`` means: a path on the disk or a name in the library. Raises ``UnknownFile``."""
    path = Path(name).expanduser()
    if path.is_file():
        return ModelFile(kind, path.name, path.absolute())
    if (path / IN_FOLDERS).is_file():
        raise ForeignFile(kind.value, name, (), path, why_foreign(path))
    return build_library(folders).find(kind, name)


def native_size(model: ModelFile) -> int:
    """Side in pixels of the square images ``model`` was trained on; 512 when its file does not say."""
    header = header_if_told(model.path)
    return detect(header).native_size if header else 512


class LazyEngine:
    """An engine that the first thread to need it imports and builds, so that pages answer before torch has loaded."""

    def __init__(
        self,
        library: Library,
        store: ImageStore | ImageStores,
        hash_cache: Path,
        memory: MemoryChoice = ONE_MODEL,
    ) -> None:
        self._library = library
        self._store = store
        self.hash_cache = hash_cache
        self._memory = memory
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener,
        cancel: CancelToken,
        *,
        save: bool = True,
        beside: Sequence[GenerationRequest] = (),
    ) -> GenerationResult:
        """As ``Engine.generate``, after loading the libraries if nobody has yet."""
        if self._engine is None:
            listener(PhaseStarted(Phase.LOADING_LIBRARIES))
        return self._built().generate(request, listener, cancel, save=save, beside=beside)

    def preload(self, checkpoint: str = "") -> None:
        """Load the libraries and a checkpoint (empty: the default one), so that the first image waits for neither."""
        self._built().preload(checkpoint or self._library.default_checkpoint().name)

    def unload(self) -> None:
        """Let go of the models, if any are loaded."""
        if self._engine is not None:
            self._engine.unload()

    def names(self) -> tuple[str, ...]:
        """Upscalers to choose from, "None" first."""
        return upscaler_names(self._library)

    def upscale(
        self,
        picture: Image.Image,
        scale: float,
        name: str,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
    ) -> Image.Image:
        """``picture`` about ``scale`` times larger, as ``engine.upscale.upscalers.Upscalers.upscale``. Call it from the
        job queue's thread: an engine does one thing at a time."""
        return self._built().upscalers.upscale(picture, scale, name, listener, cancel)

    def restore_faces(self, picture: Image.Image, listener: Listener, cancel: CancelToken) -> Image.Image:
        """``picture`` with its faces restored, as ``engine.faces.FaceRestorer.restored``."""
        return self._built().faces.restored(picture, listener, cancel)

    def find_faces(self, picture: Image.Image) -> Sequence[tuple[float, float]]:
        """As ``core.upscaling.Restoring.find_faces``."""
        return self._built().faces.found(picture)

    def retouch(
        self, picture: Image.Image, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        """As ``Engine.retouch``."""
        return self._built().retouch(picture, request, listener, cancel)

    def try_out(
        self, checkpoint: Unwritten, request: GenerationRequest, listener: Listener, cancel: CancelToken
    ) -> GenerationResult:
        """As ``Engine.try_out``."""
        return self._built().try_out(checkpoint, request, listener, cancel)

    def _built(self) -> Engine:
        from sdcolab.engine.lean import import_lean

        with self._lock:
            if self._engine is None:
                import_lean("sdcolab.engine.engine")
                from sdcolab.engine.engine import Engine

                self._engine = Engine(self._library, self._store, hash_cache=self.hash_cache, memory=self._memory)
            return self._engine


def build_engine(folders: Folders, library: Library, store: ImageStore | ImageStores | None = None) -> LazyEngine:
    """An engine that saves in ``store``, or each kind of picture in its folder, and uses the memory as this machine
    chose."""
    memory = MachineFile(folders.root).peek().memory_choice
    return LazyEngine(library, store or ImageStores.below(folders), folders.hashes, memory)


def paste(text: str, folders: Folders, *, decided: Collection[str] = ()) -> Pasted:
    """What the infotext ``text`` changes in a request, with the names of the user's own files. The request's fields in
    ``decided`` are left out: somebody else says them. Units of ControlNet that are off are left out too: the command
    counts those that it is given, and the first picture is that of the first unit.
    """
    from sdcolab.engine.hashes import HashCache

    pasted = to_request(parse(text), SCHEDULE_NAMES).without(*decided)
    found = with_files(pasted, build_library(folders), HashCache(folders.hashes))
    units = tuple(unit for unit in found.changes.get("control", ()) if unit.enabled)
    return replace(found, changes={**found.changes, "control": units} if units else found.changes)


def with_control_models(
    request: GenerationRequest, folders: Folders, model: str | None = None
) -> tuple[GenerationRequest, tuple[SdcolabError, ...]]:
    """``request`` whose units of ControlNet without a model have the only one that is there for their type and the
    checkpoint, and what to say of it. ``model`` wins over the request's checkpoint. Raises ``UnknownFile``."""
    kinds = {number: kind for number, unit in enumerate(request.control) if (kind := lacks_model(unit))}
    if not kinds:
        return request, ()
    library = build_library(folders)
    named = library.find(ModelKind.CHECKPOINT, request.checkpoint) if request.checkpoint else None
    checkpoint = model_file(folders, ModelKind.CHECKPOINT, model) if model else named or library.default_checkpoint()
    files = {file.name: file for file in library.files(ModelKind.CONTROLNET)}
    taken: dict[str, str] = {}
    told: list[SdcolabError] = []
    for number, kind in kinds.items():
        fitting = [name for name in models_for(kind, files) if _guides(files[name].path, checkpoint.path)]
        if len(fitting) == 1:
            taken[f"control.{number}.model"] = fitting[0]
            told.append(ControlModelTaken(unit=number + 1, model=fitting[0]))
    return with_values(request, taken), tuple(told)


def _guides(control: Path, checkpoint: Path) -> bool:
    """Whether a control model's file is one for a checkpoint's."""
    from sdcolab.engine.control.loading import is_for

    try:
        return is_for(control, checkpoint)
    except SdcolabError:  # told when it is used by its name
        return False


def generate(
    request: GenerationRequest,
    *,
    folders: Folders,
    model: str | None = None,
    output: Path | None = None,
    image_format: ImageFormat = ImageFormat.PNG,
    listener: Listener = ignore_events,
) -> GenerationResult:
    """Make the images of ``request`` in this thread. ``model``, which wins over the request's checkpoint, and
    ``request.vae`` may be paths or names in the library. Pictures are saved in their kind's folder, or flat in
    ``output``. A picture made from another one has its shape when the request says no size.
    """
    chosen = [] if model is None else [model_file(folders, ModelKind.CHECKPOINT, model)]
    if request.vae not in (AUTOMATIC, INSIDE):
        vae = model_file(folders, ModelKind.VAE, request.vae)
        chosen.append(vae)
        request = replace(request, vae=vae.name)
    library = build_library(folders, *chosen)
    store = store_for(folders, request, output, image_format)
    named = model is None and request.checkpoint
    checkpoint = library.find(ModelKind.CHECKPOINT, request.checkpoint) if named else library.default_checkpoint()
    request = replace(request, checkpoint=checkpoint.name)  # the default is the chosen one, which comes first
    return build_engine(folders, library, store).generate(shaped(request, checkpoint), listener, CancelToken())


def store_for(
    folders: Folders, request: GenerationRequest, output: Path | None, image_format: ImageFormat
) -> ImageStores | ImageStore:
    """Where a command saves: in the folders of each kind, or flat in ``output``, which is made before minutes of work
    and not after. Raises ``CannotWrite``."""
    stores = ImageStores.below(folders, image_format)
    store = stores if output is None else ImageStore(output, today=None, image_format=image_format)
    make_folder(store.of(request).folder)
    return store


def shaped(request: GenerationRequest, checkpoint: ModelFile) -> GenerationRequest:
    """``request``, which has the shape of the picture it begins with when it says no size."""
    if not request.init or request.width is not None or request.height is not None:
        return request
    width, height = size_like(request.init.images[0].size, native_size(checkpoint))
    return replace(request, width=width, height=height)


def size_like(picture: tuple[int, int], native: int) -> tuple[int, int]:
    """A size with the shape of ``picture`` whose short side is ``native`` pixels, as far as requests allow."""
    scale = native / min(picture)
    width, height = (min(max(round(side * scale / SIZE_STEP) * SIZE_STEP, 64), 2048) for side in picture)
    return width, height


def serve_engine(folders: Folders, model: Path | None, vae: Path | None = None) -> None:
    """Be an engine's process: tasks on stdin, events on stdout, until stdin ends."""
    from sdcolab.process.service import Channel, serve
    from sdcolab.wiring.tasks import TASKS

    library = library_around(folders, model, vae)
    worker = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library)))
    serve(worker, TASKS, Channel.standard(), {"card": card_memory})


def card_memory() -> dict[str, object] | None:
    """What the graphics card holds, in A1111's words; None without one, or before torch has been loaded."""
    if "torch" not in sys.modules:
        return None
    from sdcolab.engine import memory

    return memory.card_memory()
