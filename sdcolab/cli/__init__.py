"""The ``sdcolab`` command, in Spanish: with no subcommand it opens the web UI here. One file a subcommand.

Exit codes: 0 all went well, 1 something failed, 2 the command was written wrongly, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sdcolab import __version__
from sdcolab.cli import (
    ampliar,
    carpetas,
    convertir,
    cuadricula,
    descargar,
    diagnostico,
    entrenar,
    extraer,
    generar,
    lanzar,
    lora,
    lote,
    mezclar,
    servicio,
    web,
)
from sdcolab.cli.parser import SpanishParser
from sdcolab.core.errors import Cancelled, GridError, LaunchError, RequestError, SdcolabError, Unexpected
from sdcolab.core.launching import understand
from sdcolab.core.words import command as said
from sdcolab.core.words.console import explain
from sdcolab.core.words.launching import needless

SERVER_WORD = "servidor"
"""May be written for opening the page, which is what happens without any subcommand."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A word after ``sdcolab``; one that the words do not explain stays out of the help. ``add_options`` fills its
    parser in, and sets the ``command`` to run; modules import what they need when that runs: ``sdcolab --version``
    must not wait for gradio or torch."""

    name: str
    add_options: Callable[[argparse.ArgumentParser], None]


SUBCOMMANDS = (
    Subcommand("generar", generar.add_options),
    Subcommand("cuadricula", cuadricula.add_options),
    Subcommand("lote", lote.add_options),
    Subcommand("ampliar", ampliar.add_options),
    Subcommand("descargar", descargar.add_options),
    Subcommand("entrenar", entrenar.add_options),
    Subcommand("lora", lora.add_options),
    Subcommand("convertir", convertir.add_options),
    Subcommand("extraer", extraer.add_options),
    Subcommand("mezclar", mezclar.add_options),
    Subcommand("lanzar", lambda parser: lanzar.add_options(parser, main, build_parser)),
    Subcommand("carpetas", carpetas.add_options),
    Subcommand("diagnostico", diagnostico.add_options),
    Subcommand("servicio", servicio.add_options),
)
"""In the order of the help."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = SpanishParser(prog="sdcolab", description=said.DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"sdcolab {__version__}")
    web.add_options(parser)
    commands = parser.add_subparsers(title=said.COMMANDS, metavar="SUBCOMANDO", parser_class=SpanishParser)
    for subcommand in SUBCOMMANDS:
        explained = said.SUBCOMMANDS.get(subcommand.name)
        shown: dict[str, Any] = {"help": explained} if explained else {}
        subcommand.add_options(commands.add_parser(subcommand.name, **shown))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prefer_utf8(sys.stdout, sys.stderr)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = build_parser()
    try:
        options = parser.parse_args(_in_our_words(sys.argv[1:] if arguments is None else arguments))
        web.refuse_options_of_the_page(parser, options)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except (GridError, LaunchError, RequestError) as error:
        print(explain(error), file=sys.stderr)
        return 2
    except argparse.ArgumentTypeError as error:  # an environment variable that is written wrongly
        print(error, file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print(explain(Cancelled()), file=sys.stderr)
        return 130
    except SdcolabError as error:
        print(explain(error), file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has left: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes it
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug gets a sentence, and its traceback in the log
        _log.exception("error inesperado")
        print(explain(Unexpected(kind=type(error).__name__, detail=str(error))), file=sys.stderr)
        return 1


def _in_our_words(arguments: Sequence[str]) -> Sequence[str]:
    """What opens the page may be said in A1111's words; those that need nothing are told."""
    if arguments and arguments[0] == SERVER_WORD:
        arguments = arguments[1:]
    if {subcommand.name for subcommand in SUBCOMMANDS}.intersection(arguments):
        return arguments
    understood = understand(arguments)
    for line in needless(understood.needless):
        print(line, file=sys.stderr)
    return understood.arguments


def _prefer_utf8(*streams: Any) -> None:
    """Spanish needs UTF-8, and some consoles and pipes still start with something else."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
