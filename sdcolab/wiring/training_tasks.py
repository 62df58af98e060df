"""The work of the training tabs: a LoRA in a process of its own, and a project's pictures made ready."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from sdcolab.colab.progress import describe as received
from sdcolab.core.describing import Describe, prompt_of
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    Cancelled,
    DatasetMissing,
    NothingTrained,
    ProjectNotChosen,
    SdcolabError,
    TrainingKept,
    UnknownName,
)
from sdcolab.core.events import (
    BytesReceived,
    CancelToken,
    Event,
    FileMade,
    ImageSaved,
    Listener,
    Note,
    PauseChanged,
    Phase,
    PhaseStarted,
    StepDone,
    StepLearnt,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.infotext.containers import read_image
from sdcolab.core.library import Library
from sdcolab.core.outputs import ImageStore, ImageStores
from sdcolab.core.registry import closest
from sdcolab.core.tasks import Origin, Tools
from sdcolab.core.thumbnails import ThumbnailFolder
from sdcolab.core.training import (
    PLAN_ENDING,
    PictureWork,
    PreparePictures,
    TrainLora,
    TryLora,
    trained_projects,
    training_home,
    training_projects,
    weights_of,
)
from sdcolab.core.upscaling import Tell
from sdcolab.core.words import PHASE_LABELS, explain
from sdcolab.core.words import training_progress as words
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.studio.jobs import JobQueue
from sdcolab.training.events import (
    LearntBefore,
    LoraSaved,
    Paused,
    SampleMade,
    StageBegan,
    StepTrained,
    Told,
    TrainingBegan,
    TrainingEvent,
)
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.progress import progress_text
from sdcolab.training.tag_room import TagRoom, Work, WorkState

ORDER_SECONDS = 0.5
"""How often a training looks whether it is to wait or to stop."""


def train_lora(task: TrainLora, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Train, with the card to itself. Stopping saves what is trained; the same task then goes on where it was."""
    from sdcolab.colab.host import nvidia_gpu
    from sdcolab.training.cooking import cook, copy_loras, saved_state, step_of
    from sdcolab.training.needs import TIP, needs_of_file
    from sdcolab.training.preview import lines, preview
    from sdcolab.training.toml_writing import write_plan

    plan, path = _plan(task, tools)
    seen, card = preview(plan), nvidia_gpu()
    for line in lines(seen, gpu=card is not None):
        listener(Note(line))
    if seen.faults:
        raise seen.faults[0]
    write_plan(path, plan)
    tools.engine.unload()  # what it held is free for the training
    needed = needs_of_file(plan, card)
    for line in needed:
        listener(Note(line))
    told = frozenset([*(str(explain(one)) for one in seen.warnings), *(line.removeprefix(TIP) for line in needed)])
    listener(PhaseStarted(Phase.TRAINING))
    try:
        made = cook(
            plan,
            path,
            lambda running: _run(running, tools, listener, cancel, told),
            lambda error: listener(Warned(error)),
        )
    except Cancelled:
        if state := saved_state(plan):
            listener(Warned(TrainingKept(step=step_of(state))))
        raise
    copy_loras(made, tools.folders.models(ModelKind.LORA))
    listener(Note(words.LISTED.format(path=made)))


def _run(path: Path, tools: Tools, listener: Listener, cancel: CancelToken, told: frozenset[str]) -> Path:
    """One training process, which stops when ``cancel`` says so. It finds again what the preview ``told``: once is
    enough.
    """
    from sdcolab.wiring.trainer import training_process

    process = training_process(path, tools.environ, tools.folders.logs)
    ended = threading.Event()

    def watch() -> None:
        held = False
        while not ended.is_set():
            if cancel.wait(ORDER_SECONDS):
                process.stop()
                return
            if cancel.held != held:
                held = not held
                (process.pause if held else process.go_on)()

    threading.Thread(target=watch, name="sdcolab-parar", daemon=True).start()
    samples = _Samples(ImageStores.below(tools.folders).txt2img)
    try:
        return process.run(lambda event: _tell(event, listener, samples, told))
    finally:
        ended.set()


class _Samples:
    """Puts the pictures that a training makes among those that the faces show: its own folder is no place for them."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._count = 0

    def keep(self, sample: SampleMade) -> ImageSaved:
        """``sample`` as one of the pictures of its job. Raises ``SdcolabError``, ``OSError``."""
        with Image.open(sample.path) as picture:
            text = read_image(picture, sample.path.name)
            kept = ImageSaved(self._count, self._store.save(picture, text, sample.seed), sample.seed, text)
        self._count += 1
        return kept


def _tell(event: TrainingEvent, listener: Listener, samples: _Samples, told: frozenset[str]) -> None:
    """A training's event as the studio's."""
    match event:
        case StepTrained():
            listener(StepLearnt(event.step, event.total, event.loss, event.rate))
            listener(StepDone(event.step, event.total, 1, 1))
        case LearntBefore(losses, rates, total):
            for step, (loss, rate) in enumerate(zip(losses, rates, strict=True), 1):
                listener(StepLearnt(step, total, loss, rate))
        case SampleMade():
            with contextlib.suppress(SdcolabError, OSError):  # the picture is in its own folder all the same
                listener(samples.keep(event))
        case Paused(waiting):
            listener(PauseChanged(waiting))
        case LoraSaved(path):
            listener(FileMade(path))
        case Told(warning):
            if str(explain(warning)) not in told:
                listener(Warned(warning))
        case StageBegan():
            listener(PhaseStarted(Phase.TRAINING, progress_text(event)))
        case TrainingBegan():
            listener(PhaseStarted(Phase.TRAINING))
            listener(Note(progress_text(event)))
        case _:
            pass


def _plan(task: TrainLora, tools: Tools) -> tuple[TrainingPlan, Path]:
    """The plan of ``task`` and where it is written. Raises ``TrainingError``, ``UnknownFile``, ``ModelError``."""
    from importlib.util import find_spec

    from sdcolab.training.bases import Base
    from sdcolab.training.check import base_of
    from sdcolab.training.recipe_form import Places, check_name, plan_of, write_beside

    structure = _structure(tools.folders, task.project)
    name = check_name(task.project)
    places = Places.of(training_home(tools.folders), name, structure)
    path = places.config / f"{name}.toml"
    model = _base(task, tools.library, path)
    base = base_of(model) or Base(model.name, "")
    plan = plan_of(task, base, model, places, gpu=_has_card(), has=lambda name: find_spec(name) is not None)
    write_beside(plan, task, places)
    return plan, path


def _base(task: TrainLora, library: Library, path: Path) -> Path:
    """The model to train over: where none is named that of the training at ``path`` that was cut off, which only goes
    on with its own, else the first one. Raises ``UnknownFile``, ``NoModels``."""
    from sdcolab.training.cooking import saved_state
    from sdcolab.training.plan import plan_from_file

    if task.checkpoint:
        return library.find(ModelKind.CHECKPOINT, task.checkpoint).path
    with contextlib.suppress(SdcolabError):  # a plan that is not there, or is none
        before = plan_from_file(path)
        model = Path(before.pretrained_model_name_or_path or "")
        if saved_state(before) and model.is_file():
            return model
    return library.default_checkpoint().path


def _has_card() -> bool:
    from sdcolab.colab.host import nvidia_gpu

    return nvidia_gpu() is not None


def try_lora(task: TryLora, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Draw the sheet that compares the epochs, and tell which look raw or overcooked."""
    from sdcolab.training.plan import plan_from_file
    from sdcolab.training.recipe_form import Places, check_name
    from sdcolab.wiring.trainer import judged

    if not task.project.strip():
        raise NothingTrained()
    name = check_name(task.project)
    weights = weights_of(task.weights)
    places = Places.of(training_home(tools.folders), name, _structure(tools.folders, name))
    path = places.output / f"{name}{PLAN_ENDING}"
    if not path.is_file():
        raise NothingTrained()
    tools.engine.unload()
    listener(PhaseStarted(Phase.LOADING_MODEL))

    def drawn(done: int, total: int) -> None:
        cancel.raise_if_cancelled()
        if done == 1:
            listener(PhaseStarted(Phase.SAMPLING))
        listener(StepDone(done, total, 1, 1))

    def say(line: str) -> None:
        listener(Note(line))

    found, sheet = judged(plan_from_file(path), task.prompt, weights, task.count, say, drawn, task.steps)
    store = ImageStore(tools.folders.outputs / "txt2img-grids")
    text = "\n".join(found.lines())
    listener(ImageSaved(0, store.save(found.sheet, text, None), 0, text))
    listener(FileMade(sheet))


def prepare_pictures(task: PreparePictures, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Look at or tag the pictures of a project: a line of report for everything that was done."""
    from sdcolab.wiring.trainer import build_pantry

    structure = _structure(tools.folders, task.project)
    home = training_home(tools.folders)

    def done(count: int, total: int) -> None:
        cancel.raise_if_cancelled()
        if not count:
            listener(PhaseStarted(Phase.LOOKING))
        listener(StepDone(count, total, 1, 1))

    def say(line: str) -> None:
        listener(Note(line))

    pantry = build_pantry(tools.folders, home, say, tools.environ, done, coming(listener), cancel)
    listener(PhaseStarted(Phase.LOOKING))
    if task.work is PictureWork.TAG:
        pantry.tag(
            task.project,
            structure,
            task.tagger,
            task.threshold,
            characters=task.characters,
            undesired=task.undesired,
            only_bare=task.only_bare,
        )
    else:
        pantry.prepare(task.project, structure, "", 1, doubles=task.work is PictureWork.DOUBLES)


def describe(task: Describe, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Tell what is in pictures: a line of tags, or a sentence, for each."""
    with teller(task.tagger, task.threshold, tools, listener, cancel) as tell:
        listener(PhaseStarted(Phase.LOOKING))
        for number, picture in enumerate(task.pictures, 1):
            cancel.raise_if_cancelled()
            listener(StepDone(number, len(task.pictures), 1, 1))
            listener(Note(tell(picture)))


def coming(listener: Listener) -> Listener:
    """Tells ``listener`` of files that come as what the job does now."""

    def hear(event: Event) -> None:
        if isinstance(event, BytesReceived):
            listener(PhaseStarted(Phase.DOWNLOADING, f"{event.name}: {received(event)}"))

    return hear


@contextlib.contextmanager
def teller(name: str, threshold: float, tools: Tools, listener: Listener, cancel: CancelToken) -> Iterator[Tell]:
    """What the tagger or captioner called ``name`` sees in a picture, as a prompt. Raises ``UnknownName``, and what
    getting its files raises; asking a captioner raises ``CaptionerCrashed``."""
    from sdcolab.training.bases import CAPTIONERS, TAGGERS
    from sdcolab.training.tagger import Tagger, TaggerRules
    from sdcolab.wiring.trainer import captioner_at_work, tagger_folder

    if name not in TAGGERS and name not in CAPTIONERS:
        raise UnknownName(kind="tagger", name=name, suggestions=closest(name, (*TAGGERS, *CAPTIONERS)))
    repository = TAGGERS[name] if name in TAGGERS else CAPTIONERS[name].repository
    folder = tagger_folder(tools.folders, repository, tools.environ, coming(listener), cancel)
    listener(PhaseStarted(Phase.LOADING_MODEL, name))
    if name in TAGGERS:
        tagger = Tagger(folder)
        rules = TaggerRules(threshold=threshold, without_underscores=True)
        yield lambda picture: prompt_of(tagger.tag(picture, rules))
        return
    with captioner_at_work(folder, tools.environ) as say, tempfile.TemporaryDirectory() as place:
        path = Path(place) / "imagen.png"

        def tell(picture: Image.Image) -> str:
            picture.convert("RGB").save(path)
            return prompt_of([say(path).get("text", "")])

        yield tell


def tag_room(folders: Folders, count_tokens: Callable[[str], tuple[int, int]], jobs: JobQueue, face: Origin) -> TagRoom:
    """The tag editor, whose taggers work in the queue of ``jobs``, asked for by ``face``."""
    small = ThumbnailFolder(folders.temporary / "entrenar" / "miniaturas")

    def look(number: int) -> WorkState:
        job = jobs.get(number)
        if job is None:
            return WorkState(None, True, "")
        seen = job.snapshot
        coming_now = f"{PHASE_LABELS[seen.phase]}… {seen.detail}" if seen.phase is Phase.DOWNLOADING else ""
        ended = str(explain(seen.error)) if seen.error else seen.notes[-1] if seen.notes else ""
        return WorkState(seen.fraction if seen.total else None, seen.ended, ended if seen.ended else coming_now)

    return TagRoom(folders, small.of, count_tokens, Work(lambda task: jobs.submit(task, face).id, look))


def training_lists(folders: Folders) -> Mapping[str, Callable[[], tuple[str, ...]]]:
    """The live lists of the training forms."""
    from sdcolab.training.rates import SCHEDULES, WITH_ARGUMENTS

    return {
        "training_projects": lambda: training_projects(folders),
        "training_schedules": lambda: tuple(name for name in SCHEDULES if name not in WITH_ARGUMENTS),
        "training_optimizers": lambda: ("AdamW8bit", "AdamW", "Prodigy", "Lion", "AdaFactor"),
        "taggers": lambda: _taggers()[0],
        "captioners": lambda: sum(_taggers(), ()),
        "trained_projects": lambda: trained_projects(folders),
    }


def _taggers() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that write tags, and those that write sentences."""
    from sdcolab.training.bases import CAPTIONERS, TAGGERS

    return tuple(TAGGERS), tuple(CAPTIONERS)


def _structure(folders: Folders, project: str) -> str:
    """Which of the two ways of keeping projects this one follows. Raises ``ProjectNotChosen``, ``ProjectName``,
    ``DatasetMissing``.
    """
    from sdcolab.training.recipe_form import Places, check_name, structure_of

    if not project.strip():
        raise ProjectNotChosen()
    name, home = check_name(project), training_home(folders)
    structure = structure_of(home, name)
    if structure is None:
        raise DatasetMissing(folder=Places.of(home, name, BY_CATEGORY).pictures)
    return structure
