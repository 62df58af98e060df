"""What the panel's gallery leaves in the kernel, and so in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from ipywidgets.widgets import widget
from PIL import Image

from sdcolab.colab.panel_canvas import canvas_widget
from sdcolab.colab.panel_gallery import MAX_SMALL, Gallery
from sdcolab.core.events import ImageSaved
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.sheets import Sheets
from sdcolab.wiring.tasks import TASKS


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    jobs = JobQueue(TASKS, {})
    yield Gallery(ipywidgets, {}, canvas_widget, Sheets(jobs))
    jobs.close()


def test_what_is_not_shown_any_more_is_gone(gallery: Gallery, tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), "teal").save(tmp_path / "a.png")
    picture = ImageSaved(0, tmp_path / "a.png", 1, "a fox")
    for _ in range(MAX_SMALL):
        gallery.add(picture)
    there = set(widget._instances)
    (compare,) = (one for one in gallery.box.children[5].children if one.description == "Comparar")
    compare.click()
    compare.click()
    assert set(widget._instances) == there
    compare.click()
    gallery.add(picture)
    assert len(widget._instances) == len(there)
