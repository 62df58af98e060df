"""The fields of a dataclass as options of a command, and what was written back as a value of it.

Every field gets one, by its row in the table (``core.fields``) and its words: nothing is listed here.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.cli.parser import decimal, whole, words
from sdcolab.core.errors import FieldNotOption, RequestError
from sdcolab.core.fields import Field, Part, parts_of, table_of
from sdcolab.core.registry import Registry, closest
from sdcolab.core.samplers import SAMPLERS, SCHEDULES
from sdcolab.core.words import FIELD_WORDS, PART_LABELS, option_called, short_option_words
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain
from sdcolab.core.words.layout import NAMES_TO_READ

_NAMES: Mapping[str | None, Registry[Any]] = {"samplers": SAMPLERS, "schedules": SCHEDULES}
"""Lists that are the same everywhere, so that the help can say them."""


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """The options of one dataclass. ``beside``: fields that the command asks for in a way of its own. ``prefix``
    stands before the paths of its fields in the words, and in ``beside``."""

    kind: type
    beside: frozenset[str] = frozenset()
    prefix: str = ""

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Add the options, in the groups that the fields are shown in."""
        groups: dict[str, Any] = {}
        for path, field in self._fields().items():
            title = FIELD_WORDS[path].group
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            groups[title].add_argument(f"--{option_name(path)}", dest=path, **_settings(field))
        for path, part in self._units().items():
            group = parser.add_argument_group(PART_LABELS[path])
            group.add_argument(
                *dict.fromkeys((f"--{_slug(PART_LABELS[path])}", f"--{path}")),
                dest=path,
                action="append",
                type=_unit_reader(path, part),
                metavar="CAMPO=VALOR,…",
                help=_escaped(said.REPEATS.format(fields=", ".join(_unit_fields(path, part)))),
            )

    def given(self, options: argparse.Namespace) -> dict[str, Any]:
        """What was written, by path, that of parts that repeat by the number of each ("control.0.weight"); pictures are
        still the names of their files."""
        found = {path: getattr(options, path, None) for path in self._fields()}
        written = {path: value for path, value in found.items() if value is not None}
        for path in self._units():
            for number, values in enumerate(getattr(options, path, None) or ()):
                written |= {f"{path}.{number}.{name}": value for name, value in values.items()}
        return written

    def needed(self, path: str) -> tuple[str, ...]:
        """The fields without which the one at ``path`` means nothing: what the parts around it need, outermost
        first."""
        table, around = table_of(self.kind, self.prefix), [path[:at] for at, letter in enumerate(path) if letter == "."]
        return tuple(
            field.path for part in around for field in table.values() if field.parent == part and field.required
        )

    def columns(self) -> Mapping[str, tuple[str, Callable[[str], Any]]]:
        """What people call the fields at the head of a table, in lower case (the option, the label, the names in the
        API, in the infotext and in the program), with the path and the reader of each. The first of a name wins."""
        known: dict[str, tuple[str, Callable[[str], Any]]] = {}
        for path, field in self._fields().items():
            reader = _truth if field.kind is bool and not field.many else _reader(field)
            for name in (option_name(path), FIELD_WORDS[path].label, path, *field.api, field.label):
                known.setdefault(name.strip().casefold(), (path, reader))
        known.pop("", None)
        return known

    def _fields(self) -> Mapping[str, Field]:
        units = self._units()
        table = table_of(self.kind, self.prefix)
        return {
            path: field
            for path, field in table.items()
            if path not in self.beside and not any(path.startswith(f"{unit}.") for unit in units)
        }

    def _units(self) -> Mapping[str, Part]:
        return {path: part for path, part in parts_of(self.kind, self.prefix).items() if part.many}


def _truth(text: str) -> bool:
    """A yes or a no in a table."""
    return text.strip().casefold() not in ("", "0", "no", "false", "falso")


def option_name(path: str) -> str:
    """The option of a field, without dashes: the one in its words, or its label."""
    known = FIELD_WORDS[path]
    return known.option or _slug(known.label)


def _slug(label: str) -> str:
    """A label as an option: lower case, no accents, dashes between words."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode("ascii")
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # argparse fills in its help


def _settings(field: Field) -> dict[str, Any]:
    """How argparse reads one field."""
    settings: dict[str, Any] = {"help": _escaped(_help(field)), "default": None}
    if field.kind is bool and not field.many:
        return settings | {"action": argparse.BooleanOptionalAction}
    return settings | {"type": _reader(field), "metavar": _metavar(field)}


def _metavar(field: Field) -> str:
    if field.is_picture or field.kind is Path:
        return "ARCHIVO"
    if field.is_number:
        return "N" if field.kind is int else "X"
    return "NOMBRE" if field.choices else "PALABRA" if field.is_choice else "TEXTO"


def _help(field: Field) -> str:
    """What it is for, its range or words, and its default."""
    known = FIELD_WORDS[field.path]
    facts = []
    if field.low is not None and field.high is not None and field.control != "seed":
        facts.append(said.RANGE.format(low=field.low, high=field.high))
    if field.is_choice:
        facts.append(", ".join(short_option_words(field.kind).values()))
    if field.choices in _NAMES and not field.parent:  # once: the second pass and its like take the same
        facts.append(", ".join(_NAMES[field.choices]))
    if field.default not in ("", None) and not field.required and not field.many and field.kind is not bool:
        facts.append(said.DEFAULT.format(value=_said(field)))
    text = f"{known.label}: {known.help}" if known.help else known.label
    return f"{text} ({'; '.join(facts)})" if facts else text


def _said(field: Field) -> str:
    """The default, as it can be written."""
    if field.is_choice:
        return short_option_words(field.kind).get(field.default, field.default)
    return f"{field.default:g}" if field.is_number else str(field.default)


def _reader(field: Field) -> Callable[[str], Any]:
    one = _one_reader(field)
    if not field.many or field.is_picture:
        return one
    return lambda text: tuple(one(part) for part in text.split(",") if part.strip())


def _one_reader(field: Field) -> Callable[[str], Any]:
    if field.is_picture or field.kind is Path:
        return Path
    if field.is_choice:
        return _word(field)
    if field.is_number:
        return whole(field.path) if field.kind is int else decimal(field.path)
    return _name if field.choices else words


def _name(text: str) -> str:
    """A name of a list, also as the faces show it: "Automático"."""
    shown = {label.casefold(): name for name, label in NAMES_TO_READ.items()}
    return shown.get(text.strip().casefold(), words(text))


def _word(field: Field) -> Callable[[str], Any]:
    """A parser for one of an enumeration's words, or of what the faces call them, whatever case and accents."""

    def parse(text: str) -> Any:
        if (word := option_called(field.kind, text)) is not None:
            return word
        close = closest(text, (*short_option_words(field.kind).values(), *(word.value for word in field.kind)))
        error = FieldNotOption(field=field.path, value=text[:60], suggestions=close)
        raise argparse.ArgumentTypeError(explain(error).text)

    return parse


def _unit_fields(path: str, part: Part) -> Mapping[str, Field]:
    """The fields of one of several parts, by what the command calls them."""
    return {option_name(inner): field for inner, field in table_of(part.kind, path).items()}


_BETWEEN_FIELDS = re.compile(r",(?=[^,=]*=)")
"""A value may hold commas: 0,8, a prompt, a file's name."""


def _unit_reader(path: str, part: Part) -> Callable[[str], dict[str, Any]]:
    """A parser for ``campo=valor,campo=valor``; pictures are still the names of their files, and each ``imagen=`` of a
    field that holds several adds one."""
    known = _unit_fields(path, part)

    def parse(text: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for pair in _BETWEEN_FIELDS.split(text):
            name, _, written = pair.partition("=")
            field = known.get(name.strip().casefold())
            if field is None:
                raise argparse.ArgumentTypeError(said.NO_FIELD.format(name=name.strip(), known=", ".join(known)))
            value = _unit_value(field, written.strip())
            values[field.name] = (*values.get(field.name, ()), value) if field.is_picture and field.many else value
        missing = [name for name, field in known.items() if field.required and field.name not in values]
        if missing:
            raise argparse.ArgumentTypeError(said.FIELD_MISSING.format(name=missing[0]))
        pictures = {field.name for field in known.values() if field.is_picture}
        _made(part.kind, {name: value for name, value in values.items() if name not in pictures})
        return values

    return parse


def _unit_value(field: Field, written: str) -> Any:
    return written.casefold() in said.YES if field.kind is bool else _reader(field)(written)


def _made(make: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What ``make`` makes of ``values``; its Spanish complaint is argparse's."""
    try:
        return make(**values)
    except RequestError as error:
        raise argparse.ArgumentTypeError(explain(error).text) from error
