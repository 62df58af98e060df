"""Scripts at work with a painter in the engine's place: files, sheets, progress, stopping, going on."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.queues import worker_of

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    AxisDecimalComma,
    AxisWithoutLora,
    Cancelled,
    CellFailed,
    CellsFailed,
    LoraMissing,
    MatrixWithoutParts,
    ModelUnreadable,
    PlanUnreadable,
)
from sdcolab.core.events import (
    CancelToken,
    CellMade,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    Listener,
    MapMade,
    Portion,
    SheetDrawn,
    StepDone,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, parse, write
from sdcolab.core.infotext.containers import read_bytes
from sdcolab.core.outputs import ImageStores
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.result import GeneratedImage, GenerationResult
from sdcolab.core.scripts import (
    AFTER_SHEETS,
    DynamicPrompts,
    Grid,
    Loopback,
    PromptLines,
    PromptMatrix,
    Ultimate,
    Which,
    XyzPlot,
)
from sdcolab.core.sheets import LaidCell
from sdcolab.core.words import explain
from sdcolab.grids import planfile
from sdcolab.grids.run import MOST_MAPS

FACTS = EngineFacts(version="1", schedule="Automatic", model="m")


@dataclass
class Painter:
    """Paints each picture in the colour of its steps, and saves it where the engine would."""

    stores: ImageStores
    stop_after: int = 10_000
    before: Callable[[GenerationRequest], None] = lambda _request: None
    made: list[GenerationRequest] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener,
        cancel: CancelToken,
        *,
        save: bool = True,
        beside: Sequence[GenerationRequest] = (),
    ) -> GenerationResult:
        cancel.raise_if_cancelled()
        self.batches.append(1 + len(beside))
        for one in (request, *beside):
            self.before(one)
        listener(StepDone(1, 2, 1, 1, Image.new("RGB", (8, 8), "blue")))
        images = [image for one in (request, *beside) for image in self._painted(one, save=save)]
        if len(self.made) >= self.stop_after:
            cancel.cancel()
        return GenerationResult(request, tuple(images))

    def _painted(self, request: GenerationRequest, *, save: bool) -> list[GeneratedImage]:
        request = request.resolved(checkpoint="m", native_size=64)
        self.made.append(request)
        images = []
        for index in range(request.image_count):
            colour = (request.steps, request.seed_of(index) % 256, 100)
            picture = Image.new("RGB", (request.width or 64, request.height or 64), colour)
            text, seed = write(request, FACTS, index), request.seed_of(index)
            path = self.stores.of(request).save(picture, text, seed) if save else None
            images.append(GeneratedImage(picture, text, seed, path))
        return images


class Bench:
    """A folder with a painter."""

    def __init__(self, folder: Path) -> None:
        self.folders = Folders(folder)
        self.painter = Painter(ImageStores.below(self.folders))
        self.events: list[Event] = []

    def run(self, task: Grid, cancel: CancelToken | None = None) -> None:
        class Upscaling:
            def upscale(self, picture: Image.Image, scale: float, *_: Any) -> Image.Image:
                return picture.resize((int(picture.width * scale), int(picture.height * scale)))

        self.events.clear()
        worker = worker_of(self.painter, upscaling=Upscaling(), folders=self.folders)
        worker.run(task, self.events.append, cancel or CancelToken())

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def sheets(self) -> list[ImageSaved]:
        return [event for event in self.of(ImageSaved) if event.index < AFTER_SHEETS]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


REQUEST = GenerationRequest(prompt="a cat", seed=7, steps=5, width=64, height=64)
FIVE = XyzPlot("Steps", "1-5", "Seed", "1-5", legend=False)


def test_a_plot_lies_on_disk_with_its_sheet_and_its_plan(bench: Bench) -> None:
    bench.run(Grid(REQUEST, XyzPlot("Steps", "2,3", "Prompt S/R", "cat,dog", margin=4), name="uno"))
    (sheet,) = bench.sheets()
    assert sheet.path.parent.parent == bench.folders.outputs / "txt2img-grids"
    assert sheet.path.name == "xyz_grid-0000-7.png"
    told = parse(read_bytes(sheet.path.read_bytes(), ""))
    assert (told.prompt, told.get("Script"), told.get("X Values")) == ("a cat", "X/Y/Z plot", "2,3")
    with Image.open(sheet.path) as picture:
        assert picture.getpixel((picture.width - 1, picture.height - 1)) == (3, 7, 100)
    cells = [event for event in bench.of(ImageSaved) if event.index >= AFTER_SHEETS]
    assert [event.index - AFTER_SHEETS for event in cells] == [0, 1, 2, 3]
    assert all(event.path.is_file() for event in cells)
    (plan,) = bench.of(FileMade)
    assert plan.path.with_suffix("") == sheet.path.with_suffix("")
    assert planfile.read(plan.path).ended


def middle(picture: Image.Image, box: Portion) -> object:
    """The colour in the middle of a place on a picture."""
    left, top, right, bottom = box
    return picture.convert("RGB").getpixel(
        (int((left + right) / 2 * picture.width), int((top + bottom) / 2 * picture.height))
    )


@pytest.mark.parametrize(
    "script",
    [
        XyzPlot("Steps", "2,3,4", "Seed", "9,10"),
        XyzPlot("Steps", "2,3", "Seed", "9,10", "CFG Scale", "3,4,5", margin=6, sub_grids=True),
        XyzPlot("Steps", "2,3", "Nothing", "", "Seed", "1,2", legend=False, margin=10, sub_images=False),
        XyzPlot("Seed", "1-7", "Nothing", "", legend=True),
        PromptMatrix(different_seeds=True, margin=4),
        PromptLines("--seed 1 --steps 2 --prompt x\n--seed 2 --steps 3 --prompt y\n--seed 3 --prompt z", combined=True),
    ],
    ids=["legends", "Z, margins and parts", "no legends", "one row", "matrix", "lines"],
)
def test_where_each_cell_lies_is_told_for_every_sheet_and_for_the_preview(bench: Bench, script: Any) -> None:
    bench.run(Grid(replace(REQUEST, prompt="a cat|blue|red"), script))
    cells = {event.cell: event for event in bench.of(CellMade)}
    assert sorted(cells) == [*range(len(cells))]
    preview = next(event.preview for event in reversed(bench.of(StepDone)) if event.preview)
    for cell in cells.values():
        with Image.open(cell.path) as picture:
            assert middle(preview, cell.box) == picture.convert("RGB").getpixel((0, 0))
    drawn = bench.of(SheetDrawn)
    assert [event.path for event in drawn] == [event.path for event in bench.sheets()]
    assert {number for number, _ in drawn[0].cells} == set(cells)
    for event in drawn:
        with Image.open(event.path) as sheet:
            for number, box in event.cells:
                with Image.open(cells[number].path) as picture:
                    assert middle(sheet, box) == picture.convert("RGB").getpixel((0, 0))
        kept = [LaidCell(cells[number].path, cells[number].name, box) for number, box in sorted(event.cells)]
        assert list(planfile.laid(event.path)) == kept, "a later session knows it too"


def test_the_places_of_a_sheet_are_those_of_its_last_drawing_and_of_pictures_that_are_there(bench: Bench) -> None:
    bench.painter.stop_after = 3
    task = Grid(REQUEST, XyzPlot("Steps", "2,3", "Seed", "9,10"), name="cuatro")
    with pytest.raises(Cancelled):
        bench.run(task)
    (sheet,) = bench.sheets()
    assert len(planfile.laid(sheet.path)) == 3
    bench.painter.stop_after = 10_000
    bench.run(task)
    cells = planfile.laid(sheet.path)
    assert len(cells) == 4
    cells[1].picture.unlink()
    assert planfile.laid(sheet.path) == (cells[0], *cells[2:])


@pytest.mark.parametrize(
    "line",
    [
        '{"sheet": "hoja.png", "cells": [[0, "x", 1]]}',
        '{"sheet": "hoja.png", "cells": [[0, "x", "a", 0, 1, 1]]}',
        '{"sheet": "hoja.png", "cells": [7]}',
        '{"sheet": "hoja.png", "cells": [[1e400, "x", 0, 0, 1, 1]]}',
        '{"sheet": "hoja.png", "cells": [[0, "x", 0, 0, NaN, 1]]}',
        '{"sheet": "hoja.png", "cells": {}}',
        '{"sheet": "otra.png", "cells": [[0, "x", 0, 0, 1, 1]]}',
        '{"cell": 0, "path": "../../../fuera.png"}\n{"sheet": "hoja.png", "cells": [[0, "x", 0, 0, 1, 1]]}',
        "[1, 2",
    ],
)
def test_a_spoiled_map_of_a_sheet_gives_no_cells(tmp_path: Path, line: str) -> None:
    (tmp_path / "fuera.png").write_bytes(b"x")
    sheet = tmp_path / "outputs" / "txt2img-grids" / "hoy" / "hoja.png"
    sheet.parent.mkdir(parents=True)
    assert planfile.laid(sheet) == ()
    sheet.with_suffix(".jsonl").write_text(line + "\n")
    assert planfile.laid(sheet) == ()


def test_what_may_be_meant_otherwise_is_told_before_the_first_cell(bench: Bench) -> None:
    bench.run(Grid(REQUEST, XyzPlot("CFG Scale", "0,5, 7", "Steps", "2")))
    (warned,) = bench.of(Warned)
    assert isinstance(warned.warning, AxisDecimalComma)
    assert warned.warning.facts() == {"axis": "CFG Scale", "values": ("0", "5", "7")}
    assert "estos valores: «0», «5» y «7». Si querías decimales, usa punto: 0.5" in str(explain(warned.warning))
    assert bench.events.index(warned) < bench.events.index(bench.of(CellMade)[0])


@pytest.mark.parametrize(("prompt", "told"), [("x", 1), ("x <lora:tal:1>", 0)])
def test_the_weight_of_no_lora_at_all_is_told(bench: Bench, prompt: str, told: int) -> None:
    bench.run(Grid(replace(REQUEST, prompt=prompt), XyzPlot("LoRA weight", "0.5, 1", "Steps", "2")))
    assert [isinstance(one.warning, AxisWithoutLora) for one in bench.of(Warned)] == [True] * told


def test_what_all_cells_lack_is_told_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(request: GenerationRequest, listener: Listener, *others: Any, **options: Any) -> GenerationResult:
        tag = request.prompt.rpartition(" ")[2]
        listener(Warned(LoraMissing(tag=tag, suggestions=())))
        listener(Warned(ModelUnreadable(path=Path("x"), reason=str(request.seed))))
        return painted(request, listener, *others, **options)

    painted = bench.painter.generate
    monkeypatch.setattr(bench.painter, "generate", generate)
    tags = "<lora:mi:0.4>,<lora:mi:0.8>,<lora:otra:1>"
    request = replace(REQUEST, prompt="a cat <lora:mi:0.4>")
    bench.run(Grid(request, XyzPlot("Prompt S/R", tags, "Seed", "1,2")))
    told = [event.warning for event in bench.of(Warned)]
    assert [warning.tag for warning in told if isinstance(warning, LoraMissing)] == ["<lora:mi:0.4>", "<lora:otra:1>"]
    assert [warning.reason for warning in told if isinstance(warning, ModelUnreadable)] == ["1", "2"]


def test_the_maps_of_all_cells_are_told_once_and_not_without_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(request: GenerationRequest, listener: Listener, *others: Any, **options: Any) -> GenerationResult:
        listener(MapMade(1, Image.new("L", (8, 8), 90)))
        listener(MapMade(2, Image.new("L", (8, 8), request.seed)))
        return painted(request, listener, *others, **options)

    painted = bench.painter.generate
    monkeypatch.setattr(bench.painter, "generate", generate)
    bench.run(Grid(REQUEST, XyzPlot("Steps", "1-3", "Seed", "1,2")))
    assert sorted(event.unit for event in bench.of(MapMade)) == [1, 2, 2]
    bench.run(Grid(REQUEST, XyzPlot("Seed", "1-20")))
    assert len(bench.of(MapMade)) == MOST_MAPS


def test_a_matrix_of_a_prompt_without_parts_is_told(bench: Bench) -> None:
    request = replace(REQUEST, negative_prompt="ugly|blurry")
    bench.run(Grid(request, PromptMatrix()))
    assert [type(event.warning) for event in bench.of(Warned)] == [MatrixWithoutParts]
    bench.run(Grid(request, PromptMatrix(which=Which.NEGATIVE)))
    assert (bench.of(Warned), len(bench.of(CellMade))) == ([], 2)


def test_cells_that_failed_lie_nowhere(bench: Bench) -> None:
    bench.run(Grid(REQUEST, XyzPlot("Prompt S/R", "cat, dog", "Prompt S/R", "cat, bird")))
    assert sorted(event.cell for event in bench.of(CellMade)) == [0, 2]
    (drawn,) = bench.of(SheetDrawn)
    assert [number for number, _ in drawn.cells] == [0, 2]


def test_a_sheet_can_be_a_webp(bench: Bench) -> None:
    bench.run(Grid(REQUEST, XyzPlot("Steps", "2,3", webp=True)))
    (sheet,) = bench.sheets()
    assert sheet.path.suffix == ".webp"
    with Image.open(sheet.path) as picture:
        assert picture.format == "WEBP"
    assert 'X Values: "2,3"' in read_bytes(sheet.path.read_bytes(), "")


def test_progress_counts_all_cells_and_shows_the_sheet_filling_up(bench: Bench) -> None:
    bench.run(Grid(REQUEST, FIVE))
    steps = bench.of(StepDone)
    assert [step.step for step in steps] == sorted(step.step for step in steps)
    assert (steps[-1].step, steps[-1].total) == (25_000, 25_000)
    last = steps[-1].preview
    assert last is not None
    assert last.getpixel((last.width - 2, last.height - 2)) == (5, 5, 100)


def test_stopping_keeps_the_sheet_with_gaps_and_going_on_fills_them(bench: Bench) -> None:
    bench.painter.stop_after = 12
    with pytest.raises(Cancelled):
        bench.run(Grid(REQUEST, FIVE, name="cinco"))
    (sheet,) = bench.sheets()
    with Image.open(sheet.path) as picture:
        assert picture.getpixel((10, 10)) == (1, 1, 100)
        assert picture.getpixel((310, 310)) == (255, 255, 255)
    bench.painter.made.clear()
    bench.painter.stop_after = 10_000
    bench.run(Grid(REQUEST, FIVE, name="cinco"))
    assert len(bench.painter.made) == 13
    with Image.open(bench.sheets()[0].path) as picture:
        assert picture.getpixel((310, 310)) == (5, 5, 100)
    assert bench.sheets()[0].path == sheet.path
    bench.painter.made.clear()
    bench.run(Grid(REQUEST, FIVE, name="cinco"))
    assert bench.painter.made == []  # nothing is missing


class Killed(BaseException):
    """The process dies here."""


def test_a_killed_process_goes_on_from_the_plans_file(bench: Bench) -> None:
    task = Grid(replace(REQUEST, seed=-1), FIVE, name="muere")

    def die(request: GenerationRequest) -> None:
        if len(bench.painter.made) == 12:
            raise Killed

    bench.painter.before = die
    with pytest.raises(Killed):
        bench.run(task)
    seeds = {request.seed for request in bench.painter.made}
    (plan,) = bench.of(FileMade)
    with plan.path.open("ab") as file:
        file.write(b'{"cell": 12, "pa')  # the line that was being written
    bench.painter.before = lambda _request: None
    bench.painter.made.clear()
    bench.run(Grid(REQUEST, plan=plan.path))
    assert len(bench.painter.made) == 13
    assert {request.seed for request in bench.painter.made} | seeds == {1, 2, 3, 4, 5}


def test_a_cell_that_kills_twice_is_passed_over(bench: Bench) -> None:
    def die(request: GenerationRequest) -> None:
        if request.steps == 2:
            raise Killed

    bench.painter.before = die
    task = Grid(REQUEST, XyzPlot("Steps", "1,2,3"), name="mata")
    for _ in range(2):
        with pytest.raises(Killed):
            bench.run(task)
    bench.run(task)
    assert [warned.warning.cell for warned in bench.of(Warned)] == ["Steps: 2"]
    assert {request.steps for request in bench.painter.made} == {1, 3}


def test_a_cell_that_was_stopped_twice_is_made_all_the_same(bench: Bench) -> None:
    def stop(request: GenerationRequest) -> None:
        if request.steps == 2:
            raise Cancelled

    bench.painter.before = stop
    task = Grid(REQUEST, XyzPlot("Steps", "1,2,3"), name="para")
    for _ in range(3):
        with pytest.raises(Cancelled):
            bench.run(task)
    bench.painter.before = lambda _request: None
    bench.run(task)
    assert not bench.of(Warned)
    assert {request.steps for request in bench.painter.made} == {1, 2, 3}


def test_a_cell_that_fails_is_a_gap(bench: Bench) -> None:
    def fail(request: GenerationRequest) -> None:
        if request.steps == 2:
            raise ModelUnreadable(path=Path("/x/roto.safetensors"), reason="truncated")

    bench.painter.before = fail
    bench.run(Grid(REQUEST, XyzPlot("Steps", "1,2,3,500")))
    failed = [warned.warning for warned in bench.of(Warned)]
    assert all(isinstance(one, CellFailed) for one in failed)
    assert {one.cell for one in failed} == {"Steps: 2", "Steps: 500"}
    assert len(bench.sheets()) == 1


def test_what_spoils_many_cells_is_told_once_with_their_number(bench: Bench) -> None:
    def fail(request: GenerationRequest) -> None:
        if "rota" in request.prompt:
            raise ModelUnreadable(path=Path("/x/rota.safetensors"), reason="truncated")

    bench.painter.before = fail
    bench.run(Grid(REQUEST, XyzPlot("Prompt S/R", "cat,rota", "Seed", "1,2,3")))
    first, total = (event.warning for event in bench.of(Warned))
    assert isinstance(first, CellFailed)
    assert isinstance(total, CellsFailed)
    assert (total.cell, total.count, total.detail) == (first.cell, 3, first.detail)
    assert "No se pudieron hacer 3 imágenes" in str(explain(total))
    assert total.supersedes(first)


def test_nothing_stays_when_nothing_is_saved(bench: Bench) -> None:
    plot = XyzPlot("Steps", "2,3", "CFG Scale", "1,2", "Clip skip", "1,2", sub_grids=True)
    bench.run(Grid(REQUEST, plot, save=False))
    ready: list[ImageReady] = bench.of(ImageReady)
    assert [image.index < AFTER_SHEETS for image in ready] == [True] * 3 + [False] * 8
    assert not list(bench.folders.root.rglob("*.png"))
    bench.run(Grid(REQUEST, replace(plot, sub_images=False, sub_grids=False), save=False))
    assert len(bench.of(ImageReady)) == 1


def test_batches_show_their_first_picture(bench: Bench) -> None:
    bench.run(Grid(replace(REQUEST, batch_size=2), XyzPlot("Steps", "2,3")))
    cells = [event for event in bench.of(ImageSaved) if event.index >= AFTER_SHEETS]
    assert [(event.index - AFTER_SHEETS, event.seed) for event in cells] == [(0, 7), (1, 7)]
    assert len(list(bench.folders.txt2img.rglob("*.png"))) == 4
    bench.run(Grid(replace(REQUEST, batch_size=2), PromptLines("a\nb")))
    assert [(event.index - AFTER_SHEETS, event.seed) for event in bench.of(ImageSaved)] == [
        (0, 7),
        (1, 8),
        (2, 7),
        (3, 8),
    ]


def test_matrix_lines_and_dynamic_prompts(bench: Bench) -> None:
    bench.run(Grid(replace(REQUEST, prompt="a|b"), PromptMatrix()))
    assert bench.sheets()[0].path.name.startswith("prompt_matrix-0000-")
    bench.run(Grid(REQUEST, PromptLines("x\n--prompt y --do_not_save_samples true")))
    assert not bench.sheets()
    assert len(list((bench.folders.txt2img).rglob("*.png"))) == 3
    bench.run(Grid(replace(REQUEST, prompt="{a|b}", batch_count=3), None, DynamicPrompts()))
    made = bench.of(ImageSaved)
    assert len(made) == 3
    assert parse(read_bytes(made[0].path.read_bytes(), "")).get("Template") == "{a|b}"


def test_a_plot_of_drawn_prompts(bench: Bench) -> None:
    bench.run(Grid(replace(REQUEST, prompt="{a|b|c|d}"), XyzPlot("Seed", "1-8"), DynamicPrompts()))
    prompts = [request.prompt for request in bench.painter.made]
    assert set(prompts) <= set("abcd")
    assert len(set(prompts)) > 1


def test_dialogues_keep_their_results(bench: Bench) -> None:
    started = replace(REQUEST, init=InitImage((Image.new("RGB", (64, 64)),), strength=0.5))
    bench.run(Grid(started, Loopback(3, 0.2)))
    assert len(bench.of(ImageSaved)) == 4
    assert bench.sheets()[0].path.parent.parent.name == "img2img-grids"
    bench.run(Grid(started, Ultimate(tile_width=64)))
    (result,) = bench.of(ImageSaved)
    assert parse(read_bytes(result.path.read_bytes(), "")).get("Ultimate SD upscale tile_width") == "64"
    assert bench.of(StepDone)[-1].step == bench.of(StepDone)[-1].total


def test_plans_that_cannot_be_read(bench: Bench, tmp_path: Path) -> None:
    for text in ("", "x", "{}", '{"sdcolab": 1}', '{"sdcolab": 1, "draws": 1, "task": {"request": 3}}', "[" * 9999):
        path = tmp_path / "plan.jsonl"
        path.write_text(text)
        with pytest.raises(PlanUnreadable):
            bench.run(Grid(REQUEST, plan=path))


def test_a_plan_opens_no_picture_from_elsewhere(bench: Bench, tmp_path: Path) -> None:
    bench.run(Grid(REQUEST, XyzPlot("Steps", "1,2"), name="ajeno"))
    (plan,) = bench.of(FileMade)
    secret = tmp_path.parent / "secreto.png"
    Image.new("RGB", (8, 8)).save(secret)
    line = json.dumps({"cell": 0, "path": str(secret), "seed": 1, "infotext": "x"})
    plan.path.write_text(plan.path.read_text().splitlines()[0] + "\n" + line + "\n")
    assert planfile.read(plan.path).done == {}


def test_memory_stays_flat(bench: Bench) -> None:
    """What a hundred cells leave in memory is less than two of their pictures."""
    big = replace(REQUEST, width=512, height=512)
    tracemalloc.start()
    bench.run(Grid(big, XyzPlot("Seed", "1-100", legend=False, sub_images=False), save=True))
    bench.events.clear()
    bench.painter.made.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after < 2 * 512 * 512 * 3


# --- Batches of cells -----------------------------------------------------------------------------------------------


def test_a_matrix_is_made_in_batches(bench: Bench) -> None:
    request = replace(REQUEST, prompt="man|tree|city|<lora:x:1>", batch_size=3)
    bench.run(Grid(request, PromptMatrix()))
    assert bench.painter.batches == [3, 1, 3, 1]  # a LoRA changes the model of all
    assert [one.prompt for one in bench.painter.made][:3] == ["man", "man, tree", "man, city"]
    saved = [event for event in bench.of(ImageSaved) if event.index >= AFTER_SHEETS]
    assert [parse(event.infotext).prompt for event in saved] == [one.prompt for one in bench.painter.made]
    steps = [step.step for step in bench.of(StepDone)]
    assert steps == sorted(steps)
    assert steps[-1] == 8000


def test_one_bad_prompt_does_not_take_its_batch_along(bench: Bench) -> None:
    def broken(request: GenerationRequest) -> None:
        if "tree" in request.prompt:
            raise ModelUnreadable(path=Path("x"), reason="not_a_model")

    bench.painter.before = broken
    bench.run(Grid(replace(REQUEST, prompt="man|tree", batch_size=2), PromptMatrix()))
    assert [one.prompt for one in bench.painter.made] == ["man"]
    assert [event.warning.cell for event in bench.of(Warned)] == ["tree"]
    assert len([event for event in bench.of(ImageSaved) if event.index >= AFTER_SHEETS]) == 1


def test_a_batch_goes_on_with_its_missing_cells(bench: Bench) -> None:
    task = Grid(replace(REQUEST, prompt="{a|b|c} cat", batch_size=2, batch_count=2), None, DynamicPrompts(), name="x")
    bench.painter.stop_after = 2
    with pytest.raises(Cancelled):
        bench.run(task)
    bench.painter.stop_after = 10
    bench.run(task)
    assert bench.painter.batches == [2, 2]
    assert [one.seed for one in bench.painter.made] == [7, 8, 9, 10]


def test_the_next_checkpoint_is_read_while_the_last_picture_of_the_one_before_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    told: list[str] = []
    monkeypatch.setattr("sdcolab.wiring.grids.ReadAhead.begin", lambda _self, find: told.append(find().stem))
    folder = bench.folders.models(ModelKind.CHECKPOINT)
    folder.mkdir(parents=True)
    for name in ("uno", "dos", "tres"):
        (folder / f"{name}.safetensors").write_bytes(b"0")
    bench.painter.before = lambda request: told.append(f"{Path(request.checkpoint).stem} {request.steps}")
    bench.run(Grid(GenerationRequest(width=64, height=64), XyzPlot("Checkpoint name", "uno,dos,tres", "Steps", "1,2")))
    assert told == ["uno 1", "dos", "uno 2", "dos 1", "tres", "dos 2", "tres 1", "tres 2"]
