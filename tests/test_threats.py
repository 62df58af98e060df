"""The page about who may do what (CONTRIBUTING.md) names, in each line, tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def threats() -> list[tuple[str, list[str]]]:
    """Who, and the tests that hold what is said of them."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("## Seguridad: quién puede hacer qué")[1].split("\n## ")[0]
    table = section.split("| Quién |")[1].splitlines()[2:]
    rows = [line.strip("|").split("|") for line in table if line.startswith("|")]
    return [(cells[0].strip(), re.findall(r"`([^`]+)`", cells[-1])) for cells in rows]


THREATS = threats()


def test_everybody_is_there() -> None:
    assert len(THREATS) >= 7


@pytest.mark.parametrize(("who", "tests"), THREATS, ids=[who for who, _ in THREATS])
def test_each_line_names_tests_that_exist(who: str, tests: list[str]) -> None:
    assert tests, who
    for test in tests:
        file, _, name = test.partition("::")
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(" if name else r"^def test_", source, re.MULTILINE), test
