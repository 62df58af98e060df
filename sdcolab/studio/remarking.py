"""What both faces say of the form before its button is pressed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sdcolab.core.control import UNSET, changes_nothing
from sdcolab.core.errors import (
    ControlWithoutEffect,
    DepthFileMissing,
    DetectorMissing,
    FaceFileMissing,
    NotDownloaded,
    RegionsAlone,
    RegionsAtWork,
    RegionsMalformed,
    RequestError,
    SdcolabError,
)
from sdcolab.core.fields import check_value
from sdcolab.core.prompt import apply_styles
from sdcolab.core.regions import Regions
from sdcolab.core.remarks import Draft
from sdcolab.core.request import FIELDS
from sdcolab.studio.control_desk import as_number, is_unit
from sdcolab.studio.form import number
from sdcolab.studio.generating import IMAGE_MODE, Asked
from sdcolab.studio.studio import Studio

MOST = 4
"""More at a time nobody reads."""

_REGIONS = ("regions.divisions", "regions.positions", "regions.weights")
_LOOKED_AT = ("prompt", "negative_prompt", "checkpoint", "width", "height", "hires", "regions", *_REGIONS)
_OF_UNITS = ("module", "model", "weight", "start", "end")
_OF_A_UNIT = re.compile(rf"control\.\d+\.(?:{'|'.join(_OF_UNITS)})")


def looked_at(path: str) -> bool:
    """Whether what the field at ``path`` holds counts for the remarks."""
    return path in _LOOKED_AT or is_unit(path) or _OF_A_UNIT.fullmatch(path) is not None


def every_path(units: Iterable[str]) -> tuple[str, ...]:
    """All that ``looked_at`` tells, in a form with these units of ControlNet."""
    return (*_LOOKED_AT, *(path for unit in units for path in (unit, *(f"{unit}.{name}" for name in _OF_UNITS))))


def ended_by(said: SdcolabError) -> str:
    """The switch of the form that ends what ``said`` tells; "" where there is none."""
    return "regions" if isinstance(said, RegionsAtWork | RegionsAlone) else ""


def gettable(said: SdcolabError) -> str:
    """The file that one tap downloads, when ``said`` is that it is not here; "" where there is none."""
    if isinstance(said, NotDownloaded):
        return said.name
    return said.file if isinstance(said, DepthFileMissing | DetectorMissing | FaceFileMissing) else ""


def remarks_on(studio: Studio, asked: Asked) -> tuple[SdcolabError, ...]:
    """What to say of the form, the first ``MOST`` of it; of ``asked.values`` only what ``looked_at`` tells counts."""
    return tuple(said for said, _ in zip(_said(studio, asked), range(MOST), strict=False))


def _said(studio: Studio, asked: Asked) -> Iterator[SdcolabError]:
    values = asked.values
    width, height = _side(values, "width"), _side(values, "height")
    yield from (side for side in (width, height) if isinstance(side, SdcolabError))
    regions = _regions(values)
    if isinstance(regions, SdcolabError):
        yield regions
        regions = None
    if idle := tuple(int(unit.rpartition(".")[2]) + 1 for unit in _on(values) if _idle(unit, values)):
        yield ControlWithoutEffect(idle)
    chosen = studio.settings.peek().chosen_styles(asked.styles)
    written, unwanted = str(values.get("prompt") or ""), str(values.get("negative_prompt") or "")
    prompt, negative = apply_styles(written, unwanted, chosen)
    from_picture = asked.mode == IMAGE_MODE
    yield from studio.remarks(
        Draft(
            prompt,
            negative,
            str(values.get("checkpoint") or ""),
            0 if isinstance(width, SdcolabError) else width,
            0 if isinstance(height, SdcolabError) else height,
            hires=values.get("hires") is True and not from_picture,
            from_picture=from_picture,
            script=asked.script,
            regions=regions,
            controls=tuple(str(values.get(f"{unit}.model") or "") for unit in _on(values)),
        )
    )


def _on(values: Mapping[str, Any]) -> list[str]:
    return [unit for unit in filter(is_unit, values) if values[unit]]


def _idle(unit: str, values: Mapping[str, Any]) -> bool:
    """Whether ``unit`` changes nothing."""
    weight, start, end = (as_number(values.get(f"{unit}.{name}")) for name in ("weight", "start", "end"))
    known = UNSET not in (weight, start, end)
    return known and changes_nothing(str(values.get(f"{unit}.module") or ""), weight, start, end)


def _side(values: Mapping[str, Any], path: str) -> int | SdcolabError:
    try:
        side = int(number(path, values.get(path), whole=True))
        check_value(FIELDS[path], side, path)
    except RequestError as error:
        return error
    return side


def _regions(values: Mapping[str, Any]) -> Regions | SdcolabError | None:
    if values.get("regions") is not True:
        return None
    try:
        divisions, positions, weights = (str(values.get(path) or "") for path in _REGIONS)
        return Regions(divisions, positions, weights)
    except RegionsMalformed as error:
        return error
