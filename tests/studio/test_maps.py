"""The maps beside the results."""

from __future__ import annotations

import base64
import io
import re

from PIL import Image

from sdcolab.core.events import MapMade
from sdcolab.studio.maps import MOST, SIDE, figures


def test_nothing_is_shown_without_maps() -> None:
    assert figures(()) == ""


def test_the_last_maps_are_shown_small_with_their_unit() -> None:
    maps = [MapMade(number, Image.new("L", (900, 600), 40 * number)) for number in range(1, MOST + 2)]
    shown = figures((*maps, MapMade(9, Image.new("RGB", (20, 10)), "<b>Pose</b>")))
    pictures = re.findall(r"base64,([^\"]+)", shown)
    assert len(pictures) == MOST
    first = Image.open(io.BytesIO(base64.b64decode(pictures[0])))
    assert max(first.size) == SIDE
    assert "ControlNet 3:" in shown
    assert "ControlNet 2:" not in shown
    assert "<b>" not in shown
