"""Latent Couple ("Two-shot"): which part of a prompt draws where (hechos/extensiones.md 5).

The prompt's parts are divided by ``AND``; each has an entry here. Parts beyond the entries draw everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdcolab.core.errors import RegionsMalformed
from sdcolab.core.fields import check, fact

MAX_REGIONS = 64
_NUMBER = r"\d+(?:\.\d+)?"
_DIVISION = re.compile(r"(\d+):(\d+)")
_RANGE = re.compile(rf"({_NUMBER})(?:-({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Region:
    """One part's area: rows and columns as shares (0..1) of the picture, and its weight there (0 elsewhere)."""

    top: float
    bottom: float
    left: float
    right: float
    weight: float

    @property
    def whole(self) -> bool:
        """Whether it is all of the picture."""
        return self.top <= 0 and self.left <= 0 and self.bottom >= 1 and self.right >= 1

    def cells(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns in latents of this size."""
        # A little more than nothing, so that 3 * (1/3) is 1 whatever the machine's rounding.
        rows = slice(int(height * self.top + 1e-9), int(height * self.bottom + 1e-9))
        return rows, slice(int(width * self.left + 1e-9), int(width * self.right + 1e-9))


@dataclass(frozen=True, slots=True)
class Regions:
    """The three lists as they are written, and the step (from 0) from which on every part draws everywhere again.

    Raises ``RegionsMalformed``.
    """

    divisions: str = fact("1:1,1:2,1:2", label="Latent Couple", codec="regions")
    positions: str = fact("0:0,0:0,0:1", label="Latent Couple", codec="regions")
    weights: str = fact("0.2,0.8,0.8", label="Latent Couple", codec="regions")
    end: int = fact(20, low=0, high=150, label="Latent Couple", codec="regions")

    def __post_init__(self) -> None:
        check(self, "regions")
        self.areas()

    def areas(self) -> tuple[Region, ...]:
        """The areas, as many as the shortest list has."""
        texts = (text.split(",")[:MAX_REGIONS] for text in (self.divisions, self.positions, self.weights))
        return tuple(_area(*(one.strip() for one in entry)) for entry in zip(*texts, strict=False))

    def area_of(self, part: int) -> Region | None:
        """Where the prompt's part number ``part`` (from 0) draws; None for everywhere."""
        areas = self.areas()
        return areas[part] if part < len(areas) and not areas[part].whole else None


def _area(division: str, position: str, weight: str) -> Region:
    """``rows:columns``, ``y:x`` (each a number n, which is n to n + 1, or a range ``a-b``) and a number."""
    divided, (y, colon, x) = _DIVISION.fullmatch(division), position.partition(":")
    rows, columns = (int(divided[1]), int(divided[2])) if divided else (0, 0)
    if rows < 1 or columns < 1:
        raise RegionsMalformed(part=division)
    if not colon:
        raise RegionsMalformed(part=position)
    top, bottom = _span(y.strip())
    left, right = _span(x.strip())
    if not re.fullmatch(_NUMBER, weight):
        raise RegionsMalformed(part=weight)
    return Region(top / rows, bottom / rows, left / columns, right / columns, float(weight))


def _span(text: str) -> tuple[float, float]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise RegionsMalformed(part=text)
    first = float(match[1])
    return first, float(match[2]) if match[2] else first + 1


def regions_text(regions: Regions) -> str:
    """As the original writes it in infotexts."""
    lists = f"divisions={regions.divisions} positions={regions.positions} weights={regions.weights}"
    return f"{lists} end at step={regions.end}"


def regions_from_text(text: str) -> tuple[str, str, str, int]:
    """What ``regions_text`` wrote: blanks part it, and of "end at step=20" only the last word counts. Raises
    ``ValueError``.
    """
    pairs = dict(word.split("=", 1) for word in text.split() if "=" in word)
    plain = Regions()
    return (
        pairs.get("divisions", plain.divisions),
        pairs.get("positions", plain.positions),
        pairs.get("weights", plain.weights),
        int(pairs.get("step", plain.end)),
    )


def regions_of(rectangles: tuple[Region, ...], end: int = 20) -> Regions:
    """The regions of rectangles that somebody drew, on a grid of 100 x 100."""

    def span(first: float, last: float) -> str:
        return f"{round(first * 100)}-{round(last * 100)}"

    return Regions(
        ",".join("100:100" for _ in rectangles),
        ",".join(f"{span(one.top, one.bottom)}:{span(one.left, one.right)}" for one in rectangles),
        ",".join(f"{one.weight:g}" for one in rectangles),
        end,
    )


def _grid(rows: int, columns: int, weight: float) -> tuple[Region, ...]:
    return tuple(
        Region(row / rows, (row + 1) / rows, column / columns, (column + 1) / columns, weight)
        for row in range(rows)
        for column in range(columns)
    )


WHOLE = Region(0, 1, 0, 1, 0.2)
"""The background: everywhere, and weaker than what stands in it."""

TEMPLATES: Mapping[str, tuple[Region, ...]] = {
    "halves": _grid(1, 2, 1.0),
    "thirds": _grid(1, 3, 1.0),
    "rows": _grid(2, 1, 1.0),
    "background": (WHOLE, *_grid(1, 2, 0.8)),
}
"""Areas to begin with; in each their weights sum to 1 wherever one looks."""


def joined_prompt(parts: Iterable[str]) -> str:
    """The prompts of areas as one, in which they stay apart."""
    return " AND ".join(" ".join(part.split()) for part in parts)
