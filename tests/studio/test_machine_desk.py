"""What the tab "Ajustes" changes of how the program is opened, and who may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdcolab.core.errors import FolderNotKnown, FolderUnfit, PasswordUnfit, PasswordWrong, StrangeQuestion
from sdcolab.core.folders import Folders
from sdcolab.core.machine import Machine, MachineFile, MemoryUse
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.settings import SettingsFile
from sdcolab.studio.machine_desk import FREE_TRIES, MachineDesk, Opened
from sdcolab.studio.preferences_room import PreferencesRoom

LOGIN = ("ana", "la de siempre")


def room_of(root: Path, opened: Opened) -> PreferencesRoom:
    folders = Folders(root)
    files = PreferencesFile(folders.config), SettingsFile(folders.config)
    return PreferencesRoom(*files, folders, MachineDesk(folders, opened))


def rows_of(room: PreferencesRoom) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in room.answers["settings"]({})["rows"]}


def change(room: PreferencesRoom, name: str, value: object = "", **more: str) -> None:
    room.answers["change"]({"name": name, "value": value, **more})


def test_on_an_own_machine_everything_is_changed_and_told(tmp_path: Path) -> None:
    root, pictures = tmp_path / "programa", tmp_path / "fotos"
    room = room_of(root, Opened())
    assert rows_of(room)["outputs"]["value"] == str(root / "outputs")
    change(room, "outputs", str(pictures))
    change(room, "memory", "turns")
    change(room, "checkpoints", 4)
    change(room, "graphs", True)
    change(room, "password", "muy secreta", user="ana")
    assert MachineFile(root).peek() == Machine(str(pictures), MemoryUse.TURNS, "ana", "muy secreta", 4, graphs=True)
    rows = rows_of(room)
    assert (rows["outputs"]["value"], rows["memory"]["value"]) == (str(pictures), "turns")
    assert "ana" in rows["password"]["value"] and not rows["password"]["guarded"]
    change(room, "outputs", "")
    change(room, "graphs", False)
    change(room, "password", "", user="")
    assert MachineFile(root).peek() == Machine(memory=MemoryUse.TURNS, checkpoints=4)
    with pytest.raises(FolderUnfit):
        change(room, "outputs", str(tmp_path))
    for wrong in ("todo", 3, None):
        with pytest.raises(StrangeQuestion):
            change(room, "memory", wrong)
    for number in ("2", 0, 11, True, None):
        with pytest.raises(StrangeQuestion):
            change(room, "checkpoints", number)
    with pytest.raises(StrangeQuestion):
        change(room, "graphs", 1)


def test_the_password_never_comes_back(tmp_path: Path) -> None:
    room = room_of(tmp_path, Opened(login=LOGIN))
    change(room, "password", "una muy nueva", user="eva", current=LOGIN[1])
    for question in ("settings", "page"):
        said = json.dumps(room.answers[question]({}), ensure_ascii=False)
        assert "una muy nueva" not in said and LOGIN[1] not in said


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("ana", "corta"),
        ("", "sin usuario ninguno"),
        ("a:b", "suficiente larga"),
        ("ana", "x" * 500),
        ("ana", "con\nsalto larga"),
        ("ana", ""),
    ],
)
def test_passwords_that_cannot_be(tmp_path: Path, user: str, password: str) -> None:
    with pytest.raises(PasswordUnfit):
        change(room_of(tmp_path, Opened()), "password", password, user=user)


def test_a_page_with_a_password_asks_for_it_and_not_for_ever(tmp_path: Path) -> None:
    room = room_of(tmp_path, Opened(login=LOGIN))
    assert rows_of(room)["password"]["guarded"]
    for _ in range(FREE_TRIES):
        with pytest.raises(PasswordWrong):
            change(room, "password", "una muy nueva", user="eva", current="adivinada")
    with pytest.raises(PasswordWrong):
        change(room, "password", "una muy nueva", user="eva", current=LOGIN[1])
    assert MachineFile(tmp_path).peek() == Machine()


@pytest.mark.parametrize("opened", [Opened(login=LOGIN), Opened(only_here=False), Opened(page=False)])
def test_folders_of_other_programs_only_where_nobody_else_comes_in(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "otro" / "models" / "Lora").mkdir(parents=True)
    room = room_of(tmp_path / "programa", opened)
    assert "linked" not in rows_of(room)
    with pytest.raises(StrangeQuestion):
        change(room, "linked", str(tmp_path / "otro"))


def test_folders_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "otro" / "models" / "Lora").mkdir(parents=True)
    room = room_of(tmp_path / "programa", Opened())
    change(room, "linked", str(tmp_path / "otro"))
    assert rows_of(room)["linked"]["choices"] == ["otro"]
    assert (tmp_path / "programa" / "models" / "Lora" / "otro").is_symlink()
    change(room, "linked", gone="otro")
    assert rows_of(room)["linked"]["choices"] == []
    with pytest.raises(FolderNotKnown):
        change(room, "linked", str(tmp_path / "nada"))


def test_the_notebook_s_panel_changes_only_the_memory(tmp_path: Path) -> None:
    room = room_of(tmp_path, Opened(page=False))
    rows = rows_of(room)
    assert [rows[name]["kind"] for name in ("outputs", "memory", "password")] == ["told", "choice", "told"]
    change(room, "memory", "streamed")
    assert MachineFile(tmp_path).peek().memory is MemoryUse.STREAMED
    for name in ("outputs", "password"):
        with pytest.raises(StrangeQuestion):
            change(room, name, str(tmp_path / "x"))
