"""What the panel answers to the modules of rooms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcolab.colab.panel_room import answer, room_widget
from sdcolab.core.errors import AlbumFolderName
from sdcolab.core.rooms import RoomFile, number


class Shelf:
    """A room with one of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "a.png").write_bytes(b"png")

    @property
    def answers(self) -> Mapping[str, Any]:
        return {"double": lambda said: 2 * number(said, "n"), "bug": lambda _said: 1 / 0, "no": self._no}

    def _no(self, _said: Mapping[str, Any]) -> None:
        raise AlbumFolderName(name="..")

    def file(self, kind: str, name: str) -> RoomFile | None:
        return RoomFile(self._folder / "a.png", "image/png") if (kind, name) == ("picture", "1") else None


@pytest.mark.parametrize(
    ("said", "told", "buffers"),
    [
        ({"id": 1, "question": "double", "said": {"n": 4}}, {"id": 1, "answer": 8}, []),
        ({"id": 2, "kind": "picture", "name": "1"}, {"id": 2, "media": "image/png"}, [b"png"]),
        ({"id": 3, "wish": {"act": "use"}}, {"id": 3, "answer": None}, []),
    ],
)
def test_answers_files_and_wishes(tmp_path: Path, said: object, told: object, buffers: object) -> None:
    wished: list[Mapping[str, Any]] = []
    assert answer("estante", Shelf(tmp_path), wished.append, said) == (told, buffers)
    assert len(wished) == (isinstance(said, dict) and "wish" in said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"question": "double", "said": {"n": "4"}}, "no entiende"),
        ({"question": "nada", "said": {}}, "no entiende"),
        ({"question": "no", "said": {}}, "no puede llamarse"),
        ({"question": "bug", "said": {}}, "ZeroDivisionError"),
        ({"kind": "picture", "name": "../a"}, "ya no está"),
        ([1], "no entiende"),
        (None, "no entiende"),
    ],
)
def test_what_cannot_be_is_explained(tmp_path: Path, said: object, words: str) -> None:
    told, buffers = answer("estante", Shelf(tmp_path), lambda _wish: None, said)
    assert words in told["error"] and buffers == []


def test_the_widget_carries_module_and_house(tmp_path: Path) -> None:
    source = str(room_widget("galeria", Shelf(tmp_path), lambda _wish: None)._esm)
    assert "function panelHouse" in source and "export function mount" in source and "export default" in source
