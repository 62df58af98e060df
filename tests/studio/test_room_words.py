"""The words of the rooms: each module finds all that it says, and nothing is left that nobody says."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from playwright._impl._driver import compute_driver_executable

from sdcolab.core.words.base import Template
from sdcolab.core.words.rooms import ROOM_WORDS
from sdcolab.studio.look import _FILLED, asset, icons, room_module

USED = re.compile(r'WORDS\.(\w+)|phrase\("(\w+)"')


@pytest.mark.parametrize("name", ROOM_WORDS)
def test_a_module_says_what_its_words_hold(name: str) -> None:
    used = {first or second for first, second in USED.findall(asset(f"rooms/{name}.js"))}
    assert used == set(ROOM_WORDS[name])
    assert room_module(name).startswith("const WORDS = {")


TEMPLATES = ("{0:imagen|imágenes}", "{0:Se ve la única|Se ven las #}.", "{0} de {1:cosa|cosas}", "{1}: {0}", "nada")


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_filled_the_same_in_both_languages(template: str) -> None:
    """Node comes with Playwright."""
    facts = [(count, other) for count in (0, 1, 2, 1000) for other in (1, 5)]
    told = f"{json.dumps(facts)}.map((one) => filled({json.dumps(template)}, one))"
    asked = f"{_FILLED}\nconsole.log(JSON.stringify({told}));"
    node = compute_driver_executable()[0]
    answer = json.loads(subprocess.run([node, "-e", asked], check=True, capture_output=True, text=True).stdout)
    assert answer == [Template(template).format(*one) for one in facts]


def test_a_module_without_words_is_as_it_was_written() -> None:
    assert room_module("cola").endswith(asset("rooms/cola.js"))
    assert "WORDS" not in room_module("cola")
    with pytest.raises(FileNotFoundError):
        room_module("ninguna")


@pytest.mark.parametrize("name", [*ROOM_WORDS, "cartas", "cola", "house"])
def test_every_icon_of_a_module_has_its_drawing(name: str) -> None:
    written = re.findall(r'sd-icon-([a-z0-9-]+)[" `]|iconButton\("([a-z0-9-]+)"', asset(f"rooms/{name}.js"))
    assert {one or other for one, other in written} <= set(icons())
