"""The panel's tab of wildcard lists: a tree, an editor, and a zip that is taken in."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from sdcolab.colab.panel_wildcards import WildcardTab
from sdcolab.grids.dynamic.manager import WildcardManager
from sdcolab.wiring.grids import bundled_wildcards

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def at_once(action: Callable[[], None]) -> Callable[[object], None]:
    return lambda _event: action()


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for name, text in files.items():
            written.writestr(f"bichos/{name}.txt", text)
    return packed.getvalue()


def test_a_list_is_chosen_in_the_tree_and_a_zip_is_taken_in(tmp_path: Path) -> None:
    told: list[str] = []
    tab = WildcardTab(ipywidgets, WildcardManager(tmp_path, bundled_wildcards()), told.append, at_once)
    chosen, mention, name, text, row = tab.box.children
    upload: Any = row.children[-1]
    chosen.value = "ropa/"
    assert (name.value, text.value) == ("", ""), "a folder is no list"
    chosen.value = "ropa/arriba.txt"
    assert name.value == "ropa/arriba.txt" and text.value and "__ropa/arriba__" in mention.value
    packed = archive(peces="atún\nlubina")
    upload.value = (
        {"name": "x.zip", "type": "application/zip", "size": len(packed), "content": packed, "last_modified": NOW},
    )
    assert "bichos/peces.txt" in told[-1]
    chosen.value = "bichos/peces.txt"
    assert text.value == "atún\nlubina"


def test_a_list_that_is_deleted_can_be_saved_again(tmp_path: Path) -> None:
    told: list[str] = []
    tab = WildcardTab(ipywidgets, WildcardManager(tmp_path, bundled_wildcards()), told.append, at_once)
    chosen, _, name, text, row = tab.box.children
    save, delete, _ = row.children
    name.value, text.value = "frutas", "higo"
    save.click()
    assert chosen.value == "frutas.txt"
    delete.click()
    assert (chosen.value, text.value) == ("", "higo")
    assert told[-1].startswith("🗑️ Lista «frutas.txt» borrada.")
    chosen.value = "poses.txt"
    delete.click()
    assert chosen.value == "poses.txt" and text.value
    assert "viene con sdcolab" in told[-1]
