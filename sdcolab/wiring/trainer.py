"""Training: what the ``entrenar`` command and the training notebook call."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CaptionerCrashed, SdcolabError, TrainingCrashed
from sdcolab.core.events import CancelToken, Listener, ignore_events
from sdcolab.core.files import create_new
from sdcolab.core.folders import Folders
from sdcolab.core.words import explain
from sdcolab.core.words import kitchen as words
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.training.bases import BASES, CAPTIONERS
from sdcolab.training.check import base_of
from sdcolab.training.control import Control
from sdcolab.training.events import LoraSaved, StateSaved, Told, TrainingBegan, TrainingEvent
from sdcolab.training.example import example_text
from sdcolab.training.kitchen import Kitchen
from sdcolab.training.needs import needs_of_file
from sdcolab.training.pantry import Pantry
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.preview import lines, preview
from sdcolab.training.progress import progress_text
from sdcolab.training.watch import TrainingProcess

if TYPE_CHECKING:
    from PIL import Image

    from sdcolab.core.library import Library
    from sdcolab.training.judging import Judgement, Make


def plan_here(path: Path, arguments: Sequence[str], library: Library) -> TrainingPlan:
    """The plan in ``path`` with sd-scripts' ``arguments``. Raises ``SdcolabError``: it cannot be read, or there is no
    such base."""
    return with_base(plan_from_file(path, arguments), library)


def with_base(plan: TrainingPlan, library: Library) -> TrainingPlan:
    """``plan`` with the path of its base model, which may be called by its name in the library. Raises ``UnknownFile``
    or, if it names none, ``NameNotChosen``."""
    name = plan.pretrained_model_name_or_path or ""
    if Path(name).is_file():
        return plan
    return replace(plan, pretrained_model_name_or_path=str(library.find(ModelKind.CHECKPOINT, name).path))


def write_example(path: Path) -> Path:
    """Write a plan to begin with to ``path``, or beside it where that name is taken; where it is. Raises
    ``StorageError``."""
    text = example_text().encode("utf-8")
    names = (path if not number else path.with_stem(f"{path.stem}-{number}") for number in range(1_000_000))
    return create_new(names, lambda file: file.write(text))


def train(plan: TrainingPlan, *, warn: Callable[[SdcolabError], object]) -> Path:
    """Train ``plan`` in this process, with a progress line where there is a terminal. Ctrl+C saves and stops.

    What an earlier training of the plan left unfinished is gone on with.

    Raises ``SdcolabError``; ``Cancelled`` when it was stopped.
    """
    from sdcolab.training.child import run_training
    from sdcolab.training.cooking import go_on

    control = Control()
    line = ProgressLine(sys.stderr)

    def hear(event: TrainingEvent) -> None:
        if isinstance(event, Told):
            line.close()
            warn(event.warning)
        elif isinstance(event, LoraSaved):
            line.close()
            print(f"💾 {event.path}", file=sys.stderr)
        elif isinstance(event, StateSaved) or (isinstance(event, TrainingBegan) and event.first):
            line.close()
            print(progress_text(event), file=sys.stderr)
        else:
            line.show(progress_text(event))

    with stopping(control.stop):
        try:
            return go_on(plan, lambda one: run_training(one, hear, control), warn)
        finally:
            line.close()


def serve(path: Path, arguments: Sequence[str]) -> int:
    """Be a training's process: events on stdout, orders on stdin."""
    from sdcolab.training.child import serve as serve_training

    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with the events

    def write(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    return serve_training(plan_from_file(path, arguments), sys.stdin, write)


def review(
    path: Path, arguments: Sequence[str], library: Library, explained: Callable[[SdcolabError], object]
) -> tuple[list[str], bool]:
    """What is going to be trained, and whether it can be."""
    from sdcolab.colab.host import nvidia_gpu

    plan = plan_from_file(path, arguments)
    wrong: tuple[SdcolabError, ...] = ()
    card, needed = nvidia_gpu(), list[str]()
    try:
        plan = with_base(plan, library)
        base_of(Path(plan.pretrained_model_name_or_path or ""))
        needed = needs_of_file(plan, card, explained)
    except SdcolabError as error:
        wrong = (error,)
    seen = preview(plan)
    seen = replace(seen, faults=(*seen.faults, *wrong))
    return [*needed, *lines(seen, gpu=card is not None, explained=explained)], not seen.faults


def training_process(plan: Path, environ: Mapping[str, str], logs: Path) -> TrainingProcess:
    """The process that trains ``plan``, bound to the life of this one; its diary is in the folder ``logs``."""
    from sdcolab.process.child import bound_command
    from sdcolab.process.environment import child_environ, own_command

    command = bound_command(own_command("entrenar", str(plan), "--eventos"), signal.SIGTERM)
    return TrainingProcess(command, child_environ(environ), plan, logs)


class ProgressLine:
    """One line of ``stream`` kept up to date; silent where that is no terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Write ``text`` over what is there."""
        if self._live and text:
            self._stream.write("\r" + text.ljust(self._width))
            self._stream.flush()
            self._width = len(text)

    def close(self) -> None:
        """Clear the line."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


@contextlib.contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """While it lasts, the first Ctrl+C calls ``stop`` and the second one interrupts."""

    def first(_signal: int, _frame: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def try_out(
    plan: TrainingPlan,
    prompt: str,
    weights: Sequence[float],
    count: int,
    say: Callable[[str], object],
) -> Path:
    """Draw a sheet of the epochs that ``plan`` made and say which look raw or overcooked; where the sheet is."""
    return judged(plan, prompt, weights, count, say)[1]


def judged(
    asked: TrainingPlan,
    prompt: str,
    weights: Sequence[float],
    count: int,
    say: Callable[[str], object],
    drawn: Callable[[int, int], object] = lambda _done, _total: None,
    steps: int = 20,
) -> tuple[Judgement, Path]:
    """The sheet of the epochs of the plan ``asked``, and where it lies beside them. Without ``prompt``, captions that
    the training has not seen are drawn. ``drawn`` hears of every picture.
    """
    from sdcolab.core.files import atomic_write
    from sdcolab.training.dataset import read_dataset
    from sdcolab.training.dataset_config import dataset_plans
    from sdcolab.training.held_out import held_out
    from sdcolab.training.judging import judge, lora_files
    from sdcolab.training.own_files import own_files
    from sdcolab.training.pictures import cut, open_training_picture

    folder, name = Path(asked.output_dir or "."), asked.output_name or "last"
    own = own_files(folder, name)
    files = lora_files(own.files)
    if own.others:
        say(words.LEFT_OUT.format(count=len(own.others), names=", ".join(path.name for path in own.others)))
    pictures = [picture for one in dataset_plans(asked) for picture in read_dataset(one).pictures]
    kept = [cut(open_training_picture(picture.path), picture.fit) for picture in pictures[:MAX_COMPARED]]
    captions = [picture.caption for picture in pictures]
    unseen = held_out(captions, count, keep=asked.keep_tokens, separator=asked.caption_separator)
    prompts = (prompt,) if prompt.strip() else unseen
    say(words.JUDGING.format(files=len(files), count=count, prompts=", ".join(f"«{text}»" for text in prompts)))
    total, draw = count * (1 + len(files) * len(weights)), _drawer(asked, files, steps)
    done = iter(range(1, total + 1))

    def make(text: str, seed: int, file: Path | None, weight: float) -> Image.Image:
        picture = draw(text, seed, file, weight)
        drawn(next(done), total)
        return picture

    found = judge(make, files, kept, prompts, weights=weights, seeds=range(1, count + 1))
    sheet = folder / f"{name}-comparacion.png"
    with atomic_write(sheet) as file:
        found.sheet.save(file, "PNG")
    for line in found.lines():
        say(line)
    return found, sheet


MAX_COMPARED = 60
"""Training pictures that samples are compared with."""


def _drawer(plan: TrainingPlan, files: Sequence[Path], steps: int) -> Make:
    """Draws a prompt with a LoRA file or without, by our own engine."""
    from sdcolab.core.library import Library, ModelFile
    from sdcolab.core.request import GenerationRequest
    from sdcolab.engine.lean import import_lean

    import_lean("sdcolab.engine.engine")
    from sdcolab.engine.engine import Engine

    base = Path(plan.pretrained_model_name_or_path or "")
    chosen = (
        ModelFile(ModelKind.CHECKPOINT, base.name, base),
        *(ModelFile(ModelKind.LORA, file.name, file) for file in files),
    )
    engine = Engine(Library(Folders(base.parent), first=chosen), None)
    width, height = plan.size()

    def draw(prompt: str, seed: int, file: Path | None, weight: float) -> Image.Image:
        text = prompt if file is None else f"{prompt} <lora:{file.stem}:{weight:g}>"
        request = GenerationRequest(
            prompt=text,
            seed=seed,
            steps=steps,
            width=width,
            height=height,
            clip_skip=plan.clip_skip or 1,
            checkpoint=base.name,
        )
        return engine.generate(request, save=False).images[0].image

    return draw


# --- The notebook -----------------------------------------------------------------------------------------------------


def build_kitchen() -> Kitchen:
    """What the training notebook's cells work with."""
    from importlib.util import find_spec

    from sdcolab.colab.host import detect_host, host_folders
    from sdcolab.colab.notebook import form_tokens
    from sdcolab.colab.prepare import install_extras, show_html
    from sdcolab.colab.progress import CellProgress, cell_bars
    from sdcolab.downloads.catalog import load_catalog
    from sdcolab.downloads.queue import report_line
    from sdcolab.wiring.demo import demo_model
    from sdcolab.wiring.downloads import build_downloads

    host = detect_host()
    folders = host_folders(host)
    environ = dict(os.environ)

    def download(links: str) -> Iterator[tuple[str, Path | None]]:
        coming = CellProgress(cell_bars(print))
        for report in build_downloads(folders, {**environ, **form_tokens()}).run(links, coming):
            yield report_line(report), report.path if report.ok else None

    return Kitchen(
        host=host,
        folders=folders,
        say=print,
        show_html=show_html,
        canvas=CellCanvas,
        base_link=lambda name: load_catalog().find(name).link,
        download=download,
        demo=demo_model().path,
        start=lambda plan: training_process(plan, environ, folders.logs),
        try_out=lambda plan, prompt, weights, count: _try_out_apart(plan, prompt, weights, count, environ),
        install=lambda: install_extras("entrenar"),
        has_package=lambda name: find_spec(name) is not None,
    )


@contextlib.contextmanager
def cell_pantry() -> Iterator[Pantry]:
    """What the cells about pictures work with; errors are said in the cell."""
    from sdcolab.colab.progress import CellProgress, cell_bars

    kitchen = build_kitchen()
    try:
        coming = CellProgress(cell_bars(print))
        yield build_pantry(kitchen.folders, kitchen.home(), print, os.environ, listener=coming)
    except SdcolabError as error:
        print(f"💥 {explain(error)}")


def build_pantry(
    folders: Folders,
    home: Path,
    say: Callable[[str], object],
    environ: Mapping[str, str],
    done: Callable[[int, int], object] = lambda _count, _total: None,
    listener: Listener = ignore_events,
    cancel: CancelToken | None = None,
) -> Pantry:
    """What gets the pictures of projects below ``home`` ready, telling ``say``, ``done`` of every picture, and
    ``listener`` of the files that come."""
    return Pantry(
        home,
        say,
        lambda repository: tagger_folder(folders, repository, environ, listener, cancel),
        lambda model, pictures: sentences_of(model, pictures, environ),
        done,
    )


def tagger_folder(
    folders: Folders,
    repository: str,
    environ: Mapping[str, str],
    listener: Listener = ignore_events,
    cancel: CancelToken | None = None,
) -> Path:
    """The folder of a tagger or captioner; what is missing of it is downloaded first. Raises ``DownloadError``,
    ``Cancelled``: what has arrived is gone on with the next time."""
    from sdcolab.training import tagger
    from sdcolab.wiring.downloads import build_downloads

    folder = folders.root / "models" / "taggers" / repository.rpartition("/")[2]
    tagging = (tagger.MODEL_FILE, tagger.TAGS_FILE)
    wanted = next((one.files for one in CAPTIONERS.values() if one.repository == repository), tagging)
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        links = [f"https://huggingface.co/{repository}/resolve/main/{name}" for name in missing]
        build_downloads(folders, environ).fetch(links, folder, listener, cancel)
    return folder


def sentences_of(model: Path, pictures: Sequence[Path], environ: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """What the captioner in a folder says of each picture, from a process of its own, whose memory goes back when it
    ends. Raises ``CaptionerCrashed``.
    """
    with captioner_at_work(model, environ) as say:
        yield from map(say, pictures)


@contextlib.contextmanager
def captioner_at_work(model: Path, environ: Mapping[str, str]) -> Iterator[Callable[[Path], Mapping[str, str]]]:
    """What the captioner in a folder says of the picture in a file: its ``text``, or the ``error``. It works in a
    process of its own, as long as the block lasts. Asking raises ``CaptionerCrashed``.
    """
    from sdcolab.process.environment import child_environ

    command = [sys.executable, "-m", "sdcolab.training.captioner", str(model)]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            env=child_environ(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
            errors="surrogateescape",
        ) as running,
    ):
        pipe, answers = running.stdin, running.stdout
        assert pipe is not None
        assert answers is not None

        def say(path: Path) -> Mapping[str, str]:
            with contextlib.suppress(OSError):  # then it has nothing to say either
                pipe.write(f"{path}\n")
                pipe.flush()
            if line := answers.readline():
                told: Mapping[str, str] = json.loads(line)
                return told
            number = running.wait()
            log.seek(0)
            last = log.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise CaptionerCrashed(number=number, detail=last)

        try:
            yield say
        finally:
            running.terminate()  # it must not go on alone
            with contextlib.suppress(OSError):  # what it never read
                pipe.close()


def _try_out_apart(plan: Path, prompt: str, weights: str, count: int, environ: Mapping[str, str]) -> list[str]:
    """``try_out`` in a process of its own, whose memory goes back when it ends: its lines."""
    from sdcolab.process.environment import child_environ, own_command

    command = own_command("entrenar", str(plan), "--probar", prompt, "--pesos", weights, "--imagenes", str(count))
    done = subprocess.run(command, env=child_environ(environ), capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise TrainingCrashed(number=done.returncode, detail=done.stderr.strip().rpartition("\n")[2])
    return done.stdout.splitlines()


class CellCanvas:
    """A place in the notebook's cell whose content changes; nothing where there is no notebook."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str) -> None:
        """Put ``html`` in the place of what was there."""
        try:
            import IPython
        except ImportError:
            return
        shown: Any = IPython.display
        if not hasattr(IPython.get_ipython(), "kernel"):
            return
        if self._handle is None:
            self._handle = shown.display(shown.HTML(html), display_id=True)
        else:
            self._handle.update(shown.HTML(html))


def montar_drive() -> None:
    """📂: connect Google Drive and make the guide's folders in it."""
    build_kitchen().mount()


def instalar_entrenador() -> None:
    """💿: install what training needs and this machine lacks."""
    build_kitchen().get_ready()


def configurar_lora(
    *,
    modelo_base: str = BASES["AnyLoRA (anime)"].name,
    enlace_a_modelo_propio: str = "",
    estructura_de_carpetas: str = BY_CATEGORY,
    carpeta_de_imagenes: str = "",
    **campos: Any,
) -> None:
    """📄: check the pictures and options, bring the base model, and show what is going to be trained."""
    build_kitchen().configure(
        campos,
        estructura_de_carpetas,
        modelo_base,
        own_link=enlace_a_modelo_propio,
        own_pictures=carpeta_de_imagenes,
    )


def cocinar_lora() -> None:
    """🔥: train what was configured."""
    build_kitchen().cook()


def prueba_rapida_lora() -> None:
    """🍳: learn a little character on the demo model, to see that everything works."""
    build_kitchen().quick_test()


def preparar_imagenes(
    *,
    nombre_proyecto: str,
    estructura_de_carpetas: str = BY_CATEGORY,
    archivo_zip: str = "",
    repeticiones: int = 10,
    buscar_duplicadas: bool = True,
) -> None:
    """🖼️: unpack a zip, set doubles aside, tell what there is."""
    with cell_pantry() as pantry:
        pantry.prepare(nombre_proyecto, estructura_de_carpetas, archivo_zip, repeticiones, doubles=buscar_duplicadas)


def etiquetar_imagenes(
    *,
    nombre_proyecto: str,
    estructura_de_carpetas: str = BY_CATEGORY,
    tagger: str = "wd-vit-tagger-v3",
    umbral: float = 0.25,
    nombres_de_personajes: bool = False,
    tags_no_permitidas: str = "",
) -> None:
    """🏷️: a caption for each picture."""
    with cell_pantry() as pantry:
        pantry.tag(
            nombre_proyecto,
            estructura_de_carpetas,
            tagger,
            umbral,
            characters=nombres_de_personajes,
            undesired=tags_no_permitidas,
        )


def editar_etiquetas(
    *,
    nombre_proyecto: str,
    estructura_de_carpetas: str = BY_CATEGORY,
    palabra_de_activacion: str = "",
    quitar_tags: str = "",
    buscar_tags: str = "",
    reemplazar_con: str = "",
    deshacer: bool = False,
) -> None:
    """✏️: change every caption at once, or go back."""
    with cell_pantry() as pantry:
        pantry.edit(
            nombre_proyecto,
            estructura_de_carpetas,
            activation=palabra_de_activacion,
            remove=quitar_tags,
            search=buscar_tags,
            replacement=reemplazar_con,
            undo=deshacer,
        )


def probar_lora(*, prompt: str = "", pesos: str = "1", imagenes_por_epoch: int = 2) -> None:
    """🔍: a sheet of the epochs, and which look raw or overcooked."""
    build_kitchen().judge(prompt, pesos, imagenes_por_epoch)
