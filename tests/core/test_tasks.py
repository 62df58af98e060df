"""The kinds of work."""

from __future__ import annotations

from PIL import Image

from sdcolab.core.request import GenerationRequest, Hires
from sdcolab.core.tasks import Enlarge, Generate, Origin, Task
from sdcolab.core.upscaling import Enlargement
from sdcolab.core.words import ORIGIN_NAMES, TASK_NAMES
from sdcolab.wiring.tasks import TASKS


def test_each_has_its_spanish_name() -> None:
    assert set(TASKS) == set(TASK_NAMES)
    assert set(Origin) == set(ORIGIN_NAMES)


def test_they_come_back_as_they_were_written() -> None:
    tasks: tuple[Task, ...] = (
        Generate(GenerationRequest(prompt="gato", hires=Hires(steps=3)), save=False),
        Enlarge((Image.linear_gradient("L"),), Enlargement(scale=3.0), ("ñ",)),
    )
    for task in tasks:
        assert TASKS.from_json(TASKS.to_json(task)) == task
