"""Units of ControlNet in the plan of memory: room for them when the checkpoint is opened, and gone with it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sdcolab.engine.shelf as shelf_module
from sdcolab.core.control import ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import GB, WorkMemory
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.control.shelf import Controls
from sdcolab.engine.engine import Engine
from sdcolab.engine.memory import require_room
from sdcolab.engine.savings import Savings
from sdcolab.engine.weights import open_weights

DEMO = Path(__file__).parents[3] / "sdcolab" / "demo"
UNIT = ControlUnit(model="emoji-128-lineas", images=(Image.new("RGB", (64, 64)),))
PLAIN = GenerationRequest(prompt="pizza", steps=1, seed=3, width=64, height=64)
FOLLOWED = replace(PLAIN, control=(UNIT, replace(UNIT, weight=0.5)))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    bundled = (
        ModelFile(ModelKind.CHECKPOINT, "emoji-128.safetensors", DEMO / "emoji-128.safetensors"),
        ModelFile(ModelKind.CONTROLNET, "emoji-128-lineas.safetensors", DEMO / "emoji-128-lineas.safetensors"),
    )
    yield Engine(Library(Folders(tmp_path), bundled=bundled), None, device="cpu")


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What each plan counted with the UNet, in bytes."""
    told: list[int] = []
    real = require_room

    def counting(*arguments: Any, **options: Any) -> Any:
        told.append(options["with_unet"])
        return real(*arguments, **options)

    monkeypatch.setattr(shelf_module, "require_room", counting)
    return told


def control_bytes() -> int:
    weights = open_weights(DEMO / "emoji-128-lineas.safetensors")
    return 4 * sum(weights.get(name).numel() for name in weights.shapes)


def test_a_checkpoint_is_opened_with_room_for_its_units(engine: Engine, planned: list[int]) -> None:
    engine.generate(FOLLOWED)
    assert planned == [control_bytes()]  # two units of one model


def test_units_that_come_later_move_a_checkpoint_only_where_they_do_not_fit(
    engine: Engine, planned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.generate(PLAIN)
    engine.generate(FOLLOWED)
    assert planned == [0]
    engine.unload()
    engine.generate(PLAIN)
    monkeypatch.setattr(shelf_module, "free_vram", lambda _device: GB // 2)
    engine.generate(PLAIN)
    assert planned == [0, 0]
    engine.generate(FOLLOWED)
    engine.generate(FOLLOWED)
    assert planned == [0, 0, control_bytes()]


def test_what_is_saved_from_the_start_counts_the_units_that_have_yet_to_come(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    real = Savings.choose

    def counting(self: Savings, work: WorkMemory, *, waits: bool, to_come: int = 0) -> None:
        told.append(to_come)
        real(self, work, waits=waits, to_come=to_come)

    monkeypatch.setattr(Savings, "choose", counting)
    for request in (PLAIN, FOLLOWED, FOLLOWED):
        engine.generate(request)
    assert told == [0, control_bytes(), 0]


def test_control_models_go_with_their_checkpoint(engine: Engine) -> None:
    engine.generate(FOLLOWED)
    (control,) = engine.models.checkpoints[0].kept.of(Controls, Controls).all
    gone = weakref.ref(control.net)
    del control
    engine.unload()
    gc.collect()
    assert gone() is None
