"""What the user prefers, beyond a picture's own request: how pictures are saved, what the bar holds, how the page looks
and tells that it is done. One JSON file, beside the other settings, so that it travels to Drive with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdcolab.core.codec import from_json, to_json
from sdcolab.core.control import MAX_UNITS
from sdcolab.core.fields import fact, table_of
from sdcolab.core.formats import QUALITY, ImageFormat
from sdcolab.core.kept import change_kept, peek_kept, read_kept

FILE_NAME = "ajustes.json"
MAX_PATTERN = 400
"""Longest pattern of a name, in characters."""

MAX_NAMES = 20

STANDARD_BAR = ("checkpoint", "vae", "clip_skip")
"""What the guide puts in the quicksettings."""

STANDARD_UNITS = 3


class Look(StrEnum):
    """Light or dark."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Preferences:
    """``file_pattern`` follows a picture's number in its name, "" for its seed; ``folder_pattern`` is the folder below
    that of its kind. Both are A1111's (``core.file_patterns``). ``save_text``: the infotext beside the picture too.
    ``grid_format``: of the sheets of scripts. ``preview``: pictures are shown while they are made.
    ``translate``: prompts are put into English before they are generated. ``adult``: the catalogue shows what is for
    adults too.
    ``bar``: paths of the fields always in sight. ``control_units``: how many of ControlNet the faces show.
    """

    image_format: ImageFormat = fact(ImageFormat.PNG, key="samples_format")
    quality: int = fact(QUALITY, low=1, high=100, key="jpeg_quality")
    file_pattern: str = fact("", key="samples_filename_pattern")
    folder_pattern: str = fact("[date]", key="directories_filename_pattern")
    save_text: bool = fact(False, key="save_txt")
    grid_format: ImageFormat = fact(ImageFormat.PNG, key="grid_format")
    preview: bool = fact(True, key="live_previews_enable")
    translate: bool = fact(False)
    adult: bool = fact(True)
    bar: tuple[str, ...] = fact(STANDARD_BAR, key="quicksettings_list")
    control_units: int = fact(STANDARD_UNITS, low=2, high=MAX_UNITS, key="control_net_unit_count")
    look: Look = fact(Look.SYSTEM)
    sound: bool = fact(False, key="notification_audio")
    notify: bool = fact(False)

    def with_value(self, name: str, value: object) -> Preferences:
        """The same with one value, as JSON has it. Raises ``ValueError`` for what it cannot be."""
        field = table_of(Preferences).get(name)
        if field is None:
            raise ValueError(name)
        if field.many:
            return replace(self, **{name: _names(value)})
        if field.kind is bool and not isinstance(value, bool):
            raise ValueError(name)
        if field.kind is int:
            value = _whole(value, field.low or 0, field.high or 0)
        if field.kind is str and (not isinstance(value, str) or len(value) > MAX_PATTERN or "\0" in value):
            raise ValueError(name)
        return replace(self, **{name: field.kind(value)})


def _names(value: object) -> Any:
    if not isinstance(value, list) or len(value) > MAX_NAMES or not all(isinstance(one, str) for one in value):
        raise ValueError("names")
    return tuple(dict.fromkeys(value))


def _whole(value: object, low: float, high: float) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("number")
    return int(min(max(value, low), high))


class PreferencesFile:
    """Reads and writes them in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def peek(self) -> Preferences:
        """What is saved; the defaults when there is nothing that can be read."""
        return peek_kept(self.path, _understood) or Preferences()

    def change(self, change: Callable[[Preferences], Preferences]) -> Preferences:
        """Save what ``change`` makes of them and return it. Raises ``SettingsUnreadable``, ``CannotRead``, ``DiskFull``
        or ``CannotWrite``."""
        return change_kept(self.path, lambda: read_kept(self.path, _understood) or Preferences(), change, to_json)


def _understood(raw: Mapping[str, Any]) -> Preferences:
    return from_json(Preferences, raw)
