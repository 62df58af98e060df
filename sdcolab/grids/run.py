"""Scripts at work: asks an engine for one picture after another, keeps them on disk, draws sheets, tells how far it is.

Pictures of cells go to disk at once; what stays in memory is a small sheet for the live preview.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from sdcolab.core.errors import Cancelled, CellFailed, CellsFailed, JobLost, LoraMissing, PlanUnreadable, SdcolabError
from sdcolab.core.events import (
    CancelToken,
    CellMade,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    Listener,
    MapMade,
    Phase,
    PhaseStarted,
    Portion,
    SheetDrawn,
    StepDone,
    Warned,
)
from sdcolab.core.files import atomic_write
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.outputs import ImageStore, ImageStores, fits, save_options
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.request import MAX_RANDOM_SEED, GenerationRequest
from sdcolab.core.result import GeneratedImage, Generator
from sdcolab.core.scripts import AFTER_SHEETS, JOB_UNITS, PLAN_SUFFIX, Grid, XyzPlot
from sdcolab.core.upscaling import Upscaling
from sdcolab.core.words import explain
from sdcolab.grids import planfile
from sdcolab.grids.dialogue import Ask, Box, Dialogue, Enlarge, Keep, Made, Make, Show, Total
from sdcolab.grids.dynamic.nodes import Wildcards
from sdcolab.grids.html import write_page
from sdcolab.grids.names import Names
from sdcolab.grids.pictures import relabelled
from sdcolab.grids.plan import Legends, Plan, SheetPlan
from sdcolab.grids.planfile import MAX_TRIES, Done, PlanFile, Progress
from sdcolab.grids.scripts import Prepared, drawing_from, prepare
from sdcolab.grids.sheet import Layout, Size, corners_side_by_side, draw_sheet, layout_of, portion_of, side_by_side

PREVIEW_SIDE = 1024
"""Longest side in pixels of the live preview of a whole sheet or picture."""

MAX_SHEET = 200_000_000
"""Pixels of all sheets of a plan, as in A1111. Cells are shown smaller on larger ones; their own files keep
their size."""

MOST_MAPS = 8
"""Maps of ControlNet that a plan tells, each once: who listens keeps them in memory, and there may be one for each of
a thousand cells or tiles."""

_GRID_NAMES: Mapping[str, str] = {"xyz": "xyz_grid", "matrix": "prompt_matrix"}
"""What the sheets of a script are called; ``grid`` for the others."""


class WorkingEngine(Generator, Upscaling, Protocol):
    """What makes and enlarges pictures."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What scripts work with. ``stores`` keep single pictures; sheets lie in folders of their own, or beside the
    pictures where one store keeps all. ``soon`` hears the name of the checkpoint that is wanted next."""

    engine: WorkingEngine
    folders: Folders
    names: Names
    wildcards: Wildcards
    stores: ImageStores | ImageStore
    soon: Callable[[str], None] = lambda _checkpoint: None

    def sheets(self, request: GenerationRequest) -> Path:
        """The folder for today's sheets of ``request``."""
        if isinstance(self.stores, ImageStore):
            return self.stores.folder
        return grids_folder(self.folders, request) / self.stores.of(request).day


def run(task: Grid, kit: Kit, listener: Listener, cancel: CancelToken) -> None:
    """Do ``task`` in the caller's thread.

    Emits the engine's events with the progress of the whole, ``ImageSaved`` (``ImageReady`` where nothing is saved) for
    each result, whose ``index`` is its place among them: sheets come first. ``CellMade`` tells every cell that lies on
    disk and ``SheetDrawn`` where they are on a sheet, ``FileMade`` names the file of the plan, ``Warned`` what a user
    should know: the first ``CellFailed`` for each reason, and at the end ``CellsFailed``. Raises ``SdcolabError``;
    ``Cancelled`` after the sheet of what there is was drawn.
    """
    progress = _progress_of(task, kit)
    task, draws = (progress.task, progress.draws) if progress else (task, secrets.randbelow(MAX_RANDOM_SEED))
    prepared = prepare(task, kit.names, kit.wildcards, drawing_from(draws))
    for warning in prepared.warnings:
        listener(Warned(warning))
    if prepared.plan is not None:
        _PlanRun(task, prepared, prepared.plan, kit, listener, cancel).run(progress, draws)
    elif prepared.dialogue is not None:
        _DialogueRun(task, prepared, kit, listener, cancel).run(prepared.dialogue)


@dataclass(frozen=True, slots=True)
class _Continued:
    """A plan that was begun before, and its file."""

    path: Path
    progress: Progress

    @property
    def task(self) -> Grid:
        return self.progress.task

    @property
    def draws(self) -> int:
        return self.progress.draws


def _progress_of(task: Grid, kit: Kit) -> _Continued | None:
    """What there is of ``task`` already. Raises ``PlanUnreadable`` when its own file cannot be read."""
    path = None if task.plan is None else _below(kit.folders.outputs, task.plan)
    if path is None and task.save:
        path = planfile.called(task.name, grids_folder(kit.folders, task.request))
    return None if path is None else _Continued(path, planfile.read(path))


def _below(outputs: Path, plan: Path) -> Path:
    """The file that ``plan`` means: one that is not absolute lies below the folder of all outputs.

    Raises ``PlanUnreadable`` where it leads out of it.
    """
    if plan.is_absolute():
        return plan
    path = outputs / plan
    if not path.resolve().is_relative_to(outputs.resolve()):
        raise PlanUnreadable(path=plan)
    return path


def grids_folder(folders: Folders, request: GenerationRequest) -> Path:
    """Where the sheets of a kind of generation lie, one folder a day inside."""
    return folders.outputs / ("txt2img-grids" if request.init is None else "img2img-grids")


# --- Telling --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Teller:
    """Passes on an engine's events as parts of a whole of ``jobs``, of which ``at_once`` are being done."""

    listener: Listener
    jobs: int
    done: int = 0
    at_once: int = 1
    told: int = 0
    paste: Callable[[Image.Image], Image.Image] = field(default=lambda picture: picture)
    warned: set[object] = field(default_factory=set)
    mapped: set[tuple[int, bytes]] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        """An event of the job that runs: its steps count for the whole, its pictures are told by who asked."""
        match event:
            case StepDone(step, total, _, _, preview):
                part = self.done * JOB_UNITS + (self.at_once * JOB_UNITS * step // total if total else 0)
                shown = None if preview is None else self.paste(preview)
                self._tell(part, shown)
            case ImageSaved() | ImageReady():
                pass
            case MapMade(unit, image):
                key = unit, hashlib.sha256(image.tobytes()).digest()
                if key not in self.mapped and len(self.mapped) < MOST_MAPS:
                    self.mapped.add(key)
                    self.listener(event)
            case Warned(warning) if _subject(warning) in self.warned:
                pass  # the same for every cell
            case Warned(warning):
                self.warned.add(_subject(warning))
                self.listener(event)
            case _:
                self.listener(event)

    def finished(self, preview: Image.Image | None) -> None:
        """A job is done."""
        self.done += 1
        self._tell(self.done * JOB_UNITS, preview)

    def _tell(self, part: int, preview: Image.Image | None) -> None:
        self.told = max(self.told, part)  # the pictures of a batch are finished one by one
        job = min(self.done + 1, self.jobs)
        self.listener(StepDone(self.told, self.jobs * JOB_UNITS, job, self.jobs, preview))


def _subject(warning: SdcolabError) -> object:
    """What a warning is about: a LoRA that is missing is one, whatever its weight."""
    facts = warning.facts()
    if isinstance(warning, LoraMissing):
        facts = {"tag": warning.tag.split(":")[1:2]}
    return warning.code, repr(facts)


def _small(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``picture`` (RGB) at ``size``, quickly."""
    return picture.convert("RGB").resize((max(1, size[0]), max(1, size[1])), Image.Resampling.BILINEAR)


# --- Plans ----------------------------------------------------------------------------------------------------------


class _Contact:
    """The small sheet of the live preview, which fills up cell by cell."""

    def __init__(self, sheet: SheetPlan | None, count: int, cell: tuple[int, int]) -> None:
        columns = sheet.columns * sheet.sheets if sheet else max(1, min(count, 8))
        rows = sheet.rows if sheet else -(-count // columns)
        scale = min(1.0, PREVIEW_SIDE / (columns * cell[0]), PREVIEW_SIDE / (rows * cell[1]))
        self._columns = sheet.columns if sheet else columns
        self._flat = sheet is None
        self._cell = (max(1, int(cell[0] * scale)), max(1, int(cell[1] * scale)))
        self._image = Image.new("RGB", (columns * self._cell[0], rows * self._cell[1]), "#d8d8d8")

    def with_cell(self, picture: Image.Image, at: tuple[int, int, int], *, keep: bool) -> Image.Image:
        """The sheet with ``picture`` at a place, for good or just to show."""
        image = self._image if keep else self._image.copy()
        image.paste(_small(picture, self._cell), self._corner(at))
        return image.copy() if keep else image

    def box(self, at: tuple[int, int, int]) -> Portion:
        """Where a cell lies on it."""
        left, top = self._corner(at)
        return portion_of(left, top, Size(*self._cell), Size(*self._image.size))

    def _corner(self, at: tuple[int, int, int]) -> tuple[int, int]:
        column, row, sheet = at
        if self._flat:
            row, column = divmod(column, self._columns)
        return (column + sheet * self._columns) * self._cell[0], row * self._cell[1]


@dataclass(slots=True)
class _Failures:
    """Cells that could not be made. The first for each reason is told at once, all of them at the end."""

    listener: Listener
    _alike: dict[object, list[CellFailed]] = field(default_factory=dict)

    def tell(self, cell: str, error: SdcolabError) -> None:
        """One more."""
        failed = CellFailed(cell=cell, detail=explain(error).text)
        alike = self._alike.setdefault(_subject(error), [])
        alike.append(failed)
        if len(alike) == 1:
            self.listener(Warned(failed))

    def sum_up(self) -> None:
        """How many there were for each reason that there was more than once."""
        for first, *others in self._alike.values():
            if others:
                self.listener(Warned(CellsFailed(cell=first.cell, count=1 + len(others), detail=first.detail)))


class _PlanRun:
    """One plan at work."""

    def __init__(
        self, task: Grid, prepared: Prepared, plan: Plan, kit: Kit, listener: Listener, cancel: CancelToken
    ) -> None:
        self._task = task
        self._plan = plan
        self._fields = dict(prepared.fields)
        self._kit = kit
        self._listener = listener
        self._cancel = cancel
        self._done: dict[int, Done] = {}
        self._failures = _Failures(listener)
        counts = [cell.request.image_count if cell.request and not plan.first_only else 1 for cell in plan.cells]
        self._places = [0, *itertools.accumulate(counts)]
        self._teller = _Teller(listener, max(1, len(plan.cells)))
        sizes = [(request.width or 512, request.height or 512) for request in plan.requests] or [(512, 512)]
        cell = (max(width for width, _ in sizes), max(height for _, height in sizes))
        self._contact = _Contact(plan.sheet, len(plan.cells), cell)

    def run(self, before: _Continued | None, draws: int) -> None:
        """Make the cells that are missing, then the sheets. Raises ``Cancelled`` after the sheets."""
        cancelled: Cancelled | None = None
        with ExitStack() as stack:
            folder, file = self._place(before, stack)
            if before is None and file is not None:
                file.begin(self._task, draws)
            if file is not None:
                self._listener(FileMade(file.path))
            try:
                self._make_cells(before.progress if before else None, folder, file)
            except Cancelled as error:
                cancelled = error
            self._failures.sum_up()
            self._draw(folder, file)
            if cancelled is not None:
                raise cancelled
            if file is not None:
                self._write_page(file, draws)
                file.ended()

    def _place(self, before: _Continued | None, stack: ExitStack) -> tuple[Path, PlanFile | None]:
        """The folder for sheets and the plan's file, or a folder that vanishes."""
        if not self._task.save:
            return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdcolab-"))), None
        if before is not None:
            return before.path.parent, stack.enter_context(PlanFile(before.path))
        folder = self._kit.sheets(self._task.request)
        stem = planfile.next_stem(folder, _kind_of(self._task), self._first_seed)
        return folder, stack.enter_context(PlanFile(folder / f"{stem}{PLAN_SUFFIX}"))

    @property
    def _first_seed(self) -> int:
        return next((request.seed for request in self._plan.requests), 0)

    # --- Cells ------------------------------------------------------------------------------------------------------

    def _make_cells(self, before: Progress | None, folder: Path, file: PlanFile | None) -> None:
        for cell in self._plan.cells:
            if cell.problem is not None:
                self._failures.tell(cell.name, cell.problem)
        missing: list[int] = []
        for index in self._plan.order:
            self._cancel.raise_if_cancelled()
            known = before.done.get(index) if before else None
            if known is not None:
                self._keep(index, known, None)
            elif self._plan.cells[index].request is None:
                self._teller.finished(None)
            elif before and before.tries.get(index, 0) >= MAX_TRIES:
                self._failures.tell(self._plan.cells[index].name, JobLost())
                self._teller.finished(None)
            else:
                missing.append(index)
        for batch, wanted in self._plan.looking_ahead(missing):
            self._cancel.raise_if_cancelled()
            if wanted:
                self._kit.soon(wanted)
            with file.making(batch) if file else nullcontext():
                self._make_batch(batch, folder, file)

    def _make_batch(self, batch: tuple[int, ...], folder: Path, file: PlanFile | None) -> None:
        """The pictures of one cell, or of several that share a batch, one each."""
        first = self._plan.cells[batch[0]]
        request, *beside = (cell.request for index in batch if (cell := self._plan.cells[index]).request is not None)
        self._teller.at_once = len(batch)
        self._teller.paste = lambda preview: self._contact.with_cell(preview, first.at, keep=False)
        save = self._task.save and first.save
        options: dict[str, Any] = {"beside": beside} if beside else {}
        try:
            result = self._kit.engine.generate(
                request, self._teller.hear, self._cancel, save=save and not self._fields, **options
            )
        except Cancelled:
            raise
        except SdcolabError as error:
            if beside:  # the others need not go without because of one
                for index in batch:
                    self._make_batch((index,), folder, file)
                return
            self._failures.tell(first.name, error)
            self._teller.finished(None)
            return
        for place, index in enumerate(batch):  # what was skipped has none
            images = result.images[place : place + 1] if beside else result.images
            self._take(index, images, folder, file, save=save)

    def _take(
        self, index: int, images: tuple[GeneratedImage, ...], folder: Path, file: PlanFile | None, *, save: bool
    ) -> None:
        """The pictures of a cell; none where it was skipped."""
        request = self._plan.cells[index].request
        if not images or request is None:
            self._teller.finished(None)
            return
        first, *others = [self._kept(image, request, folder, save=save) for image in images]
        if file is not None:
            file.done(index, first)
        self._keep(index, first, images[0].image)
        for number, other in enumerate(() if self._plan.first_only else others, 1):
            self._tell(index, other, number)

    def _kept(self, image: GeneratedImage, request: GenerationRequest, folder: Path, *, save: bool) -> Done:
        """A picture of a cell as a file."""
        if image.path is not None:
            return Done(image.path, image.seed, image.infotext)
        infotext = relabelled(image.infotext, self._fields) if self._fields else image.infotext
        if save:
            return Done(self._kit.stores.of(request).save(image.image, infotext, image.seed), image.seed, infotext)
        path = folder / f".{secrets.token_hex(8)}.png"
        _write(image.image, infotext, path)
        return Done(path, image.seed, infotext)

    def _keep(self, index: int, done: Done, picture: Image.Image | None) -> None:
        self._done[index] = done
        with self._opened(done, picture) as shown:
            preview = self._contact.with_cell(shown, self._plan.cells[index].at, keep=True)
        self._teller.finished(preview)
        if self._task.save:
            cell = self._plan.cells[index]
            self._listener(CellMade(index, self._contact.box(cell.at), cell.name, done.path, done.seed, done.infotext))
            if self._plan.cells_shown:
                self._tell(index, done)

    @contextmanager
    def _opened(self, done: Done, picture: Image.Image | None) -> Iterator[Image.Image]:
        if picture is not None:
            yield picture
            return
        with Image.open(done.path) as opened:
            yield opened

    def _tell(self, cell: int, done: Done, number: int = 0) -> None:
        """A picture of a cell, the ``number``-th of its job."""
        index = AFTER_SHEETS + self._places[cell] + number
        if self._task.save:
            self._listener(ImageSaved(index, done.path, done.seed, done.infotext))
            return
        with Image.open(done.path) as picture:
            self._listener(ImageReady(index, picture.convert("RGB"), done.seed, done.infotext))

    # --- Sheets -----------------------------------------------------------------------------------------------------

    def _draw(self, folder: Path, file: PlanFile | None) -> None:
        """The sheets of what there is, and in a run that saves nothing the cells after them."""
        if not self._done:
            return
        if self._plan.sheet is not None:
            self._listener(PhaseStarted(Phase.SAVING))
            for index, sheet in enumerate(_Sheets(self._plan, self._plan.sheet, self._done).drawn()):
                self._keep_sheet(index, sheet, folder, file)
        if not self._task.save and (self._plan.cells_shown or self._plan.sheet is None):
            for index, done in sorted(self._done.items()):
                self._tell(index, done)

    def _keep_sheet(self, index: int, drawn: _Drawn, folder: Path, file: PlanFile | None) -> None:
        seed = self._done[min(self._done)].seed
        sheet, infotext = drawn.picture, drawn.infotext
        if file is None:
            self._listener(ImageReady(index, sheet, seed, infotext))
            return
        suffix = f"-z{index}" if index else ""
        kind = _format_of(self._task, self._kit.folders, drawn)
        path = folder / f"{file.path.stem}{suffix}.{kind}"
        _write(sheet, infotext, path, kind)
        file.drawn(path, [(cell, self._plan.cells[cell].name, box) for cell, box in drawn.cells])
        self._listener(SheetDrawn(path, drawn.cells))
        self._listener(ImageSaved(index, path, seed, infotext))

    def _write_page(self, file: PlanFile, draws: int) -> None:
        """The page with sliders, if it was asked for."""
        if isinstance(self._task.script, XyzPlot) and self._task.script.page:
            path = file.path.with_suffix(".html")
            write_page(self._plan, Progress(self._task, draws, self._done, {}), path)
            self._listener(FileMade(path))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A sheet, and where each cell lies on it."""

    picture: Image.Image
    infotext: str
    cells: tuple[tuple[int, Portion], ...]


@dataclass(frozen=True, slots=True)
class _Sheets:
    """The sheets of a plan, of the cells that are ``done``."""

    plan: Plan
    sheet: SheetPlan
    done: Mapping[int, Done]

    def drawn(self) -> Iterator[_Drawn]:
        """The whole sheet first, then the parts that are results too."""
        cell = self._cell_size()
        pages = [self._page(number, cell) for number in range(self.sheet.sheets)]
        whole = side_by_side(pages, self.sheet.titles) if len(pages) > 1 else pages[0]
        infotext = relabelled(self.done[min(self.done)].infotext, dict(self.sheet.fields))
        yield _Drawn(whole, infotext, tuple(self._places(self._layout(cell), whole, [page.size for page in pages])))
        if self.sheet.alone:
            for number, page in enumerate(pages):
                fields = relabelled(self._first_on(number).infotext, dict(self.sheet.part_fields))
                yield _Drawn(page, fields, tuple(self._on_page(self._layout(cell), number, (0, 0), Size(*page.size))))

    def _places(
        self, layout: Layout, whole: Image.Image, pages: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, Portion]]:
        """Where the cells of all pages lie, which stand side by side on the whole."""
        corners = corners_side_by_side([Size(*size) for size in pages], self.sheet.titles)
        for number, corner in enumerate(corners):
            yield from self._on_page(layout, number, corner, Size(*whole.size))

    def _on_page(
        self, layout: Layout, number: int, corner: tuple[int, int], whole: Size
    ) -> Iterator[tuple[int, Portion]]:
        for index in self.done:
            column, row, page = self.plan.cells[index].at
            if page == number:
                left, top = layout.place(column, row)
                yield index, portion_of(corner[0] + left, corner[1] + top, layout.cell, whole)

    def _layout(self, cell: Size) -> Layout:
        sheet = self.sheet
        return layout_of(sheet.columns, sheet.rows, cell, *self._legends, sheet.margin)

    @property
    def _legends(self) -> tuple[Legends, Legends]:
        return ((), ()) if self.sheet.plain else (self.sheet.column_legends, self.sheet.row_legends)

    def _page(self, number: int, cell: Size) -> Image.Image:
        at = {self.plan.cells[index].at: done for index, done in self.done.items()}

        def opened(column: int, row: int) -> Image.Image | None:
            done = at.get((column, row, number))
            if done is None:
                return None
            with Image.open(done.path) as picture:
                return picture.convert("RGB")

        return draw_sheet(self.sheet.columns, self.sheet.rows, cell, opened, *self._legends, self.sheet.margin)

    def _cell_size(self) -> Size:
        """As large as the largest picture."""
        width = height = 1
        for done in self.done.values():
            with Image.open(done.path) as picture:
                width, height = max(width, picture.width), max(height, picture.height)
        return Size(*_within(width, height, len(self.plan.cells)))

    def _first_on(self, number: int) -> Done:
        """The first cell of one sheet, or of all."""
        on_it = [index for index in sorted(self.done) if self.plan.cells[index].at[2] == number]
        return self.done[on_it[0] if on_it else min(self.done)]


def _kind_of(task: Grid) -> str:
    """What a plan's sheets are called."""
    return _GRID_NAMES.get(task.script.code if task.script else "", "grid")


def _format_of(task: Grid, folders: Folders, drawn: _Drawn) -> ImageFormat:
    """What a sheet is written as: what its script or its owner wishes, where it fits in it."""
    webp = isinstance(task.script, XyzPlot) and task.script.webp
    preferred = ImageFormat.WEBP if webp else PreferencesFile(folders.config).peek().grid_format
    return preferred if fits(drawn.picture, drawn.infotext, preferred) else ImageFormat.PNG


def _within(width: int, height: int, cells: int) -> tuple[int, int]:
    """The size of each of so many cells on sheets of ``MAX_SHEET`` pixels in all: their own, where that fits."""
    scale = min(1.0, (MAX_SHEET / (width * height * cells)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _write(picture: Image.Image, infotext: str, path: Path, kind: ImageFormat = ImageFormat.PNG) -> None:
    with atomic_write(path) as file:
        picture.save(file, **save_options(infotext, kind))


# --- Dialogues ------------------------------------------------------------------------------------------------------


class _DialogueRun:
    """One dialogue at work."""

    def __init__(self, task: Grid, prepared: Prepared, kit: Kit, listener: Listener, cancel: CancelToken) -> None:
        self._task = task
        self._fields = dict(prepared.fields)
        self._kit = kit
        self._listener = listener
        self._cancel = cancel
        self._teller = _Teller(listener, 1)
        self._whole: Image.Image | None = None
        self._scale = 1.0
        self._kept = 0
        self._sheets = 0

    def run(self, dialogue: Dialogue) -> None:
        """Answer until there is nothing more to ask. Results are told as they come; sheets have the first places."""
        answer: tuple[Made, ...] | Image.Image | None = None
        try:
            while True:
                answer = self._answer(dialogue.send(answer))
        except StopIteration:
            return
        finally:
            dialogue.close()

    def _answer(self, ask: Ask) -> tuple[Made, ...] | Image.Image | None:
        self._cancel.raise_if_cancelled()
        match ask:
            case Total(jobs):
                self._teller.jobs = max(1, jobs)
            case Show(picture):
                self._show(picture)
            case Enlarge(picture, scale, upscaler):
                return self._kit.engine.upscale(picture, scale, upscaler, self._teller.hear, self._cancel)
            case Make(request, box, focus):
                return self._make(request, box, focus)
            case Keep(made, sheet):
                self._keep(made, sheet=sheet)
        return None

    def _make(self, request: GenerationRequest, box: Box | None, focus: Box | None) -> tuple[Made, ...]:
        self._teller.paste = lambda preview: self._pasted(preview, focus or box, keep=False)
        result = self._kit.engine.generate(request, self._teller.hear, self._cancel, save=False)
        if not result.images:  # skipped: nothing can follow from it
            raise Cancelled
        made = tuple(Made(image.image, image.infotext, image.seed) for image in result.images)
        self._teller.finished(self._pasted(made[0].picture, box, keep=True))
        return made

    def _show(self, picture: Image.Image) -> None:
        self._scale = min(1.0, PREVIEW_SIDE / max(picture.size))
        self._whole = _small(picture, (int(picture.width * self._scale), int(picture.height * self._scale)))
        self._listener(StepDone(self._teller.done * JOB_UNITS, self._teller.jobs * JOB_UNITS, 1, 1, self._whole.copy()))

    def _pasted(self, picture: Image.Image, box: Box | None, *, keep: bool) -> Image.Image:
        """What the whole looks like with ``picture`` in its ``box``."""
        if self._whole is None or box is None:
            return picture
        left, top, right, bottom = (int(side * self._scale) for side in box)
        whole = self._whole if keep else self._whole.copy()
        whole.paste(_small(picture, (right - left, bottom - top)), (left, top))
        return whole.copy() if keep else whole

    def _keep(self, made: Made, *, sheet: bool) -> None:
        infotext = relabelled(made.infotext, self._fields) if self._fields else made.infotext
        index = self._sheets if sheet else self._kept
        self._sheets, self._kept = self._sheets + sheet, self._kept + (not sheet)
        place = index if sheet else index + AFTER_SHEETS
        if not self._task.save:
            self._listener(ImageReady(place, made.picture, made.seed, infotext))
            return
        if sheet:
            folder = self._kit.sheets(self._task.request)
            path = folder / f"{planfile.next_stem(folder, 'grid', made.seed)}.png"
            _write(made.picture, infotext, path)
        else:
            path = self._kit.stores.of(self._task.request).save(made.picture, infotext, made.seed)
        self._listener(ImageSaved(place, path, made.seed, infotext))


def with_name(task: Grid) -> Grid:
    """``task`` with a name of its own, so that it can be gone on with."""
    return task if task.name or not task.save else replace(task, name=secrets.token_hex(8))
