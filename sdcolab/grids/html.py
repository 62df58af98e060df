"""A finished plan as one HTML page: a picture that follows a slider for each axis, and the sheet to click on."""

from __future__ import annotations

import base64
import html
import io
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from sdcolab.core.errors import CannotRead
from sdcolab.core.files import atomic_write, system_reason
from sdcolab.core.words.grids import NO_PICTURE_HERE
from sdcolab.grids.plan import Legends, Plan
from sdcolab.grids.planfile import Done, Progress

QUALITY = 85
MANY = 200
"""With more cells than this, pictures are made smaller, so that a browser can hold the page."""

_SIDE, _SMALL_SIDE = 1024, 384
_AXES = ("X", "Y", "Z")


def page(plan: Plan, progress: Progress) -> str:
    """The page, everything inside. Cells that are not done are gaps. Raises ``CannotRead``."""
    sheet = plan.sheet
    columns, rows = (sheet.columns, sheet.rows) if sheet else (len(plan.cells), 1)
    lines: tuple[Legends, ...] = (sheet.column_legends, sheet.row_legends, sheet.titles) if sheet else ((), (), ())
    counts = (columns, rows, sheet.sheets if sheet else 1)
    axes = [
        {"name": name, "values": [_text(legends, place) for place in range(count)]}
        for name, legends, count in zip(_AXES, lines, counts, strict=True)
    ]
    side = _SIDE if len(progress.done) <= MANY else _SMALL_SIDE
    cells: list[Any] = [None] * (counts[0] * counts[1] * counts[2])
    for index, done in progress.done.items():
        if index < len(plan.cells):
            x, y, z = plan.cells[index].at
            cells[(z * rows + y) * columns + x] = _cell(plan.cells[index].name, done, side)
    title = plan.script
    data = json.dumps({"axes": axes, "cells": cells}, ensure_ascii=False).replace("<", "\\u003c")
    template = (resources.files("sdcolab") / "grids" / "pages" / "plot.html").read_text("utf-8")
    return Template(template).substitute(
        title=html.escape(title), data=data, missing=json.dumps(NO_PICTURE_HERE, ensure_ascii=False)
    )


def write_page(plan: Plan, progress: Progress, path: Path) -> None:
    """The page as a file. Raises ``CannotRead``, ``DiskFull`` or ``CannotWrite``."""
    text = page(plan, progress)
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "replace"))


def _text(legends: Legends, place: int) -> str:
    return ", ".join(line.text for line in legends[place] if line.active) if place < len(legends) else ""


def _cell(name: str, done: Done, side: int) -> dict[str, str]:
    encoded = io.BytesIO()
    try:
        with Image.open(done.path) as picture:
            small = picture.convert("RGB")
    except OSError as error:
        raise CannotRead(path=done.path, reason=system_reason(error)) from error
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.save(encoded, format="WEBP", quality=QUALITY)
    picture_text = base64.b64encode(encoded.getvalue()).decode("ascii")
    return {"name": name, "picture": f"data:image/webp;base64,{picture_text}", "facts": done.infotext}
