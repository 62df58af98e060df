"""The user's wildcard lists, and nothing but them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sdcolab.core import zips
from sdcolab.core.errors import WildcardRefused
from sdcolab.core.prompt.marks import idle_marks
from sdcolab.grids.dynamic.drawing import draw
from sdcolab.grids.dynamic.files import WildcardFolder
from sdcolab.grids.dynamic.manager import WildcardManager
from sdcolab.studio.wildcards import INDENT, MOST_MENTIONED, branches, deleted, mention
from sdcolab.wiring.grids import bundled_wildcards


@pytest.fixture
def manager(tmp_path: Path) -> WildcardManager:
    return WildcardManager(tmp_path / "wildcards", bundled_wildcards())


def test_lists_are_edited_and_come_back(manager: WildcardManager, tmp_path: Path) -> None:
    assert "poses.txt" in manager.tree()
    assert "standing" in manager.text("poses.txt")
    assert manager.save("mis colores", "rojo\nazul") == "mis colores.txt"
    assert manager.save("poses.txt", "tumbado") == "poses.txt"
    assert manager.is_own("poses.txt")
    folder = WildcardFolder(tmp_path / "wildcards", bundled_wildcards())
    assert folder.values("poses") == ("tumbado",)
    assert draw("__mis colores__", 1, folder).text in ("rojo", "azul")
    manager.delete("poses.txt")
    assert "standing" in manager.text("poses.txt")


def test_only_what_is_the_user_s_is_deleted_and_it_is_told(manager: WildcardManager) -> None:
    assert (deleted(manager, "poses.txt").gone, "no se borra" in deleted(manager, "poses").told) == (False, True)
    assert "No hay ninguna lista «nada.txt»" in deleted(manager, "nada").told
    manager.save("mis colores", "rojo")
    done = deleted(manager, "mis colores")
    assert (done.gone, done.text) == (True, None)
    assert "Lista «mis colores.txt» borrada" in done.told
    assert "mis colores.txt" not in manager.tree()
    manager.save("poses", "tumbado")
    done = deleted(manager, "poses.txt")
    assert done.gone and done.text and "standing" in done.text
    with pytest.raises(WildcardRefused):
        deleted(manager, "")


def test_the_lists_of_a_file_are_told_as_a_prompt_names_them(manager: WildcardManager) -> None:
    assert mention(manager, "ropa/arriba.txt") == "__ropa/arriba__"
    manager.save("colores.yaml", "frios:\n  - azul\ncalidos:\n  vivos: [rojo, naranja]\n")
    assert mention(manager, "colores.yaml") == "__frios__ __calidos/vivos__"
    manager.save("sueltos.json", '["uno", "dos"]')
    assert mention(manager, "sueltos.json") == "__sueltos__"
    manager.save("roto.yaml", "a: [1")
    assert mention(manager, "roto.yaml") == mention(manager, "nada.txt") == ""
    manager.save("muchos.yaml", "\n".join(f"k{number}: [x]" for number in range(MOST_MENTIONED + 1)))
    assert mention(manager, "muchos.yaml").endswith(f"__k{MOST_MENTIONED - 1}__ …")
    with pytest.raises(WildcardRefused):
        mention(manager, "../x.yaml")


@pytest.mark.parametrize(
    "name", ["../x.txt", "/etc/x.txt", "a/../../x.txt", "x.exe", "a" * 300, "", ".txt", "a//b.txt\0"]
)
def test_names_lead_nowhere_else(manager: WildcardManager, name: str) -> None:
    with pytest.raises(WildcardRefused):
        manager.text(name)
    if name not in ("x.exe", ""):
        with pytest.raises(WildcardRefused):
            manager.save(name, "x")


@pytest.mark.parametrize("name", ["con.txt", "a./b.txt", "a /b.txt", "ñ" * 99 + ".txt", "ropa/nul.txt"])
def test_names_that_some_system_cannot_have(manager: WildcardManager, name: str) -> None:
    with pytest.raises(WildcardRefused):
        manager.save(name, "x")


def test_folders_may_be_divided_as_in_windows(manager: WildcardManager, tmp_path: Path) -> None:
    assert manager.save("ropa\\gorras", "boina") == "ropa/gorras.txt"
    assert (tmp_path / "wildcards" / "ropa" / "gorras.txt").read_text("utf-8") == "boina"


def test_a_damaged_zip_is_refused(manager: WildcardManager, tmp_path: Path) -> None:
    archive = tmp_path / "listas.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("gorras.txt", "boina " * 1000)
    data = bytearray(archive.read_bytes())
    data[45:60] = b"\xff" * 15
    archive.write_bytes(data)
    with pytest.raises(WildcardRefused):
        manager.import_zip(archive)


def test_a_zip_of_endless_names_is_not_opened(
    manager: WildcardManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "listas.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for number in range(300):
            opened.writestr(f"{number}.dat", "")
    assert manager.import_zip(archive) == ()
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 10_000)
    with pytest.raises(WildcardRefused):
        manager.import_zip(archive)


def test_links_lead_nowhere_else(manager: WildcardManager, tmp_path: Path) -> None:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "secreto.txt").write_text("s")
    (tmp_path / "wildcards" / "enlace.txt").symlink_to(tmp_path / "secreto.txt")
    with pytest.raises(WildcardRefused):
        manager.text("enlace.txt")


def test_zips_bring_lists_alone(manager: WildcardManager, tmp_path: Path) -> None:
    archive = tmp_path / "listas.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("ropa/sombreros.txt", "boina\nsombrero")
        opened.writestr("../fuera.txt", "x")
        opened.writestr("programa.exe", "x")
        opened.writestr("enorme.txt", "x" * 1_000_001)
    assert manager.import_zip(archive) == ("ropa/sombreros.txt",)
    assert not (tmp_path / "fuera.txt").exists()
    broken = tmp_path / "roto.zip"
    broken.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(WildcardRefused):
        manager.import_zip(broken)


def test_our_own_lists_are_whole() -> None:
    folder = WildcardFolder(bundled_wildcards())
    assert {"poses", "luces", "planos", "ropa/arriba", "lugares/ciudad"} <= set(folder.names())
    for name in folder.names():
        assert len(folder.values(name)) >= 10
        for value in folder.values(name):
            assert draw(value, 1, folder).text == value


@pytest.mark.parametrize(
    ("prompt", "marks"),
    [
        ("a cat", []),
        ("[cat|dog] in a [[a|b]:c:0.5]", []),
        ("young man|tree, grass|city", ["|"]),
        ("a {red|blue} cat", ["{…|…}"]),
        ("a __poses__ cat", ["__…__"]),
        ("__ropa/arriba__", ["__…__"]),
        ("<lora:a__b__c:1> and <lora:x|y:1>", []),
        ("__init__.py {x} 5 __ 3", ["__…__"]),
        ("{a|b} c|d __e__", ["{…|…}", "__…__", "|"]),
        (r"\{a|b\}", ["|"]),
    ],
)
def test_marks_that_do_nothing_without_a_script(prompt: str, marks: list[str]) -> None:
    assert [mark for mark, _ in idle_marks(prompt)] == marks


def test_lists_are_shown_as_a_tree() -> None:
    names = ("luces.txt", "ropa/arriba.txt", "ropa/invierno/gorros.yaml", "tela.json")
    assert branches(names) == [
        ("luces", "luces.txt"),
        ("ropa/", "ropa/"),
        (f"{INDENT}arriba", "ropa/arriba.txt"),
        (f"{INDENT}invierno/", "ropa/invierno/"),
        (f"{INDENT * 2}gorros.yaml", "ropa/invierno/gorros.yaml"),
        ("tela.json", "tela.json"),
    ]
