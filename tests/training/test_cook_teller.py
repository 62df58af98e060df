"""What the training notebook's cell draws while it cooks."""

from __future__ import annotations

import re

from sdcolab.training.events import LearntBefore, StepTrained
from sdcolab.training.kitchen import CookTeller


class Cell:
    """A place of a cell that remembers what it last showed."""

    html = ""

    def show(self, html: str) -> None:
        self.html = html


def test_a_training_that_goes_on_is_drawn_from_its_first_step() -> None:
    said: list[str] = []
    cell = Cell()
    tell = CookTeller(said.append, said.append, cell)
    tell(LearntBefore((0.5, 0.4, 0.3, 0.2), (1e-3, 9e-4, 8e-4, 7e-4), 10))
    tell(StepTrained(step=5, total=10, epoch=1, loss=0.1, average=0.3, rate=6e-4, seconds=1.0))
    lines = re.findall(r'polyline points="([^"]+)"', cell.html)
    assert [len(line.split()) for line in lines] == [5, 5]
    assert "paso 5 de 10" in cell.html
    assert said == []
