"""A training's curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcolab.core.errors import LibraryMissing
from sdcolab.training.board import Board, open_writer
from sdcolab.training.events import StepTrained, TrainingBegan, TrainingEvent


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


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    try:
        for number in (1, 2):
            open_writer(tmp_path, "mi zorp").close()
            assert (tmp_path / f"mi_zorp-{number:03}").is_dir()
    except LibraryMissing as missing:
        pytest.skip(f"falta {missing.library}")
