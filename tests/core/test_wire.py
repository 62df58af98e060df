"""What goes to another process comes back the same."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import Cancelled, QueueFull, SdcolabError, leaf_errors
from sdcolab.core.events import (
    BytesReceived,
    CellMade,
    Ended,
    Event,
    ImageReady,
    ImageSaved,
    PauseChanged,
    Phase,
    PhaseStarted,
    SheetDrawn,
    StepDone,
    StepLearnt,
    Warned,
)
from sdcolab.core.wire import error_from_json, error_to_json, event_from_json, event_to_json
from sdcolab.core.words import explain

EXAMPLES: dict[str, object] = {
    "str": "muestra ñ",
    "int": 7,
    "float": 1.5,
    "bool": True,
    "Path": Path("carpeta/archivo.safetensors"),
    "tuple[str, ...]": ("uno", "dos"),
    "tuple[int, ...]": (1, 3),
    "datetime.datetime": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
}


@pytest.mark.parametrize("cls", leaf_errors(), ids=lambda cls: cls.__name__)
def test_every_error_travels(cls: type[SdcolabError]) -> None:
    facts = {field.name: EXAMPLES[str(field.type).split(" |")[0]] for field in dataclasses.fields(cls)}
    error = cls(**facts)
    back = error_from_json(json.loads(json.dumps(error_to_json(error))))
    assert type(back) is cls
    assert back.facts() == error.facts()
    assert explain(back) == explain(error)


@pytest.mark.parametrize(
    "event",
    [
        PhaseStarted(Phase.SAMPLING, "gato"),
        StepDone(1, 20, 0, 2),
        StepLearnt(7, 20, 0.125, 1e-3),
        PauseChanged(True),
        ImageSaved(0, Path("/x/á.png"), 2**64 - 1, "un gato\nSteps: 1"),
        CellMade(3, (0.0, 0.5, 0.25, 1.0), "Steps: 2", Path("/x/b.png"), 7, "un perro"),
        SheetDrawn(Path("/x/hoja.png"), ((0, (0.0, 0.0, 0.5, 1.0)), (1, (0.5, 0.0, 1.0, 1.0)))),
        ImageReady(1, Image.linear_gradient("L").convert("RGB"), 7, "ñ"),
        BytesReceived("a", 1, None, 2.5),
        Ended(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_travel(event: Event) -> None:
    assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event


def test_events_with_errors_and_pictures() -> None:
    ended = event_from_json(event_to_json(Ended(Cancelled())))
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, Cancelled)
    warned = event_from_json(event_to_json(Warned(QueueFull(limit=3))))
    assert isinstance(warned, Warned)
    assert warned.warning.facts() == {"limit": 3}
    step = event_from_json(event_to_json(StepDone(1, 2, 0, 1, Image.new("RGB", (8, 6), "red"))))
    assert isinstance(step, StepDone)
    assert step.preview
    assert step.preview.size == (8, 6)


def test_anything_else_is_a_bug() -> None:
    with pytest.raises(ValueError, match="not an event"):
        event_from_json({"is": "algo"})
