"""What the panel answers to the modules of rooms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

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


_MODEL = """face => {
  let told;
  window.asked = [];
  const answers = { state: { version: 1, reading: null, kinds: [], binned: 0 }, page: { total: 0, entries: [] } };
  const send = ({ id, question }) => {
    asked.push(question);
    setTimeout(() => told({ id, answer: answers[question] }));
  };
  face.render({ model: { on: (_what, heard) => { told = heard }, send }, el: document.getElementById("host") });
}"""


@pytest.mark.navegador
def test_the_gallery_looks_as_soon_as_it_is_seen(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    source = str(room_widget("galeria", Shelf(tmp_path), lambda _wish: None)._esm)
    module = source.replace("export default", "window.face =")
    page.set_content(f"<div id=host hidden></div><script type=module>{module}</script>")
    page.wait_for_function("window.face !== undefined")
    page.evaluate("window.setInterval = () => 0")  # what is only seen at its pulse is seen too late
    page.evaluate(f"({_MODEL})(window.face)")
    page.wait_for_function("asked.includes('page')")
    page.evaluate("asked.length = 0; document.getElementById('host').hidden = false")
    page.wait_for_function("asked.filter((one) => one === 'state').length === 2")  # the second time with what is new
    page.close()
