"""argparse that speaks Spanish, and the values that people write after options."""

from __future__ import annotations

import argparse
import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from sdcolab.core.errors import FieldNotNumber
from sdcolab.core.registry import closest
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain


class SpanishParser(argparse.ArgumentParser):
    """argparse that speaks Spanish: headings, and one line and exit code 2 for wrong use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_help=False, allow_abbrev=False, formatter_class=SpanishHelp, **options)
        self._asked: list[str] = []
        self._positionals.title = said.ARGUMENTS
        self._optionals.title = said.OPTIONS
        self.add_argument("-h", "--help", "--ayuda", action="help")

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As argparse's; what the option is for comes from the words, where ``help`` does not say it."""
        subcommand = self.prog.partition(" ")[2]
        found = said.HELP.get(subcommand, {}).get(names[0]) or said.EVERYWHERE.get(names[0])
        return super().add_argument(*names, **{"help": found, **settings})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; a subcommand tells of what it does not know itself: its options are the ones to look at."""
        self._asked = [] if args is None else [*args]
        known, unknown = super().parse_known_args(args, namespace)
        if unknown and " " in self.prog:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Print one Spanish line and leave with code 2."""
        if wrong := re.match(r"argument SUBCOMANDO: invalid choice: '(.*)' ", message):
            before = itertools.takewhile(lambda one: one != wrong[1], self._asked)
            if unknown := [one for one in before if one.startswith("--") and one not in self._option_string_actions]:
                message = f"unrecognized arguments: {unknown[0]}"  # whose value was taken for a subcommand
        told = in_spanish(message)
        if option := re.match(r"unrecognized arguments: --([^\s=]+)", message):
            like = closest(option[1], [name.lstrip("-") for name in self._option_string_actions])
            told += said.OR_MAYBE.format(name=like[0]) if like else ""
        self.exit(2, f"{told}{said.LOOK_AT_OPTIONS.format(program=self.prog)}\n")


class SpanishHelp(argparse.HelpFormatter):
    """Help whose usage line starts in Spanish."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """As argparse's, with its prefix in Spanish."""
        super().add_usage(usage, actions, groups, said.USAGE if prefix is None else prefix)


@dataclass(frozen=True)
class Translation:
    """A pattern of argparse's English messages and its Spanish replacement."""

    pattern: str
    spanish: str


TRANSLATIONS = (
    Translation(r"unrecognized arguments: (.+)", said.UNKNOWN),
    Translation(r"the following arguments are required: (.+)", said.MISSING),
    Translation(r"argument (.+): expected one argument", said.VALUE_MISSING),
    Translation(r"argument SUBCOMANDO: invalid choice: '(.*)' .*", said.NO_SUBCOMMAND),
    Translation(r"argument (.+): invalid choice: '(.*)' \(choose from (.+)\)", said.NO_CHOICE),
    Translation(r"argument (.+): ignored explicit argument '(.*)'", said.NO_VALUE_WANTED),
    Translation(r"argument (\S+): (.+)", r"\1: \2"),
)


def in_spanish(message: str) -> str:
    """argparse's complaint in Spanish; our own sentences, which end in a full stop, stay as they are."""
    if message.startswith("--") and message.endswith("."):
        return message
    for translation in TRANSLATIONS:
        found = re.fullmatch(translation.pattern, message, re.DOTALL)
        if found:
            return found.expand(translation.spanish)
    return said.BADLY_WRITTEN.format(message=message)


def add_folder_option(parser: argparse.ArgumentParser, default: object) -> None:
    """Subcommands leave the default out (SUPPRESS), so that an option before the subcommand is not overwritten."""
    parser.add_argument(
        "--carpeta",
        type=lambda text: Path(text).expanduser().absolute(),
        default=default,
        metavar="DIR",
    )


# --- Values -------------------------------------------------------------------------------------------------------


def whole(field: str) -> Callable[[str], int]:
    """A parser for an integer request field; its complaint names the field in Spanish."""
    return _number(field, int)


def decimal(field: str) -> Callable[[str], float]:
    """A parser for a decimal request field. A decimal comma is understood too."""
    return _number(field, lambda text: float(text.replace(",", ".")))


def _number(field: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(explain(FieldNotNumber(field=field, value=text)).text) from None

    return parse


def words(text: str) -> str:
    """Text for people. Its bytes are read as UTF-8 also where the system's locale says otherwise."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        raise argparse.ArgumentTypeError(said.NOT_UTF8) from None


def port(text: str) -> int:
    """A TCP port number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(said.NO_PORT.format(text=text))
    return int(text)


def place(text: str) -> str:
    """The folder or address where results go; not the name of a file, which would become a folder called so."""
    from sdcolab.core.library import MODEL_SUFFIXES  # they take longer than the rest of the command line
    from sdcolab.core.pictures import PICTURE_SUFFIXES

    if Path(text).suffix.lower() in (*PICTURE_SUFFIXES, *MODEL_SUFFIXES) and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(said.NO_FOLDER.format(text=text))
    return text


def folder(text: str) -> Path:
    """As ``place``, on this computer."""
    return Path(place(text))


def login(text: str) -> tuple[str, str]:
    """``nombre:contraseña``; the password may hold colons."""
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise argparse.ArgumentTypeError(said.NO_LOGIN)
    return name, password
