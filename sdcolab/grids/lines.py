"""Prompts from file or textbox: one job a line, with its own options (hechos/a1111.md 9.3)."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sdcolab.core.errors import AxisValueUnknown, LineOptionsUnread, ScriptEmpty, ScriptOption
from sdcolab.core.names import JOINED_NAMES, SAMPLER_NAMES
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.registry import closest
from sdcolab.core.request import FIELDS, MAX_SEED, PARTS, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import Insert, PromptLines
from sdcolab.grids.fields import changed
from sdcolab.grids.names import Names, resolved
from sdcolab.grids.plan import Cell, Plan, SheetPlan, check_count, in_order
from sdcolab.grids.xyz import RandomSeed, random_seed

TITLE = PromptLines.title
MAX_TEXT = 10_000_000


def plan(request: GenerationRequest, settings: PromptLines, names: Names, draw_seed: RandomSeed = random_seed) -> Plan:
    """One cell for each line that is not empty.

    Raises ``ScriptEmpty``, ``TooManyCells``, ``ScriptOption`` when a line asks for something that is not there, and
    ``RequestError`` for numbers out of range.
    """
    texts = [line.strip() for line in _text_of(settings).splitlines() if line.strip()]
    if not texts:
        raise ScriptEmpty(script=TITLE)
    check_count(len(texts))
    if request.seed == RANDOM_SEED and (settings.iterate_seed or settings.same_random_seed):
        request = replace(request, seed=draw_seed())
    cells = tuple(_cells(request, settings, texts, names))
    side = max(1, round(math.sqrt(len(cells))))
    sheet = SheetPlan(columns=math.ceil(len(cells) / side), rows=side, plain=True)
    placed = tuple(
        replace(cell, at=(index % sheet.columns, index // sheet.columns, 0)) for index, cell in enumerate(cells)
    )
    return Plan(TITLE, placed, in_order(placed), sheet if settings.combined and len(placed) > 1 else None)


def _text_of(settings: PromptLines) -> str:
    """What is written, without the mark that Windows puts before a file's text."""
    return settings.text[:MAX_TEXT].removeprefix("\ufeff")


def _cells(request: GenerationRequest, settings: PromptLines, texts: list[str], names: Names) -> Iterator[Cell]:
    seed = request.seed
    for text in texts:
        options = options_of(text)
        job = with_options(replace(request, seed=seed), options, names)
        prompt, negative = job.prompt, job.negative_prompt
        if "prompt" in options:
            prompt = _joined(str(options["prompt"]), request.prompt, settings.insert)
        if "negative_prompt" in options:
            negative = _joined(str(options["negative_prompt"]), request.negative_prompt, settings.insert)
        known = _known_styles(names)
        styles = [known[name.casefold()] for name in _styles_asked(options) if name.casefold() in known]
        prompt, negative = apply_styles(prompt, negative, styles)
        job = replace(job, prompt=prompt, negative_prompt=negative)
        yield Cell(job, (0, 0, 0), _shown(options, text), save=not options.get("do_not_save_samples", False))
        if settings.iterate_seed:
            seed = (seed + request.image_count) & MAX_SEED


def _shown(options: Mapping[str, Any], text: str) -> str:
    return str(options.get("prompt_for_display") or options.get("prompt") or text)


def _joined(line: str, form: str, insert: Insert) -> str:
    """A line's prompt with the form's, as A1111 joins them: with a blank, also where one is empty on the left."""
    if not form:
        return line
    return f"{line} {form}" if insert is Insert.START else f"{form} {line}"


# --- Options of a line ----------------------------------------------------------------------------------------------


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    return value.casefold() == "true"


_READERS: Mapping[Any, Callable[[str], Any]] = {int: int, float: float, bool: _flag}

_PATHS: Mapping[str, str] = {
    name: path
    for path, field in FIELDS.items()
    for name in field.api
    if field.kind in _READERS and not field.many
    if not (field.parent and (PARTS[field.parent].optional or PARTS[field.parent].many))
}
"""The field that each of the plain options sets: every number and switch that a payload has a name for, in what every
request has."""

_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    **{name: _READERS[FIELDS[path].kind] for name, path in _PATHS.items()},
    "sd_model": _text,
    "outpath_samples": _text,
    "outpath_grids": _text,
    "prompt_for_display": _text,
    "prompt": _text,
    "negative_prompt": _text,
    "styles": _text,
    "sampler_index": int,
    "sampler_name": _text,
    "scheduler": _text,
    "restore_faces": _flag,
    "do_not_save_samples": _flag,
    "do_not_save_grid": _flag,
}
"""What a line may say, and how it is read. Folders are not taken from a text: pictures go where pictures go."""

_JOINED = ("prompt", "negative_prompt")
"""Options that take all words up to the next one."""


def options_of(line: str) -> Mapping[str, Any]:
    """The options of a line; one without any (or that cannot be read) is all prompt. Total on any text."""
    return _said(line) or {"prompt": line}


_OPTION = re.compile(r"(?:^|(?<=\s))(?:--|—)(?=[a-z])")
"""Where an option begins; telephones make one dash of two."""

_CURLY = str.maketrans("“”„", '"""')


def _said(line: str) -> Mapping[str, Any]:
    """The options of a line; empty where it has none or one that cannot be read."""
    if not _OPTION.match(line.lstrip()):
        return {}
    try:
        return _parsed(shlex.split(_OPTION.sub("--", line.translate(_CURLY))))
    except (ValueError, IndexError, KeyError):
        return {}


def unread_options(settings: PromptLines) -> tuple[LineOptionsUnread, ...]:
    """The first lines that have options and are all prompt, since something in them cannot be read."""
    lines = (line.strip() for line in _text_of(settings).splitlines())
    unread = (line for line in dict.fromkeys(lines) if _OPTION.search(line) and not _said(line))
    return tuple(LineOptionsUnread(line=line[:_SHOWN]) for line in itertools.islice(unread, _MOST_TOLD))


_MOST_TOLD, _SHOWN = 5, 80


def _parsed(words: list[str]) -> Mapping[str, Any]:
    """Raises ``KeyError`` for an unknown option, ``IndexError`` for one that has no value, ``ValueError`` for a bad
    value."""
    options: dict[str, Any] = {}
    at = 0
    while at < len(words):
        if not words[at].startswith("--"):
            raise ValueError(words[at])
        name = words[at][2:]
        read = _OPTIONS[name]
        at += 1
        value = words[at]
        at += 1
        if name in _JOINED:
            while at < len(words) and not words[at].startswith("--"):
                value = f"{value} {words[at]}"
                at += 1
        options[name] = read(value)
    return options


def with_options(request: GenerationRequest, options: Mapping[str, Any], names: Names) -> GenerationRequest:
    """``request`` with what a line asks for, prompts and styles aside."""
    for name, path in _PATHS.items():
        if name in options:
            request = changed(request, path, _allowed(name, options[name]))
    if "sampler_index" in options:
        number = options["sampler_index"]
        if not 0 <= number < len(SAMPLER_NAMES):
            raise ScriptOption(script=TITLE, option="--sampler_index", value=str(number))
        request = replace(request, sampler=SAMPLER_NAMES[number])
    if "sampler_name" in options:
        sampler = _known("--sampler_name", options["sampler_name"], names, "samplers", JOINED_NAMES)
        request = changed(request, "sampler", sampler)
    if "scheduler" in options:
        request = replace(request, schedule=_known("--scheduler", options["scheduler"], names, "schedules"))
    if "sd_model" in options:
        request = replace(request, checkpoint=_known("--sd_model", options["sd_model"], names, "checkpoints"))
    return request


def _allowed(name: str, value: Any) -> Any:
    """A1111 writes -1 for a seed's size that is not set."""
    return max(0, value) if name.startswith("seed_resize") else value


def _known(option: str, value: str, names: Names, listed: str, extra: Iterable[str] = ()) -> str:
    try:
        return resolved(value, option, names.choices(listed), extra)
    except AxisValueUnknown as error:
        raise ScriptOption(script=TITLE, option=option, value=value, suggestions=error.suggestions) from error


def unknown_styles(settings: PromptLines, names: Names) -> tuple[ScriptOption, ...]:
    """The styles that lines name and nobody has, each once: A1111 makes such a line without them."""
    known = _known_styles(names)
    asked = dict.fromkeys(
        name for line in _text_of(settings).splitlines() for name in _styles_asked(options_of(line.strip()))
    )
    return tuple(
        ScriptOption(script=TITLE, option="--styles", value=name, suggestions=closest(name, list(names.styles())))
        for name in asked
        if name.casefold() not in known
    )


def _known_styles(names: Names) -> Mapping[str, Style]:
    return {name.casefold(): style for name, style in names.styles().items()}


def _styles_asked(options: Mapping[str, Any]) -> list[str]:
    return [name.strip() for name in str(options.get("styles", "")).split(",") if name.strip()]
