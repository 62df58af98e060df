"""The room where areas of a picture get prompts of their own (``rooms/zonas.js``): rectangles become the parts of a
prompt joined by AND, and the areas of Latent Couple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.regions import MAX_REGIONS, TEMPLATES, Region, joined_prompt, regions_of
from sdcolab.core.rooms import Answer, RoomFile, text
from sdcolab.core.words.control import REGION_WORDS

MOST_WEIGHT = 10.0
LEAST_SIDE = 0.01
"""Of an area, as a share of the picture: the grid of ``regions_of``."""


class RegionsRoom:
    """Keeps nothing: what is drawn is the browser's until it is in the form."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {"words": lambda _said: self._words(), "write": self._write}

    def file(self, _kind: str, _name: str) -> RoomFile | None:
        """It has none."""
        return None

    def _words(self) -> dict[str, Any]:
        templates = {name: [_as_box(area) for area in areas] for name, areas in TEMPLATES.items()}
        return {"words": dict(REGION_WORDS), "templates": templates, "most": MAX_REGIONS}

    def _write(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the form that make what was drawn."""
        areas = said.get("areas")
        if not isinstance(areas, list) or not 0 < len(areas) <= MAX_REGIONS:
            raise StrangeQuestion(question="areas")
        boxes = [area if isinstance(area, dict) else {} for area in areas]
        made = regions_of(tuple(_region(box) for box in boxes))
        return {
            "prompt": joined_prompt(text(box, "prompt") for box in boxes),
            "regions": True,
            "regions.divisions": made.divisions,
            "regions.positions": made.positions,
            "regions.weights": made.weights,
        }


def _as_box(area: Region) -> dict[str, float]:
    """As the browser draws it."""
    return {
        "x": area.left,
        "y": area.top,
        "width": area.right - area.left,
        "height": area.bottom - area.top,
        "weight": area.weight,
    }


def _region(box: Mapping[str, Any]) -> Region:
    """Raises ``StrangeQuestion``."""
    top, bottom = _span(_share(box, "y"), _share(box, "height"))
    left, right = _span(_share(box, "x"), _share(box, "width"))
    return Region(top, bottom, left, right, _share(box, "weight", MOST_WEIGHT))


def _span(start: float, length: float) -> tuple[float, float]:
    """Where something begins and ends inside the picture; it is never empty."""
    end = min(1.0, start + max(LEAST_SIDE, length))
    return min(start, end - LEAST_SIDE), end


def _share(box: Mapping[str, Any], name: str, most: float = 1.0) -> float:
    value = box.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise StrangeQuestion(question=name)
    return float(value)
