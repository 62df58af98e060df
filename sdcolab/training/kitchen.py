"""What the training notebook's cells do, one method a cell: get ready, configure, cook, try. No torch, no Jupyter."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.curve import Curve, chart_svg
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    BaseMissing,
    BaseUnlicensed,
    Cancelled,
    HostError,
    NothingConfigured,
    SdcolabError,
)
from sdcolab.core.files import atomic_write, make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.library import MODEL_SUFFIXES
from sdcolab.core.training import TrainLora
from sdcolab.core.words import explain
from sdcolab.core.words import kitchen as words
from sdcolab.training import quick
from sdcolab.training.bases import BASES, INSTEAD_OF_LEAKED, Base, is_leaked
from sdcolab.training.chart import learnt
from sdcolab.training.check import base_of
from sdcolab.training.cooking import cook, copy_loras
from sdcolab.training.events import SampleMade, StepTrained, TrainingEvent
from sdcolab.training.families import TRAINABLE
from sdcolab.training.needs import needs
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.preview import Preview, as_html, lines, preview
from sdcolab.training.progress import progress_text
from sdcolab.training.recipe_form import Places, asked_by, check_name, plan_of, write_beside
from sdcolab.training.toml_writing import write_plan
from sdcolab.training.watch import TrainingProcess

CHOSEN = "entrenamiento.json"
"""In the program's settings: which plan the next cell cooks."""
EVERY_STEPS = 5
"""Steps between two updates of the chart; a notebook chokes on many."""


class Host(Protocol):
    """The machine that runs the notebook."""

    @property
    def is_colab(self) -> bool: ...

    @property
    def content(self) -> Path: ...

    def mount_drive(self) -> Path: ...

    def gpu(self) -> str | None: ...


class Canvas(Protocol):
    """A place in the cell whose content changes."""

    def show(self, html: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Kitchen:
    """``download`` brings links and tells where each file went; ``start`` makes the process that trains a plan;
    ``try_out`` draws the sheet of a plan's epochs with a prompt, weights and so many pictures, and gives its lines,
    the sheet's path last."""

    host: Host
    folders: Folders
    say: Callable[[str], object]
    show_html: Callable[[str], object]
    canvas: Callable[[], Canvas]
    base_link: Callable[[str], str]
    download: Callable[[str], Iterable[tuple[str, Path | None]]]
    demo: Path
    start: Callable[[Path], TrainingProcess]
    try_out: Callable[[Path, str, str, int], Sequence[str]]
    install: Callable[[], object]
    has_package: Callable[[str], bool]

    # --- 📂 and 💿 ---

    def mount(self) -> None:
        """📂 Connect Drive and make the guide's folders."""
        try:
            home = self.host.mount_drive()
        except HostError as error:
            self.say(f"⚠️ {explain(error)}")
            return
        for name in ("datasets", "output"):
            make_folder(home / "lora_training" / name)
        self.say(words.DRIVE_CONNECTED.format(drive=home.name))

    def get_ready(self) -> None:
        """💿 Install what Colab's image lacks, and tell what this machine can do."""
        try:
            self.install()
        except HostError as error:
            self.say(f"⚠️ {explain(error)}")
        card = self.host.gpu()
        if card:
            self.say(words.CARD.format(card=card))
        else:
            self.say(words.NO_CARD)
        self.say(words.INSTALLED)

    # --- 📄 ---

    def configure(
        self, fields: Mapping[str, Any], structure: str, base_name: str, *, own_link: str = "", own_pictures: str = ""
    ) -> Preview | None:
        """📄 Check everything, bring the base model, show what is going to be trained, and write the plan down."""
        try:
            return self._configure(asked_by(fields), structure, BASES.find(base_name), own_link, own_pictures)
        except SdcolabError as error:
            self.say(f"💥 {explain(error)}")
            return None

    def _configure(
        self, task: TrainLora, structure: str, base: Base, own_link: str, own_pictures: str
    ) -> Preview | None:
        if is_leaked(own_link):
            raise BaseUnlicensed(name=own_link.strip(), instead=INSTEAD_OF_LEAKED)
        self.say(words.LOOKING)
        places = Places.of(self.home(), check_name(task.project), structure)
        if own_pictures.strip():
            places = replace(places, pictures=Path(own_pictures.strip()).expanduser())
        plan = self._plan(task, base, places, Path("modelo") if base.entry or own_link.strip() else self.demo)
        write_beside(plan, task, places)
        seen = preview(plan)  # before anything is downloaded
        self._tell(seen)
        if base.entry and not own_link.strip():  # the demo fits anywhere; what a link leads to shows when it is here
            family = ModelFamily.SDXL if base.sdxl else ModelFamily.SD1
            for line in needs(plan, base.name, TRAINABLE[family].full, family, self.host.gpu()):
                self.say(line)
        if seen.faults:
            return None
        model = self.bring_base(base, own_link)
        told = base_of(model)
        plan = self._plan(task, told if told and own_link.strip() else base, places, model)
        self._choose(plan, task, places)
        self.say(words.READY)
        return seen

    def _plan(self, task: TrainLora, base: Base, places: Places, model: Path) -> TrainingPlan:
        gpu = self.host.gpu() is not None
        return plan_of(task, base, model, places, gpu=gpu, has=self.has_package)

    def _tell(self, seen: Preview) -> None:
        for line in lines(seen, gpu=self.host.gpu() is not None):
            self.say(line)
        self.show_html(as_html(seen))

    def _choose(self, plan: TrainingPlan, task: TrainLora, places: Places) -> None:
        path = places.config / f"{task.project.strip()}.toml"
        write_plan(path, plan)
        with atomic_write(self.folders.config / CHOSEN) as file:
            file.write(json.dumps({"plan": str(path)}).encode())
        self.say(words.WRITTEN.format(path=path))

    def bring_base(self, base: Base, own_link: str = "") -> Path:
        """The base model's file: the demo, a file that is there, or one that is downloaded. Raises ``BaseMissing``."""
        own = own_link.strip()
        if own and Path(own).expanduser().is_file():
            return Path(own).expanduser()
        if not own and not base.entry:
            return self.demo
        link = own or self.base_link(base.entry)
        found = already_here(self.folders, link)
        if found:
            self.say(words.BASE_HERE.format(name=found.name))
            return found
        self.say(words.BRINGING_BASE)
        for line, path in self.download(link):
            self.say(line)
            if path is not None and path.suffix in MODEL_SUFFIXES:
                return path
        raise BaseMissing(name=own or base.name)

    def home(self) -> Path:
        """The user's Drive where it is connected, else the program's own folder."""
        drive = self.host.content / "drive" / "MyDrive"
        return drive if self.host.is_colab and drive.is_dir() else self.folders.root

    # --- 🔥 ---

    def cook(self) -> Path | None:
        """🔥 Train what was configured, going on where an earlier session stopped. ⏹️ saves and stops."""
        try:
            return self._cook(chosen_plan(self.folders))
        except Cancelled:
            self.say(words.STOPPED_AND_SAVED)
        except SdcolabError as error:
            self.say(f"❌ {explain(error)}")
        return None

    def _cook(self, path: Path) -> Path:
        plan = plan_from_file(path)
        if not Path(plan.pretrained_model_name_or_path or "").is_file():
            raise NothingConfigured()  # another machine: the base has to be brought again
        made = self._cook_plan(plan, path)
        if copy_loras(made, self.folders.models(ModelKind.LORA)):
            self.say(words.COPIED)
        return made

    def _cook_plan(self, plan: TrainingPlan, path: Path) -> Path:
        teller = CookTeller(self.say, self.show_html, self.canvas())

        def again(error: SdcolabError) -> None:
            self.say(f"⚠️ {explain(error)}")
            self.say(words.AGAIN)

        try:
            made = cook(plan, path, lambda running: run_interruptible(self.start(running), teller), again)
        finally:
            teller.finish()
        self.say(words.MADE.format(path=made))
        return made

    # --- 🔍 ---

    def judge(self, prompt: str, weights: str, count: int) -> None:
        """🔍 Draw the sheet of the last training's epochs and tell which look raw or overcooked."""
        try:
            *told, sheet = self.try_out(chosen_plan(self.folders), prompt, weights, count)
            for line in told:
                self.say(line)
            self.show_html(picture_html(Path(sheet), words.SHEET_ALT, "max-width:100%"))
            self.say(words.SHEET.format(path=sheet))
        except SdcolabError as error:
            self.say(f"❌ {explain(error)}")

    # --- 🍳 ---

    def quick_test(self, steps: int = quick.STEPS) -> Path | None:
        """🍳 Learn a little character on the demo model, with pictures made here: everything works, in minutes."""
        home = self.folders.temporary / "prueba_rapida"
        shutil.rmtree(home, ignore_errors=True)
        try:
            quick.draw_pictures(home / "datasets" / f"1_{quick.WORD}")
            plan = quick.quick_plan(self.demo, home, steps)
            path = home / "prueba.toml"
            write_plan(path, plan)
            self.say(words.QUICK_TEST.format(count=quick.COUNT, word=quick.WORD, steps=plan.max_train_steps))
            for line in lines(replace(preview(plan), warnings=()), gpu=self.host.gpu() is not None):
                self.say(line)
            return self._cook_plan(plan, path)
        except Cancelled:
            self.say(words.STOPPED)
        except SdcolabError as error:
            self.say(f"❌ {explain(error)}")
        return None


def already_here(folders: Folders, link: str) -> Path | None:
    """The checkpoint that ``link`` would bring, where it has been downloaded."""
    name = link.partition(" > ")[2] or link.partition("?")[0].rpartition("/")[2]
    path = folders.models(ModelKind.CHECKPOINT) / name.strip()
    return path if name and path.suffix in MODEL_SUFFIXES and path.is_file() else None


def chosen_plan(folders: Folders) -> Path:
    """The plan that was configured last. Raises ``NothingConfigured``."""
    try:
        path = Path(json.loads((folders.config / CHOSEN).read_text(encoding="utf-8"))["plan"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise NothingConfigured() from None
    if not path.is_file():
        raise NothingConfigured()
    return path


def picture_html(path: Path, alt: str, style: str) -> str:
    """A PNG for a cell. Raises ``OSError``."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'


class CookTeller:
    """Tells a training in a cell: lines for what matters, and one chart for the steps."""

    def __init__(
        self,
        say: Callable[[str], object],
        show_html: Callable[[str], object],
        canvas: Canvas,
    ) -> None:
        self._say = say
        self._show_html = show_html
        self._canvas = canvas
        self._curve = Curve()
        self._last: StepTrained | None = None
        self._stage = ""

    def __call__(self, event: TrainingEvent) -> None:
        """Show ``event``."""
        self._curve = learnt(self._curve, event)
        if isinstance(event, StepTrained):
            self._last = event
            if event.step % EVERY_STEPS == 0 or event.step == event.total:
                self._draw(event)
            return
        text = progress_text(event)
        kind = type(event).__name__
        if kind == "StageBegan":
            self._canvas.show(f"<p>{text}</p>")
        elif kind != "StateSaved" and text and text != self._stage:
            self._stage = text
            self._say(text)
        if isinstance(event, SampleMade):
            with contextlib.suppress(OSError):
                self._show_html(picture_html(event.path, event.prompt, "max-width:256px"))

    def _draw(self, event: StepTrained) -> None:
        text = progress_text(event)
        share = 100 * event.step / max(1, event.total)
        bar = (
            f'<div role="progressbar" aria-valuenow="{share:.0f}" style="background:#8883;border-radius:6px">'
            f'<div style="width:{share:.1f}%;background:#2563eb;height:10px;border-radius:6px"></div></div>'
        )
        self._canvas.show(f"<p>{text}</p>{bar}{chart_svg(self._curve)}")

    def finish(self) -> None:
        """Leave the last step in sight."""
        if self._last is not None:
            self._draw(self._last)


def run_interruptible(process: TrainingProcess, hear: Callable[[TrainingEvent], None]) -> Path:
    """Run ``process`` in a thread; the cell's ⏹️ asks it to save and stop. Raises what it raises."""
    outcome: list[Any] = []
    ended = threading.Event()  # an interrupted Thread.join takes the thread for dead (python/cpython#90882)

    def work() -> None:
        try:
            outcome.append(process.run(hear))
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            outcome.append(error)
        ended.set()

    threading.Thread(target=work, name="sdcolab-entrenar", daemon=True).start()
    while not ended.is_set():
        try:
            ended.wait(0.2)
        except KeyboardInterrupt:
            process.stop()
    (result,) = outcome
    if isinstance(result, BaseException):
        raise result
    return Path(result)
