"""From an infotext to the script whose sheet it describes (hechos/a1111.md 9.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcolab.core.fields import table_of
from sdcolab.core.infotext.text import Infotext
from sdcolab.core.scripts import SCRIPTS

TITLE_LABEL = "Script"
FIXED_SEEDS = ("Fixed X Values", "Fixed Y Values", "Fixed Z Values")
"""What became of -1: told to people, and drawn again otherwise."""


@dataclass(frozen=True, slots=True)
class PastedScript:
    """What a text says of a script: its ``code``, its texts by field, and the labels that they were under."""

    code: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()


def script_of(infotext: Infotext) -> PastedScript:
    """The script that made a sheet, if it records its settings; what is not said of them has its default."""
    title = infotext.get(TITLE_LABEL)
    kind = next((one for one in SCRIPTS if one.title == title), None)
    recorded = [one for one in table_of(kind).values() if one.label] if kind else []
    if kind is None or not recorded:
        return PastedScript()
    values = {one.name: infotext.get(one.label) or one.default for one in recorded}
    return PastedScript(kind.code, values, frozenset({TITLE_LABEL, *FIXED_SEEDS, *(one.label for one in recorded)}))
