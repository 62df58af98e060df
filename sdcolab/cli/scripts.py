"""Running scripts from commands: what ``cuadricula`` and ``generar --guion`` share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdcolab.cli.parser import folder
from sdcolab.cli.progress import ConsoleProgress
from sdcolab.core.errors import CannotRead, ScriptHasNoOption, ScriptOption, ScriptUnknown, SdcolabError
from sdcolab.core.events import Event, FileMade, ImageSaved, Warned
from sdcolab.core.fields import Field, table_of
from sdcolab.core.formats import ImageFormat
from sdcolab.core.machine import folders_in
from sdcolab.core.registry import closest
from sdcolab.core.scripts import AFTER_SHEETS, PLAN_SUFFIX, SCRIPTS, DynamicPrompts, Grid, text_of
from sdcolab.core.words import command as said
from sdcolab.core.words import label_of


def run_task(options: argparse.Namespace, task: Grid) -> int:
    """Count, export or run ``task``, and print what came of it."""
    from sdcolab.wiring import grids, grids_here

    progress = ConsoleProgress(sys.stderr)
    folders = folders_in(options.carpeta)
    library = grids_here.library_for(folders, getattr(options, "modelo", None))
    task = grids_here.shaped_task(task, library)
    if options.contar:
        told = grids.forecast(task, library, folders)
        _warn(progress, told.warnings)
        print(said.PICTURES.format(count=told.pictures))
        return 0
    if options.exportar:
        _warn(progress, grids.forecast(task, library, folders).warnings)
        _write_lines(options.exportar, grids.exported(task, library, folders))
        return 0
    results = _Results()

    def hear(event: Event) -> None:
        results.hear(event)
        progress(event)

    try:
        grids_here.run_here(
            task,
            folders=folders,
            library=library,
            listener=hear,
            output=options.salida,
            image_format=ImageFormat(options.formato),
        )
    finally:
        progress.close()
        results.tell(as_json=options.json)
    if (page := getattr(options, "html", None)) and results.plan:
        grids.write_plan_page(results.plan, page, library, folders)
        print(page)
    return 0


def add_script_options(parser: argparse.ArgumentParser) -> None:
    """What both commands offer for scripts."""
    add = parser.add_argument
    add("--dinamicos", action="store_true")
    add("--contar", action="store_true")
    add("--exportar", type=Path, metavar="ARCHIVO")
    add("--salida", type=folder, metavar="DIR")
    formats = [known.value for known in ImageFormat]
    add("--formato", choices=formats, default=formats[0], metavar="FORMATO")
    add("--json", action="store_true")


def _warn(progress: ConsoleProgress, warnings: Iterable[SdcolabError]) -> None:
    for warning in warnings:
        progress(Warned(warning))


class _Results:
    """The files that were made, sheets first."""

    def __init__(self) -> None:
        self.plan: Path | None = None
        self._images: list[ImageSaved] = []

    def hear(self, event: Event) -> None:
        match event:
            case ImageSaved():
                self._images.append(event)
            case FileMade(path) if path.suffix == PLAN_SUFFIX:
                self.plan = path

    def tell(self, *, as_json: bool) -> None:
        made = sorted(self._images, key=lambda image: image.index)
        if as_json:
            entries = [
                {
                    "archivo": str(image.path),
                    "semilla": image.seed,
                    "infotexto": image.infotext,
                    "hoja": image.index < AFTER_SHEETS,
                }
                for image in made
            ]
            print(json.dumps({"imagenes": entries, "plan": str(self.plan or "")}, ensure_ascii=False))
            return
        for image in made:
            print(image.path)


def _write_lines(target: Path, lines: Iterable[str]) -> None:
    from sdcolab.core.files import atomic_write

    with atomic_write(target) as file:
        for line in lines:
            file.write(line.encode("utf-8", "replace") + b"\n")
    print(target)


# --- Other scripts, for ``generar --guion`` -------------------------------------------------------------------------


def script_called(name: str, values: Iterable[str]) -> Any:
    """The script of that title or code, or ``DynamicPrompts``, with ``CAMPO=VALOR`` set. Raises ``ScriptUnknown``,
    ``ScriptHasNoOption`` and ``ScriptOption``, and what reading a file of lines raises."""
    kinds = (*SCRIPTS, DynamicPrompts)
    known = {one.casefold(): script for script in kinds for one in (script.title, script.code)}
    kind = known.get(name.strip().casefold())
    if kind is None:
        raise ScriptUnknown(name=name, suggestions=closest(name, [kind.title for kind in kinds]))
    table = {known_as: field for field in table_of(kind).values() for known_as in (field.name, *field.api)}
    settings: dict[str, Any] = {}
    for pair in values:
        field_name, _, value = pair.partition("=")
        field = table.get(field_name.strip())
        if field is None:
            names = tuple(field.name for field in table_of(kind).values())
            raise ScriptHasNoOption(script=kind.title, option=field_name.strip(), known=names)
        settings[field.name] = _value(kind, field, value.strip())
    return kind(**settings)


def _value(kind: Any, field: Field, value: str) -> Any:
    try:
        if field.many:
            return tuple(field.kind(one.strip()) for one in value.split(",") if one.strip())
        if field.is_choice:
            return {word.value.casefold(): word for word in field.kind}[value.casefold()]
        if field.kind is bool:
            return {**dict.fromkeys(said.YES, True), **dict.fromkeys(said.NO, False)}[value.casefold()]
        if field.control == "lines" and "\n" not in value and (value.endswith(".txt") or Path(value).is_file()):
            return _lines_in(Path(value))
        return field.kind(value)
    except (ValueError, KeyError) as error:
        choices = [word.value for word in field.kind] if field.is_choice else ()
        label = label_of(f"{kind.code}.{field.name}")
        near = closest(value, choices)
        raise ScriptOption(script=kind.title, option=label, value=value, suggestions=near) from error


def _lines_in(path: Path) -> str:
    """What a file of prompts says. Raises ``CannotRead``."""
    from sdcolab.core.files import system_reason

    try:
        return text_of(path.read_bytes())
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
