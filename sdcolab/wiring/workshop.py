"""The workshop's kinds of work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import NameNotChosen
from sdcolab.core.events import CancelToken, FileMade, Listener, Phase, PhaseStarted, Warned
from sdcolab.core.file_names import free_names, safe_name
from sdcolab.core.files import create_new
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult, Trying
from sdcolab.core.tasks import Tools
from sdcolab.core.workshop import CombineLoras, Convert, Extract, Merge, TryMerge

if TYPE_CHECKING:
    from sdcolab.workshop.recipe import Step
    from sdcolab.workshop.work import Workshop


def convert(task: Convert, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Write a checkpoint anew."""
    workshop(tools.library, tools.folders, None, listener, cancel).convert(task)


def merge(task: Merge, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Merge checkpoints."""
    shop = workshop(tools.library, tools.folders, None, listener, cancel)
    steps, recipe = shop.steps(task)
    shop.merge(*steps, recipe=recipe)


def try_merge(task: TryMerge, tools: Tools, listener: Listener, cancel: CancelToken) -> GenerationResult:
    """Make pictures with a merge that is not written."""
    shop = workshop(tools.library, tools.folders, None, listener, cancel)
    return tried(shop, tools.engine, task.merge.trial.request(), *shop.steps(task.merge)[0])


def tried(shop: Workshop, engine: Trying, request: GenerationRequest, *steps: Step) -> GenerationResult:
    """The pictures of ``request`` with the merge of ``steps``. Nothing of it is in memory but what makes pictures, and
    the tensors that come to it one by one."""
    with shop.unwritten(*steps) as checkpoint:
        return engine.try_out(checkpoint, request, shop.listener, shop.cancel)


def extract(task: Extract, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Make a LoRA of what a model differs by."""
    workshop(tools.library, tools.folders, None, listener, cancel, ModelKind.LORA).extract(task)


def combine(task: CombineLoras, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Make a LoRA smaller, or one of several. Raises ``NameNotChosen``, ``UnknownFile`` and as ``combined``."""
    from sdcolab.training.loras import combined

    files = [(tools.library.find(ModelKind.LORA, name).path, weight) for name, weight in task.parts]
    if not files:
        raise NameNotChosen(kind=ModelKind.LORA, name="")
    listener(PhaseStarted(Phase.LOADING_MODEL, files[0][0].name))
    made = combined(files, task.rank, lambda warning: listener(Warned(warning)))
    cancel.raise_if_cancelled()
    stem = safe_name(task.file_stem([path.stem for path, _ in files]), fallback="lora")
    folder, data = tools.folders.models(ModelKind.LORA), made.encoded(stem, task.precision)
    path = create_new((folder / name for name in free_names(f"{stem}.safetensors")), lambda file: file.write(data))
    listener(FileMade(path))


def workshop(
    library: Library,
    folders: Folders,
    output: Path | None,
    listener: Listener,
    cancel: CancelToken,
    kind: ModelKind = ModelKind.CHECKPOINT,
) -> Workshop:
    """The workshop that writes in ``output``, or among the user's files of ``kind``."""
    from sdcolab.engine.hashes import HashCache
    from sdcolab.workshop.work import Workshop

    return Workshop(library, output or folders.models(kind), HashCache(folders.hashes), listener, cancel)
