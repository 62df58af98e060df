"""The work of the training tabs, done by their runners: a real training process on the demo model, captions on disk."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.colab.report import write_report
from sdcolab.core.codec import from_json, to_json
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import Cancelled, DatasetMissing, FieldNotNumber, NothingTrained, ProjectName, ProjectNotChosen
from sdcolab.core.events import (
    CancelToken,
    Event,
    FileMade,
    ImageSaved,
    Note,
    PauseChanged,
    StepDone,
    StepLearnt,
    Warned,
)
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import Tools
from sdcolab.core.training import PreparePictures, TrainLora, TryLora, training_projects
from sdcolab.core.words import explain
from sdcolab.training.quick import draw_pictures
from sdcolab.training.recipe_form import BY_CATEGORY
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.trainer import build_pantry
from sdcolab.wiring.training_tasks import prepare_pictures, train_lora, training_lists, try_lora


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    folders = Folders(tmp_path)
    draw_pictures(tmp_path / "lora_training" / "datasets" / "zorp" / "1_x", 4)
    library = build_library(folders)
    return Tools(folders, library, build_engine(folders, library), {**os.environ, "OMP_NUM_THREADS": "1"})


TASK = TrainLora(project="zorp", epochs=2, batch_size=2, save_every=1, dim=2, alpha=2, text_rate=0.0, keep_tokens=0)


def test_a_lora_is_trained_stopped_and_gone_on_with(tools: Tools) -> None:
    events: list[Event] = []
    cancel = CancelToken()
    (tools.folders.root / "lora_training" / "datasets" / "zorp" / "1_x" / "rota.png").write_bytes(b"rota")

    def stop_at_first(event: Event) -> None:
        events.append(event)
        if isinstance(event, FileMade):
            cancel.cancel()

    with pytest.raises(Cancelled):
        train_lora(TASK, tools, stop_at_first, cancel)
    (told,) = (explain(event.warning) for event in events if isinstance(event, Warned))
    assert "Lo entrenado hasta el paso" in told.text
    assert "continúa donde estaba" in told.advice
    events.clear()
    again = CancelToken()

    def wait_once(event: Event) -> None:
        events.append(event)
        if event == PauseChanged(True):
            again.hold(False)

    again.hold(True)
    train_lora(replace(TASK, samples="zorp"), tools, wait_once, again)
    assert [event for event in events if isinstance(event, PauseChanged)] == [PauseChanged(True), PauseChanged(False)]
    learnt = [event.step for event in events if isinstance(event, StepLearnt)]
    (sample,) = (event for event in events if isinstance(event, ImageSaved))
    assert sample.path.is_relative_to(tools.folders.txt2img)
    assert sample.infotext.startswith("zorp <lora:zorp:1>")
    steps = [event.step for event in events if isinstance(event, StepDone)]
    assert steps[-1] == 4
    assert steps[0] > 1  # not from the beginning
    assert learnt == [1, 2, 3, 4]  # but the curve is whole
    assert [event.path.name for event in events if isinstance(event, FileMade)][-1] == "zorp.safetensors"
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("Tu LoRA está en" in note for note in notes)
    assert sum("rota.png" in note for note in notes) == 1
    assert not [event for event in events if isinstance(event, Warned)]  # what was told is not told again
    assert {file.name for file in tools.library.files(ModelKind.LORA)} >= {
        "zorp-000001.safetensors",
        "zorp.safetensors",
    }
    the_report_tells_of_it(tools.folders)
    the_epochs_are_compared(tools)


def test_what_was_cut_off_goes_on_over_its_own_base_though_another_comes_first(tools: Tools) -> None:
    cancel, told = CancelToken(), list[Event]()

    def stop(event: Event) -> None:
        if isinstance(event, StepLearnt):
            cancel.cancel()

    with pytest.raises(Cancelled):
        train_lora(replace(TASK, checkpoint=""), tools, stop, cancel)
    (first,) = tools.library.files(ModelKind.CHECKPOINT)
    other = tools.folders.models(ModelKind.CHECKPOINT) / "a.safetensors"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(first.path.read_bytes())
    assert tools.library.default_checkpoint().path == other
    train_lora(replace(TASK, checkpoint=""), tools, told.append, CancelToken())
    assert any("Continúa desde el paso" in event.text for event in told if isinstance(event, Note))
    plan = (tools.folders.root / "lora_training" / "output" / "zorp-plan.toml").read_text(encoding="utf-8")
    assert str(first.path) in plan


def the_report_tells_of_it(folders: Folders) -> None:
    report = write_report(folders, "página", [])
    with zipfile.ZipFile(report) as file:
        told = file.read("entrenamiento.log").decode()
    for part in ('output_name = "zorp"', '"event": "TrainingBegan"', '"event": "Paused"', "=== 130", "=== 0"):
        assert part in told


def the_epochs_are_compared(tools: Tools) -> None:
    assert training_lists(tools.folders)["trained_projects"]() == ("zorp",)
    events: list[Event] = []
    try_lora(TryLora(project="zorp", count=1, steps=2), tools, events.append, CancelToken())
    (saved,) = (event for event in events if isinstance(event, ImageSaved))
    with Image.open(saved.path) as sheet:
        assert sheet.width == 3 * 128  # two epochs, and without LoRA
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3]
    assert "zorp-000001" in saved.infotext
    with pytest.raises(FieldNotNumber):
        try_lora(TryLora(project="zorp", weights="1, mucho"), tools, events.append, CancelToken())


def test_a_folder_is_looked_at(tools: Tools) -> None:
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Note):
            told.append(event.text)

    prepare_pictures(PreparePictures(project="zorp"), tools, hear, CancelToken())
    assert any("4 imágenes, 4 con descripción" in line for line in told)


def test_captions_are_edited_in_the_notebook_and_come_back(tools: Tools) -> None:
    told: list[str] = []
    pantry = build_pantry(tools.folders, tools.folders.root, told.append, {})
    caption = tools.folders.root / "lora_training" / "datasets" / "zorp" / "1_x" / "zorp_00.txt"
    nothing = {"search": "", "replacement": ""}
    pantry.edit("zorp", BY_CATEGORY, activation="mi zorp", remove="zorp", undo=False, **nothing)
    assert caption.read_text(encoding="utf-8") == "mi zorp, fondo blanco\n"
    assert any("keep_tokens" in line for line in told)
    pantry.edit("zorp", BY_CATEGORY, activation="", remove="", undo=True, **nothing)
    assert caption.read_text(encoding="utf-8") == "zorp, fondo blanco"


@pytest.mark.parametrize(
    ("project", "error"), [("../fuera", ProjectName), ("otro", DatasetMissing), ("", ProjectNotChosen)]
)
def test_only_projects_are_reached(project: str, error: type, tools: Tools) -> None:
    with pytest.raises(error):
        prepare_pictures(PreparePictures(project=project), tools, lambda _event: None, CancelToken())
    with pytest.raises(error):
        train_lora(TrainLora(project=project), tools, lambda _event: None, CancelToken())


@pytest.mark.parametrize("project", ["", "zorp"])
def test_nothing_is_tried_before_it_is_trained(project: str, tools: Tools) -> None:
    with pytest.raises(NothingTrained):
        try_lora(TryLora(project=project), tools, lambda _event: None, CancelToken())


def test_tasks_travel_and_lists_are_live(tools: Tools) -> None:
    assert from_json(TrainLora, to_json(TASK)) == TASK
    lists = training_lists(tools.folders)
    assert lists["training_projects"]() == training_projects(tools.folders) == ("zorp",)
    assert "cosine_with_restarts" in lists["training_schedules"]()
    assert PreparePictures().tagger in lists["captioners"]()
    assert TrainLora().optimizer in lists["training_optimizers"]()
