"""What the tools take from the package is there: nobody runs most of them between two changes."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = sorted((ROOT / "tools").rglob("*.py"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.stem)
def test_every_name_is_there(tool: Path) -> None:
    for node in ast.walk(ast.parse(tool.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "sdcolab":
            module = importlib.import_module(node.module)
            missing = [one.name for one in node.names if not hasattr(module, one.name)]
            assert not [name for name in missing if importlib.util.find_spec(f"{node.module}.{name}") is None]
