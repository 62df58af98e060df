"""A training's curves for TensorBoard."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sdcolab.core.errors import LibraryMissing
from sdcolab.training.board import Board, open_writer
from sdcolab.training.child import run_training
from sdcolab.training.control import Control
from sdcolab.training.events import StepTrained, Told, TrainingBegan, TrainingEvent
from sdcolab.training.plan import TrainingPlan


class Notebook:
    """Stands in for TensorBoard's writer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object, int]] = []
        self.closed = False

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.told.append((tag, scalar_value, global_step))

    def add_text(self, tag: str, text_string: str, global_step: int) -> None:
        self.told.append((tag, text_string, global_step))

    def close(self) -> None:
        self.closed = True


def test_losses_and_rates_are_written_and_everything_is_passed_on() -> None:
    writer, heard = Notebook(), list[TrainingEvent]()
    board = Board(writer, "zorp", heard.append)
    events: tuple[TrainingEvent, ...] = (
        TrainingBegan(steps=9, epochs=3, per_epoch=3, pictures=4, parameters=1, device="cpu", precision="no"),
        StepTrained(step=1, total=9, epoch=1, loss=0.5, average=0.4, rate=1e-3, seconds=1.0),
    )
    for event in events:
        board(event)
    board.close()
    assert heard == [*events]
    assert writer.told == [
        ("lora", "zorp: 4 × 9", 0),
        ("loss/current", 0.5, 1),
        ("loss/average", 0.4, 1),
        ("lr/unet", 1e-3, 1),
    ]
    assert writer.closed


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Notebook]]:
    """The writers that a stand-in of TensorBoard makes, each with its folder."""
    made: list[tuple[str, Notebook]] = []

    def open_notebook(folder: str) -> Notebook:
        made.append((folder, Notebook()))
        return made[-1][1]

    stand_in = ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = open_notebook  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    return made


def test_a_training_that_names_a_folder_writes_its_curves(
    make_plan: Callable[..., TrainingPlan], notebooks: list[tuple[str, Notebook]], tmp_path: Path
) -> None:
    heard: list[TrainingEvent] = []
    run_training(make_plan(logging_dir=str(tmp_path / "log")), heard.append, Control())
    [(folder, writer)] = notebooks
    assert folder == str(tmp_path / "log" / "mi_lora-001")
    losses = [event.loss for event in heard if isinstance(event, StepTrained)]
    assert [value for tag, value, _ in writer.told if tag == "loss/current"] == losses
    assert losses
    assert writer.closed


def test_a_tensorboard_that_is_not_here_is_told_and_the_training_goes_on(
    make_plan: Callable[..., TrainingPlan], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    heard: list[TrainingEvent] = []
    assert run_training(make_plan(logging_dir=str(tmp_path / "log")), heard.append, Control()).is_file()
    assert [event.warning.library for event in heard if isinstance(event, Told)] == ["tensorboard"]  # type: ignore[attr-defined]


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    try:
        for number in (1, 2):
            open_writer(tmp_path, "mi zorp").close()
            assert (tmp_path / f"mi_zorp-{number:03}").is_dir()
    except LibraryMissing as missing:
        pytest.skip(f"falta {missing.library}")
