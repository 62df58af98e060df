"""Tags: the words that models were trained with. The list that comes with the program, those in the user's ``tags``
folder, and what Spanish words mean (hechos/extensiones.md 1).

The interactive part (ranking while somebody types, insertion) is in ``assets/rooms/palabras.js``, for both faces.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdcolab.studio.look import asset

MAX_LIST_BYTES = 64 * 1024 * 1024
MAX_TAGS = 400_000

GENERAL, QUALITY = 0, 5
"""Categories of danbooru: what is in the picture, and words about the picture (meta)."""

_TAGGER_HEADER = ["tag_id", "name", "category", "count"]


@dataclass(frozen=True, slots=True)
class Tag:
    """``count`` is how many pictures have it (0 when nobody knows); ``spanish`` its names in Spanish."""

    name: str
    category: int = GENERAL
    count: int = 0
    aliases: tuple[str, ...] = ()
    spanish: tuple[str, ...] = ()


def bare(text: str) -> str:
    """``text`` as words are compared: lower case, no accents, single spaces."""
    marks = unicodedata.normalize("NFD", text.replace("_", " "))
    return " ".join("".join(mark for mark in marks if not unicodedata.combining(mark)).casefold().split())


@cache
def own_tags() -> tuple[Tag, ...]:
    """The tags that come with the program, each once, in the order of their rank."""
    found: dict[str, Tag] = {}
    for tag in _read_own(asset("tags/propias.txt")):
        found.setdefault(tag.name, tag)
    return tuple(found.values())


def _read_own(text: str) -> Iterator[Tag]:
    category = GENERAL
    lists: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            category = QUALITY if line[1] == str(QUALITY) else GENERAL
        elif line.startswith("× "):
            one, other = line.split()[1:]
            yield from (_joined(one, left, right) for right in lists[other] for left in lists[one])
        elif ": " in line and not line.startswith("#") and "|" in line:
            name, _, words = line.partition(": ")
            lists[name] = [word.split("|") for word in words.split(", ")]
        elif " = " in line and not line.startswith("#"):
            name, _, spanish = line.partition(" = ")
            yield Tag(name, category, 0, (), tuple(spanish.split("; ")))


def _joined(kind: str, left: list[str], right: list[str]) -> Tag:
    """A colour, a material or an animal with what has it. Colours agree with their noun."""
    name = f"{left[0]} {right[0]}"
    if kind == "colours":
        colour = left[2] if right[2].startswith("f") else left[1]
        return Tag(name, spanish=(f"{right[1]} {_plural(colour) if right[2].endswith('p') else colour}",))
    if kind == "materials":
        return Tag(name, spanish=(f"{right[1]} {left[1]}",))
    return Tag(name, spanish=(f"{right[1]} {left[1]}",))


def _plural(colour: str) -> str:
    """ "azules", "marrones"; those named after things ("rosa") and those of two words do not change."""
    if " " in colour or colour in ("rosa", "naranja", "turquesa", "celeste", "lila", "beis"):
        return colour
    if colour[-1] in "aeo":
        return f"{colour}s"
    return f"{colour.replace('ó', 'o')}es"


def read_tag_csv(data: bytes) -> Iterator[Tag]:
    """Tags from TagComplete's CSV (``name,category,count,"alias,alias"``; only the name is needed) or a tagger's
    ``selected_tags.csv``. Rows that are neither are passed over."""
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace").replace("\0", "")))
    tagger = False
    try:
        for place, row in enumerate(rows):
            if place > MAX_TAGS:
                return
            if place == 0 and row[:4] == _TAGGER_HEADER:
                tagger = True
                continue
            found = _from_row(row[1:] if tagger else row)
            if found:
                yield found
    except csv.Error:
        return


def _from_row(row: list[str]) -> Tag | None:
    name, category, count, aliases = (*(cell.strip() for cell in row[:4]), "", "", "", "")[:4]
    if not name or len(name) > 200:
        return None
    own = tuple(filter(None, (alias.strip() for alias in aliases.split(","))))
    return Tag(name, _number(category), _number(count), own)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else 0


def every_tag(folder: Path) -> tuple[Tag, ...]:
    """Our own tags with quality words first, then those of every CSV in ``folder``, by count; the Spanish names stay.
    Files that cannot be read are passed over."""
    own = {tag.name.replace(" ", "_"): tag for tag in own_tags()}
    if not folder.is_dir():
        return tuple(own.values())
    known: dict[str, Tag] = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            if path.stat().st_size > MAX_LIST_BYTES:
                continue
            for tag in read_tag_csv(path.read_bytes()):
                known.setdefault(tag.name.replace(" ", "_"), tag)
        except OSError:
            continue
    ranked = sorted(known.items(), key=lambda item: -item[1].count)[:MAX_TAGS]
    first = [tag for name, tag in own.items() if name not in known]
    return (*first, *(_with_spanish(tag, own.get(name)) for name, tag in ranked))


def _with_spanish(tag: Tag, own: Tag | None) -> Tag:
    return Tag(tag.name, tag.category, tag.count, tag.aliases, own.spanish) if own else tag


def as_lines(tags: Iterable[Tag]) -> str:
    """The tags for the module in the browser: one a line, name, category, count, aliases and Spanish names between
    tabs, the last two between bars."""
    return "\n".join(
        "\t".join((tag.name, str(tag.category), str(tag.count), "|".join(tag.aliases), "|".join(tag.spanish)))
        for tag in tags
    )
