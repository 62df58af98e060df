"""``sdcolab generar``: images from a prompt, from a picture, or from the infotext of another image.

Every field of a request is an option, made from the table of fields (``cli.options``); what the options say wins over
the infotext.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdcolab.cli.options import FieldOptions, option_name
from sdcolab.cli.parser import add_folder_option, words
from sdcolab.cli.progress import ConsoleProgress, warn
from sdcolab.cli.scripts import add_script_options, run_task, script_called
from sdcolab.core.errors import (
    CannotRead,
    InfotextFieldUnused,
    InfotextModelDiffers,
    InfotextNeedsPicture,
    InfotextUnreadable,
    SdcolabError,
)
from sdcolab.core.events import Event, Note, Phase
from sdcolab.core.fields import plain_path, value_at, with_values
from sdcolab.core.files import system_reason
from sdcolab.core.formats import ImageFormat
from sdcolab.core.infotext import Pasted, PastedScript, parse, read_bytes, script_of
from sdcolab.core.machine import folders_in
from sdcolab.core.picture_folders import pictures_in
from sdcolab.core.pictures import open_picture
from sdcolab.core.preprocessors import unit_called
from sdcolab.core.request import FIELDS, GenerationRequest
from sdcolab.core.result import GenerationResult
from sdcolab.core.timing import PartTimes
from sdcolab.core.words import command as said
from sdcolab.core.words.speed import times_line

IMAGE, MASK = "init.images", "init.inpaint.mask"

FIELD_OPTIONS = FieldOptions(GenerationRequest, frozenset({"prompt", "checkpoint"}))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab generar [opciones] PROMPT"
    add = parser.add_argument
    add("prompt", nargs="?", type=words, metavar="PROMPT")
    add(
        "--infotext",
        metavar="ARCHIVO",
    )
    add("--modelo", default=argparse.SUPPRESS, metavar="ARCHIVO")
    add("--guion", type=words, metavar="NOMBRE")
    add(
        "--guion-valor",
        action="append",
        default=[],
        type=words,
        metavar="CAMPO=VALOR",
    )
    add_script_options(parser)
    add_folder_option(parser, argparse.SUPPRESS)
    FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Make images and print their paths."""
    from sdcolab.wiring import engine

    given = _given(options)
    _check(options, given)
    folders = folders_in(options.carpeta)
    pasted, pasted_script = Pasted({}), PastedScript()
    if options.infotext is not None:
        models = ("checkpoint",) if options.modelo else ()
        text = _read_infotext(options.infotext)
        pasted, pasted_script = engine.paste(text, folders, decided=(*given, *models)), script_of(parse(text))
        warn(sys.stderr, *_shortcomings(pasted, pasted_script, with_picture=IMAGE in given))
    request, chosen = engine.with_control_models(build_request(pasted, given, options.fail), folders, options.modelo)
    warn(sys.stderr, *chosen)
    if options.guion or options.dinamicos or pasted_script.code:
        return _run_script(options, request, pasted_script)
    progress = ConsoleProgress(sys.stderr)
    timed, notes = PartTimes(progress), []

    def listener(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        timed(event)

    try:
        result = engine.generate(
            request,
            folders=folders,
            model=options.modelo,
            output=options.salida,
            image_format=ImageFormat(options.formato),
            listener=listener,
        )
    finally:
        progress.close()
    spent = timed.ended()
    told = (*notes, times_line(spent)) if sys.stderr.isatty() else ()  # like the progress
    for line in filter(None, told):
        print(line, file=sys.stderr)
    warn(sys.stderr, *_differences(pasted, result))
    if options.json:
        print(json.dumps(_result_as_json(result, spent, notes), ensure_ascii=False))
    else:
        for image in result.images:
            print(image.path)
    return 0


def given_in(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say, by path; of a unit's type its usual preprocessor. Raises ``UnknownName`` and
    ``PreprocessorUnserved``."""
    given = FIELD_OPTIONS.given(options)
    for path in [path for path in given if plain_path(path) == "control.module"]:
        kind, given[path] = unit_called(given[path])
        given.setdefault(path.removesuffix("module") + "kind", kind)
    return given


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return given_in(options) | ({} if options.prompt is None else {"prompt": options.prompt})


def request_of(options: argparse.Namespace) -> GenerationRequest:
    """The request that the options of another subcommand say, which takes those of this one too; the only model of a
    unit's type is told."""
    from sdcolab.wiring import engine

    given = _given(options)
    for path in given:
        if path.startswith("init."):
            _need(options.fail, path, given)
    request = build_request(Pasted({}), given, options.fail)
    request, chosen = engine.with_control_models(request, folders_in(options.carpeta), getattr(options, "modelo", None))
    warn(sys.stderr, *chosen)
    return request


def _run_script(options: argparse.Namespace, request: GenerationRequest, pasted: PastedScript) -> int:
    """Run the script that the options name, or that which made the sheet whose infotext was ``pasted``."""
    from sdcolab.core.scripts import DynamicPrompts, Grid

    recorded = [f"{name}={value}" for name, value in pasted.values.items() if isinstance(value, str)]
    name, values = (options.guion, ()) if options.guion else (pasted.code, recorded)
    script = script_called(name, (*values, *options.guion_valor)) if name else None
    dynamic = script if isinstance(script, DynamicPrompts) else DynamicPrompts() if options.dinamicos else None
    return run_task(options, Grid(request, None if script is dynamic else script, dynamic))


def _check(options: argparse.Namespace, given: dict[str, Any]) -> None:
    for name in ("exportar", "contar"):
        if getattr(options, name) and not (options.guion or options.dinamicos):
            options.fail(said.ONLY_WITH.format(option=f"--{name}", needed="--guion"))
    if options.prompt is None and options.infotext is None:
        options.fail("the following arguments are required: PROMPT")
    for path in given:
        if path.startswith("init."):
            _need(options.fail, path, given)


def _need(fail: Callable[[str], object], path: str, there: Any) -> None:
    """Refuse an option that means nothing without another one; ``there`` are the paths that have a value."""
    for needed in FIELD_OPTIONS.needed(path):
        if needed not in there and needed != path:
            fail(said.ONLY_WITH.format(option=option_name(path), needed=option_name(needed)))


def build_request(
    pasted: Pasted, given: Mapping[str, Any], fail: Callable[[str], object], folder: Path = Path()
) -> GenerationRequest:
    """What the infotext says, and over it what the options say (by path; pictures as files, in ``folder`` unless they
    say where). ``fail`` is called with a sentence when an option means nothing without another one."""
    request = GenerationRequest(**pasted.changes)
    values: dict[str, Any] = {
        path: _opened(path, value, folder) for path, value in given.items() if path not in (IMAGE, MASK)
    }
    if IMAGE in given:
        mask = open_picture(folder / given[MASK]) if MASK in given else None
        values["init"] = pasted.init_image(open_picture(folder / given[IMAGE]), mask)
    if "hires.scale" in given:  # the size of the infotext would win
        values = {"hires.width": 0, "hires.height": 0} | values
    there = {*given, *(path for path in ("refiner.checkpoint",) if value_at(request, path))}
    for path in given:
        if path == plain_path(path):
            _need(fail, path, there)
    return with_values(request, values)


def _opened(path: str, value: Any, folder: Path) -> Any:
    """What the field at ``path`` holds: pictures from their files, all of a folder's where it holds several."""
    field = FIELDS.get(plain_path(path))
    if field is None or not field.is_picture:
        return value
    if not field.many or isinstance(value, Path):
        return open_picture(folder / value)
    places = [folder / one for one in value]
    return tuple(open_picture(file) for place in places for file in (pictures_in(place) if place.is_dir() else [place]))


def _read_infotext(source: str) -> str:
    """The infotext in a picture or text file, or in what comes by stdin when ``source`` is "-"."""
    path = Path(source)
    try:
        data = sys.stdin.buffer.read() if source == "-" else path.read_bytes()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    text = read_bytes(data, path.name)
    if not parse(text).fields:
        raise InfotextUnreadable(source=path.name)
    return text


def _shortcomings(pasted: Pasted, script: PastedScript, *, with_picture: bool) -> Iterator[SdcolabError]:
    """What of the infotext will not be as it was; ``script`` is done too. Raises ``InfotextFileMissing`` for what there
    is no doing without."""
    for missing in pasted.missing:
        if missing.field != "vae":
            raise missing
    yield from pasted.missing
    yield from pasted.warnings
    yield from (
        InfotextFieldUnused(label=label, value=value) for label, value in pasted.unused if label not in script.labels
    )
    if pasted.starts_from_picture and not with_picture:
        yield InfotextNeedsPicture()


def _differences(pasted: Pasted, result: GenerationResult) -> Iterator[SdcolabError]:
    """Whether the model that was used is another file than the infotext's."""
    made = parse(result.images[0].infotext)
    wanted, own = pasted.hashes.get("checkpoint", "").casefold(), made.get("Model hash") or ""
    if wanted.isalnum() and len(wanted) >= len(own) > 0 and not wanted.startswith(own):
        yield InfotextModelDiffers(name=made.get("Model") or "", wanted=wanted, own=own)


def _result_as_json(result: Any, spent: Mapping[Phase, float], notes: Sequence[str]) -> dict[str, object]:
    """``segundos`` of each part, and in ``notas`` why it was slow."""
    return {
        "segundos": {phase.value: round(seconds, 3) for phase, seconds in spent.items()},
        "notas": list(notes),
        "imagenes": [
            {"archivo": str(image.path), "semilla": image.seed, "infotexto": image.infotext} for image in result.images
        ],
    }
