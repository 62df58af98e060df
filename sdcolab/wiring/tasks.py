"""The kinds of work: one row each. Runners import what they need when they run."""

from __future__ import annotations

from itertools import count

from sdcolab.core.describing import Describe
from sdcolab.core.detecting import Detect
from sdcolab.core.events import CancelToken, FileMade, ImageReady, ImageSaved, Listener, Note, Warned
from sdcolab.core.outputs import ImageStore
from sdcolab.core.remarks import said_of_prompts
from sdcolab.core.result import GenerationResult
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Download, Enlarge, Generate, Place, Preload, TaskRow, TaskTable, Tools, Unload
from sdcolab.core.timing import PartTimes
from sdcolab.core.training import PreparePictures, TrainLora, TryLora
from sdcolab.core.translating import FetchTranslator
from sdcolab.core.words.speed import times_line
from sdcolab.core.workshop import CombineLoras, Convert, Extract, Merge, TryMerge
from sdcolab.wiring.downloads import build_downloads, embedding_families
from sdcolab.wiring.enlarging import enlarge_pictures
from sdcolab.wiring.grids import run_grid
from sdcolab.wiring.training_tasks import describe, prepare_pictures, train_lora, try_lora
from sdcolab.wiring.translating import fetch_translator
from sdcolab.wiring.workshop import combine, convert, extract, merge, try_merge


def generate(task: Generate, tools: Tools, listener: Listener, cancel: CancelToken) -> GenerationResult:
    """Make pictures."""
    asked, about = task.request, (tools.library, embedding_families(), tools.library.facts)
    for remark in said_of_prompts(asked.prompt, asked.negative_prompt, asked.checkpoint, *about):
        listener(Warned(remark))
    timed = PartTimes(listener)
    result = tools.engine.generate(task.request, timed, cancel, save=task.save)
    if line := times_line(timed.ended()):
        listener(Note(line))
    return result


def detect(task: Detect, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Look at pictures with a preprocessor."""
    from sdcolab.engine.control.preparing import detected

    store = ImageStore(tools.folders.control_maps) if task.save else None
    places = count()
    for picture in task.pictures:
        cancel.raise_if_cancelled()
        for made, index in zip(detected(task, picture, tools.folders), places, strict=False):
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
        TaskRow(CombineLoras, Place.ENGINE, combine),
        TaskRow(TrainLora, Place.ENGINE, train_lora, resumes=True, pauses=True),
        TaskRow(TryLora, Place.ENGINE, try_lora),
        TaskRow(PreparePictures, Place.HERE, prepare_pictures),
        TaskRow(Describe, Place.HERE, describe),
        TaskRow(Download, Place.HERE, download, resumes=True, apart=True),
        TaskRow(FetchTranslator, Place.HERE, fetch_translator, resumes=True, apart=True),
        TaskRow(Preload, Place.ENGINE, preload, listed=False),
        TaskRow(Unload, Place.ENGINE, unload, listed=False),
    )
)
