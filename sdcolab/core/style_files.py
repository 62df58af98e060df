"""The user's styles as AUTOMATIC1111 keeps them, so that both programs can use one file: ``styles.csv``
(hechos/a1111.md 8.6).

UTF-8 with a byte order mark; a header ``name,prompt,negative_prompt``; texts may hold commas, quotes and newlines. What
people's spreadsheets make of it is read too: semicolons or tabs, UTF-16, Windows' own encoding.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

from sdcolab.core.errors import CannotRead
from sdcolab.core.files import atomic_write, system_reason
from sdcolab.core.kept import set_aside
from sdcolab.core.prompt import Style

FILE_NAME = "styles.csv"
MAX_BYTES = 5_000_000
MAX_STYLES = 5_000

_COLUMNS = ("name", "prompt", "negative_prompt")
_OLD_PROMPT = "text"
"""How the oldest files call the prompt."""
_NONE = "None"
"""The empty style that the oldest files begin with."""
_DELIMITERS = ",;\t"
SEPARATOR_LINE = re.compile(r"\Asep=.\r?\n", re.IGNORECASE)
"""What Excel reads, and some programs write for it, above the header."""
_LONGEST_FIELD = 100_000


def delimiter_of(text: str) -> str:
    """What separates the columns of a table whose first line is its header: spreadsheets write semicolons and tabs
    too."""
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count)


def styles_in(text: str) -> tuple[Style, ...]:
    """The styles of a ``styles.csv``; the last of a name counts, as in A1111. Raises ``ValueError`` when it is no such
    file."""
    text = SEPARATOR_LINE.sub("", text.lstrip("\ufeff").replace("\0", "").lstrip("\r\n"))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), skipinitialspace=True)
    try:
        places = {name.strip().casefold().replace(" ", "_"): place for place, name in enumerate(next(rows, ()))}
        if "name" not in places or not {"prompt", _OLD_PROMPT} & places.keys():
            raise ValueError("no header of styles")
        return _read(rows, places)
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _read(rows: Iterable[list[str]], places: dict[str, int]) -> tuple[Style, ...]:
    found: dict[str, Style] = {}
    for row in rows:
        cells = {name: row[place] for name, place in places.items() if place < len(row)}
        name = cells.get("name", "").strip()
        prompt, negative = cells.get("prompt") or cells.get(_OLD_PROMPT, ""), cells.get("negative_prompt", "")
        if not name or name.startswith("#") or (name == _NONE and not (prompt or negative)):
            continue
        if max(map(len, (name, prompt, negative))) > _LONGEST_FIELD or len(found) == MAX_STYLES:
            raise ValueError("too much for a file of styles")
        found[name] = Style(name, prompt, negative)
    return tuple(found.values())


def text_of(styles: Iterable[Style]) -> str:
    """``styles`` as AUTOMATIC1111 writes them, without the byte order mark."""
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    rows.writerows((style.name, style.prompt, style.negative_prompt) for style in styles)
    return written.getvalue()


def decoded(data: bytes) -> str:
    """The text of a file that a spreadsheet may have saved."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def load_styles(path: Path) -> tuple[Style, ...] | None:
    """The styles in ``path``; None when there is no such file.

    Raises ``SettingsUnreadable`` when it is not what it should be (it is renamed out of the way first), or
    ``CannotRead``.
    """
    try:
        return _loaded(path)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    except ValueError as error:
        raise set_aside(path) from error


def peek_styles(path: Path) -> tuple[Style, ...] | None:
    """The same without touching the file: None when it cannot be understood, which ``load_styles`` will tell."""
    try:
        return _loaded(path)
    except (OSError, ValueError):
        return None


def save_styles(path: Path, styles: tuple[Style, ...]) -> None:
    """Write ``styles`` to ``path``, unless it says so already, and keep what was there beside it, as AUTOMATIC1111 does
    (``.bak``). Raises ``DiskFull`` or ``CannotWrite``."""
    there = peek_styles(path)
    if there == styles or (there is None and not styles):
        return
    if there is not None:
        with atomic_write(path.with_name(f"{path.name}.bak")) as file:
            file.write(path.read_bytes())
    with atomic_write(path) as file:
        file.write(text_of(styles).encode("utf-8-sig", "replace"))


def _loaded(path: Path) -> tuple[Style, ...] | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > MAX_BYTES:
        raise ValueError("too large")
    return styles_in(decoded(data)) if data.strip() else ()
