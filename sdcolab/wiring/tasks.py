"""The kinds of work: one row each. Runners import what they need when they run."""

from __future__ import annotations

from collections.abc import Iterator

from sdcolab.core.describing import Describe
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.detect import detect as recognise
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import (
    EmbeddingMissing,
    EmbeddingOtherFamily,
    OptionsInPrompt,
    RequestError,
    SdcolabError,
    SymbolWithoutScript,
)
from sdcolab.core.events import CancelToken, FileMade, ImageReady, ImageSaved, Listener, Note, Warned
from sdcolab.core.infotext.flags import MIDJOURNEY, midjourney_options
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore
from sdcolab.core.prompt.marks import idle_marks, words_in
from sdcolab.core.result import GenerationResult
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Download, Enlarge, Generate, Place, Preload, TaskRow, TaskTable, Tools, Unload
from sdcolab.core.tensors import read_header
from sdcolab.core.timing import PartTimes
from sdcolab.core.training import PreparePictures, TrainLora, TryLora
from sdcolab.core.translating import FetchTranslator
from sdcolab.core.words.speed import times_line
from sdcolab.core.workshop import Convert, Extract, Merge, TryMerge
from sdcolab.wiring.downloads import build_downloads, embedding_families
from sdcolab.wiring.enlarging import enlarge_pictures
from sdcolab.wiring.grids import run_grid
from sdcolab.wiring.training_tasks import describe, prepare_pictures, train_lora, try_lora
from sdcolab.wiring.translating import fetch_translator
from sdcolab.wiring.workshop import convert, extract, merge, try_merge


def generate(task: Generate, tools: Tools, listener: Listener, cancel: CancelToken) -> GenerationResult:
    """Make pictures."""
    for mark, script in idle_marks(task.request.prompt):
        listener(Warned(SymbolWithoutScript(mark=mark, script=script)))
    if options := midjourney_options(task.request.prompt):
        listener(Warned(OptionsInPrompt(options=" ".join(options), program=MIDJOURNEY)))
    for doubt in _embedding_doubts(task, tools.library):
        listener(Warned(doubt))
    timed = PartTimes(listener)
    result = tools.engine.generate(task.request, timed, cancel, save=task.save)
    if line := times_line(timed.ended()):
        listener(Note(line))
    return result


def _embedding_doubts(task: Generate, library: Library) -> Iterator[RequestError]:
    """What to say of the embeddings of the catalogue that the prompts name and no folder has. Of other names nobody can
    say whether they are meant as one."""
    families = embedding_families()
    here = library.files(ModelKind.EMBEDDING)
    named = words_in(families, task.request.prompt, task.request.negative_prompt)
    absent = [name for name in named if not any(file.is_called(name) for file in here)]
    model = _family_of(task.request.checkpoint, library) if absent else ModelFamily.UNKNOWN
    for name in absent:
        if ModelFamily.UNKNOWN in (model, families[name]) or model is families[name]:
            yield EmbeddingMissing(kind=ModelKind.EMBEDDING, name=name)
        else:
            yield EmbeddingOtherFamily(name=name, family=families[name].value, model_family=model.value)


def _family_of(checkpoint: str, library: Library) -> ModelFamily:
    """The family of a checkpoint, as far as it is told without opening a pickle."""
    try:
        file = library.find(ModelKind.CHECKPOINT, checkpoint) if checkpoint else library.default_checkpoint()
        return recognise(read_header(file.path)).family if file.path.suffix == ".safetensors" else ModelFamily.UNKNOWN
    except SdcolabError:
        return ModelFamily.UNKNOWN  # the engine tells what is wrong with it


def detect(task: Detect, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Look at pictures with a preprocessor."""
    from sdcolab.engine.control.preparing import detected

    store = ImageStore(tools.folders.control_maps) if task.save else None
    for index, picture in enumerate(task.pictures):
        cancel.raise_if_cancelled()
        made = detected(task, picture, tools.folders)
        if store is None:
            listener(ImageReady(index, made, 0, ""))
        else:
            listener(ImageSaved(index, store.save(made, "", None), 0, ""))


def download(task: Download, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Download links: a line of report each, and each file that is there afterwards."""
    from sdcolab.downloads.queue import report_line

    for report in build_downloads(tools.folders, tools.environ).run(task.links, listener, cancel):
        listener(Note(report_line(report)))
        if report.ok and report.path:
            listener(FileMade(report.path))


def preload(task: Preload, tools: Tools, _listener: Listener, _cancel: CancelToken) -> None:
    """Load a model in advance."""
    tools.engine.preload(task.checkpoint)


def unload(_task: Unload, tools: Tools, _listener: Listener, _cancel: CancelToken) -> None:
    """Let go of the models."""
    tools.engine.unload()


TASKS = TaskTable(
    (
        TaskRow(Generate, Place.ENGINE, generate),
        TaskRow(Enlarge, Place.ENGINE, enlarge_pictures),
        TaskRow(Detect, Place.ENGINE, detect),
        TaskRow(Grid, Place.ENGINE, run_grid, resumes=True),
        TaskRow(Merge, Place.ENGINE, merge),
        TaskRow(TryMerge, Place.ENGINE, try_merge),
        TaskRow(Convert, Place.ENGINE, convert),
        TaskRow(Extract, Place.ENGINE, extract),
        TaskRow(TrainLora, Place.ENGINE, train_lora, resumes=True, pauses=True),
        TaskRow(TryLora, Place.ENGINE, try_lora),
        TaskRow(PreparePictures, Place.HERE, prepare_pictures),
        TaskRow(Describe, Place.HERE, describe),
        TaskRow(Download, Place.HERE, download, resumes=True),
        TaskRow(FetchTranslator, Place.HERE, fetch_translator, resumes=True),
        TaskRow(Preload, Place.ENGINE, preload, listed=False),
        TaskRow(Unload, Place.ENGINE, unload, listed=False),
    )
)
