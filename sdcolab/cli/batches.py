"""What ``sdcolab lote`` reads: JSON Lines, a CSV, a text of prompts, or a folder of pictures, as orders.

Only what switching costs is read at first; a request's pictures and the rest when its turn comes.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from sdcolab.cli.generar import FIELD_OPTIONS, IMAGE, MASK, build_request
from sdcolab.core.codec import from_json, picture_from_text
from sdcolab.core.errors import BatchEmpty, BatchUnreadable, CannotRead, InfotextUnreadable, SdcolabError
from sdcolab.core.fields import plain_path
from sdcolab.core.files import system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import Pasted, parse, read_bytes
from sdcolab.core.pictures import PICTURE_SUFFIXES, read_picture_file
from sdcolab.core.registry import closest
from sdcolab.core.request import FIELDS, GenerationRequest
from sdcolab.core.style_files import SEPARATOR_LINE, decoded, delimiter_of
from sdcolab.core.tasks import Generate
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain
from sdcolab.fleet.orders import Order, digest_of, setup_of

MAX_LINE = 200_000_000
"""Bytes of one line, which may hold pictures."""

Given = Mapping[str, Any]
"""Values by path, pictures as the names of their files."""


def read_orders(source: Path, folders: Folders, given: Given, *, from_pictures: bool = False) -> list[Order]:
    """The orders of the list ``source``; ``given`` are the command's own options, which win over what it says.

    Raises ``BatchUnreadable`` naming the line, ``BatchEmpty`` and ``CannotRead``.
    """
    try:
        if source.is_dir():
            found = list(_of_pictures(source, folders, given, from_pictures=from_pictures))
        else:
            if zipfile.is_zipfile(source):
                raise BatchUnreadable(path=source, line=1, detail=said.WORKBOOK_LIST)
            kind = {".csv": _of_csv, ".txt": _of_text}.get(source.suffix.casefold(), _of_lines)
            found = list(kind(source, given))
    except OSError as error:
        raise CannotRead(path=source, reason=system_reason(error)) from error
    if not found:
        raise BatchEmpty(path=source)
    common = repr(sorted(given.items()))
    return [replace(order, number=number, digest=digest_of(order.digest, common)) for number, order in enumerate(found)]


# --- One value a column -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where something stands that is being read."""

    path: Path
    line: int

    def fail(self, detail: str) -> NoReturn:
        """Say that it is not understood."""
        raise BatchUnreadable(path=self.path, line=self.line, detail=detail.rstrip("."))


def values_in(row: Mapping[str, Any], spot: _Spot) -> dict[str, Any]:
    """The values of a row, by path: columns may be called as the options, as the API's fields or as the labels of the
    infotext. Empty cells say nothing. Raises ``BatchUnreadable``."""
    columns, found = _columns(), {}
    for name, value in row.items():
        text = "" if value is None else str(value).strip()
        if not text:
            continue
        known = columns.get(str(name).strip().casefold())
        if known is None:
            near = closest(str(name), columns)
            spot.fail(said.NO_COLUMN.format(name=name) + (said.DID_YOU_MEAN.format(name=near[0]) if near else ""))
        path, reader = known
        try:
            found[path] = reader(text)
        except argparse.ArgumentTypeError as error:
            spot.fail(str(error))
    return found


@functools.cache
def _columns() -> Mapping[str, tuple[str, Callable[[str], Any]]]:
    text: tuple[tuple[str, Callable[[str], Any]], ...] = (("prompt", str), ("checkpoint", str))
    names = {"prompt": text[0], "modelo": text[1], "model": text[1], "checkpoint": text[1]}
    return {**FIELD_OPTIONS.columns(), **names}


def _order(spot: _Spot, digest: str, base: Pasted, values: Given, folder: Path) -> Order:
    """An order for the values of a row over what a ``base`` says."""
    light = {path: value for path, value in values.items() if not _is_picture(path) and not path.startswith("init.")}
    request = _guarded(spot, lambda: build_request(base, light, spot.fail))
    return Order(0, setup_of(request), digest, lambda: build_request(base, values, spot.fail, folder))


def _is_picture(path: str) -> bool:
    field = FIELDS.get(plain_path(path))
    return path in (IMAGE, MASK) or (field is not None and field.is_picture)


def _guarded(spot: _Spot, build: Callable[[], GenerationRequest]) -> GenerationRequest:
    try:
        return build()
    except BatchUnreadable:
        raise
    except SdcolabError as error:
        spot.fail(explain(error).text)


def _of_csv(source: Path, given: Given) -> Iterator[Order]:
    """What spreadsheets save too: semicolons or tabs, Windows' own encoding, a line that says the separator."""
    text = decoded(source.read_bytes())
    told = SEPARATOR_LINE.match(text)
    text = text[told.end() :] if told else text
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), restkey="", restval="")
    try:
        for row in rows:
            spot = _Spot(source, rows.line_num + bool(told))
            cells = {name: value for name, value in row.items() if name or "".join(value).strip()}
            values = {**values_in(cells, spot), **given}
            if any(str(value).strip() for value in cells.values()):
                yield _order(spot, digest_of(repr(sorted(cells.items()))), Pasted({}), values, source.parent)
    except csv.Error as error:
        raise BatchUnreadable(path=source, line=rows.line_num, detail=str(error)) from error


def _of_text(source: Path, given: Given) -> Iterator[Order]:
    for number, line in enumerate(decoded(source.read_bytes()).splitlines(), 1):
        if line.strip():
            values = {"prompt": line.strip(), **given}
            yield _order(_Spot(source, number), digest_of(line.strip()), Pasted({}), values, source.parent)


# --- JSON Lines ---------------------------------------------------------------------------------------------------


def _of_lines(source: Path, given: Given) -> Iterator[Order]:
    with source.open("rb") as file:
        at, number = file.tell(), 1
        while line := file.readline(MAX_LINE):
            if line.strip():
                spot = _Spot(source, number)
                values = _object(line, spot)
                if "code" in values or "request" in values:
                    yield _whole(values, spot, given, at, digest_of(line.strip()))
                else:
                    row = {**values_in(values, spot), **given}
                    yield _order(spot, digest_of(line.strip()), Pasted({}), row, source.parent)
            at, number = file.tell(), number + 1


def _whole(values: Mapping[str, Any], spot: _Spot, given: Given, at: int, digest: str) -> Order:
    """An order whose line is a task, as ``cuadricula --exportar`` writes them. The line is read again at its turn."""
    small = Image.new("RGB", (8, 8))
    light = {path: value for path, value in given.items() if not _is_picture(path)}
    request = _guarded(spot, lambda: _task_request(values, spot, light, lambda _value: small))

    def load() -> GenerationRequest:
        with spot.path.open("rb") as file:
            file.seek(at)
            return _task_request(_object(file.readline(MAX_LINE), spot), spot, given, picture_from_text)

    return Order(0, setup_of(request), digest, load)


def _task_request(
    values: Mapping[str, Any], spot: _Spot, given: Given, picture: Callable[[Any], Image.Image]
) -> GenerationRequest:
    if values.get("code", Generate.code) != Generate.code:
        spot.fail(said.NO_BATCH_TASK.format(code=values["code"]))
    try:
        request = from_json(Generate, values, picture).request
    except (ValueError, TypeError, KeyError, AttributeError):
        spot.fail(said.NO_REQUEST)
    if not given:
        return request
    base = Pasted({field.name: getattr(request, field.name) for field in fields(request)})
    return build_request(base, given, spot.fail)


def _object(line: bytes, spot: _Spot) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        spot.fail(said.NO_JSON)
    if not isinstance(value, dict):
        spot.fail(said.NO_OBJECT)
    return value


# --- A folder of pictures -----------------------------------------------------------------------------------------


def _of_pictures(source: Path, folders: Folders, given: Given, *, from_pictures: bool) -> Iterator[Order]:
    from sdcolab.wiring import engine

    files = sorted(path for path in source.iterdir() if path.suffix.casefold() in PICTURE_SUFFIXES)
    for number, path in enumerate(files, 1):
        spot = _Spot(path, number)
        base = Pasted({})
        try:
            text = read_bytes(read_picture_file(path), path.name)
            models = ("checkpoint",) if "checkpoint" in given else ()
            if parse(text).fields:
                base = engine.paste(text, folders, decided=(*given, *models))
        except InfotextUnreadable:
            if not from_pictures:
                continue
        if not from_pictures and not base.changes:
            continue
        known = path.stat()
        digest = digest_of(path.name, str(known.st_size), str(known.st_mtime_ns))
        values = {**given, **({IMAGE: path.name} if from_pictures else {})}
        yield _order(spot, digest, base, values, path.parent)
