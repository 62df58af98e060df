"""The commands that README, the changelog and the sentences tell people to write are ones that the program takes."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from sdcolab.cli import SERVER_WORD, build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.es.md").read_text(encoding="utf-8")
WRITTEN = [
    README,
    (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "sdcolab/core/words").glob("*.py"))),
    *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "notebooks").glob("*.ipynb"))),
]
WHOLE = re.findall(r"^\.venv/bin/sdcolab\b(.*)$", README, re.MULTILINE)
NAMED = sorted({told for text in WRITTEN for told in re.findall(r"[`«]sdcolab ([^`»\n]+)[`»]", text)})


def arguments(line: str) -> list[str]:
    """The words of a line of a shell, without its comment."""
    words = shlex.split(line, comments=True)
    return words[1:] if words[:1] == [SERVER_WORD] else words


@pytest.mark.parametrize("line", WHOLE)
def test_the_lines_of_readme_are_understood(line: str) -> None:
    build_parser().parse_args(arguments(line))


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    kinds = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return kinds[0].choices if kinds else {}


@pytest.mark.parametrize("told", NAMED)
def test_named_subcommands_and_options_exist(told: str) -> None:
    parser, words = build_parser(), arguments(told)
    known = set(parser._option_string_actions)
    while words and re.fullmatch(r"[a-z]+", words[0]) and subcommands(parser):
        parser = subcommands(parser)[words.pop(0)]
        known |= set(parser._option_string_actions)
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known


def test_there_is_something_to_look_at() -> None:
    assert len(WHOLE) > 10
    assert len(NAMED) > 5
