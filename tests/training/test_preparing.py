"""Folders made ready: zips, doubles and captions edited together, always with a way back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import CannotRead, DatasetMissing, NothingToUndo, PictureSkipped, SdcolabError
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.training.pantry import Pantry
from sdcolab.training.preparing import SET_ASIDE, find_doubles, set_aside, unpack
from sdcolab.training.quick import draw_pictures, draw_zorp
from sdcolab.training.survey import survey
from sdcolab.training.tags import TagBook, TagFilter, restore, search_tags


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "proyecto" / "10_zorp"
    own.mkdir(parents=True)
    for number in (0, 1, 4):
        picture, caption = draw_zorp(number)
        picture.save(own / f"{number}.png")
        (own / f"{number}.txt").write_text(f"{caption}, blue hair, smile, red tie", encoding="utf-8")
    return own


def test_doubles_are_set_aside_with_their_captions_and_never_deleted(folder: Path) -> None:
    with Image.open(folder / "0.png") as picture:
        picture.resize((96, 96)).save(folder / "copia.jpg", quality=80)
    (folder / "copia.txt").write_text("copia")
    (folder / "rota.png").write_bytes(b"no")
    told: list[SdcolabError] = []
    doubles = find_doubles(sorted(folder.glob("*.[pj][np]g")), told.append)
    assert [(double.path.name, double.of.name) for double in doubles] == [("copia.jpg", "0.png")]
    assert [type(error) for error in told] == [PictureSkipped]
    target = set_aside(doubles, folder.parent)
    assert target.name == SET_ASIDE
    assert {path.name for path in target.iterdir()} == {"10_zorp-copia.jpg", "10_zorp-copia.txt"}
    assert not (folder / "copia.jpg").exists()


def test_of_two_equal_pictures_the_one_with_a_description_stays(folder: Path) -> None:
    copy = folder / "00_copia.png"
    copy.write_bytes((folder / "0.png").read_bytes())
    assert [double.path for double in find_doubles(sorted(folder.glob("*.png")))] == [copy]


def test_of_two_equal_pictures_with_descriptions_the_least_compressed_stays(folder: Path) -> None:
    copy = folder / "00_copia.jpg"
    with Image.open(folder / "0.png") as picture:
        picture.convert("RGB").save(copy, quality=60)
    copy.with_suffix(".txt").write_text("copia")
    assert copy.stat().st_size < (folder / "0.png").stat().st_size
    assert [double.path for double in find_doubles(sorted(folder.glob("*.[pj][np]g")))] == [copy]


def test_a_zip_cannot_write_anywhere_else(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("fotos/uno.png", "../../fuera.png", "/etc/dos.PNG", "uno.txt", "virus.exe", "__MACOSX/uno.png"):
            file.writestr(name, png.getvalue())
    assert unpack(tmp_path / "a.zip", tmp_path / "destino") == 4
    assert {path.name for path in (tmp_path / "destino").iterdir()} == {"uno.png", "fuera.png", "dos.PNG", "uno.txt"}
    assert not (tmp_path / "fuera.png").exists()
    (tmp_path / "b.zip").write_bytes(b"no soy un zip")
    with pytest.raises(CannotRead):
        unpack(tmp_path / "b.zip", tmp_path / "destino")
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("tres.txt", "una etiqueta, " * 500)
    whole = bytearray((tmp_path / "c.zip").read_bytes())
    whole[40:60] = b"\xff" * 20
    (tmp_path / "c.zip").write_bytes(whole)
    with pytest.raises(CannotRead):
        unpack(tmp_path / "c.zip", tmp_path / "destino")


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def test_a_zip_never_takes_the_place_of_what_is_there(tmp_path: Path) -> None:
    first = {"uno.png": b"uno", "uno.txt": b"gato", "uno_mask.png": b"m", "dos.png": b"dos"}
    folder = tmp_path / "10_zorp"
    assert unpack(zipped(tmp_path / "a.zip", first), folder) == 4
    (folder / "uno.txt").write_text("corregido")
    (folder / "uno_mask.png").unlink()
    before = first | {"uno.txt": b"corregido"}
    unpack(tmp_path / "a.zip", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    other = {"x/UNO.png": b"otro", "x/UNO.txt": b"perro", "x/UNO_mask.png": b"n", "y/UNO.png": b"tercero"}
    unpack(zipped(tmp_path / "b.zip", other), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before | {
        "UNO-2.png": b"otro",
        "UNO-2.txt": b"perro",
        "UNO-2_mask.png": b"n",
        "UNO-3.png": b"tercero",
    }
    unpack(zipped(tmp_path / "c.zip", {"uno.txt": b"nuevo", "CON.png": b"c"}), folder)
    assert (folder / "uno.txt").read_bytes() == b"nuevo"
    assert (folder / "_CON.png").is_file()


def test_tags_are_edited_together_and_come_back(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*.txt")}
    book = TagBook.read(folder.parent)
    assert book.counts()["blue hair"] == 3
    assert book.intrinsic() == ("blue hair", "smile", "red tie")
    edited = book.add(["sks"]).remove(["blue hair"]).replace(["red tie"], ["tie"]).add(["final"], first=False)
    only = edited.add(["otra"], only=TagFilter(every=("fondo azul",), none=("no está",)))
    assert only.counts()["otra"] == 1
    assert only.rename("otra", "o").write(book.pictures[0].path, " a,, b ").counts()["a"] == 1
    assert edited.counts(TagFilter(folder="10_zorp"))["final"] == 3
    assert edited.shown(TagFilter(bare=True)) == ()
    assert {
        path.name: path.read_bytes() for path in folder.glob("*.txt")
    } == before  # nothing is written before it is saved
    saved = edited.save()
    assert (folder / "1.txt").read_text(encoding="utf-8") == "sks, zorp, fondo azul, smile, tie, final\n"
    assert (saved.changed, edited.changed) == (0, 3)
    assert restore(folder.parent) == 3
    assert {path.name: path.read_bytes() for path in folder.glob("*.txt")} == before
    with pytest.raises(NothingToUndo):
        restore(folder.parent)


def test_replacing_needs_one_or_all_and_repeats_go(folder: Path) -> None:
    book = TagBook.read(folder).add(["a", "b", "a"], first=False)
    assert book.replace(["a", "nada"], ["c"], every=True).pictures == book.pictures
    assert book.replace(["a", "b"], ["c"]).counts()["c"] == 3
    assert "a" not in book.replace(["a", "b"], ["c"]).counts()
    assert book.sort(keep=1).pictures[0].tags[0] == "zorp"
    assert book.without_repeats().counts() == book.counts()


def test_spanish_words_find_english_tags() -> None:
    assert search_tags("pelo azul", ["blue hair", "blue eyes", "long hair"]) == ["blue hair"]
    assert search_tags("hair", ["blue hair"]) == ["blue hair"]


def test_looking_at_a_folder_tells_all_that_there_is_to_know(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "30_buenas", 15)
    draw_pictures(tmp_path / "1_otras", 3)
    draw_pictures(tmp_path / "sin_numero", 1)
    Image.new("RGB", (300, 200)).save(tmp_path / "1_otras" / "grande.png")
    whole = (tmp_path / "1_otras" / "grande.png").read_bytes()
    (tmp_path / "1_otras" / "rota.png").write_bytes(whole[: len(whole) // 2])
    told = list(survey(tmp_path))
    assert told[:5] == [
        f"📷 21 imágenes, 19 con descripción, en {tmp_path}",
        "📁 1_otras: 4 imágenes × 1 repetición = 4 por epoch.",
        "📁 30_buenas: 15 imágenes × 30 repeticiones = 450 por epoch.",
        "📈 En total, 454 imágenes por epoch.",
        "📐 Miden de 128×128 a 300×200.",
    ]
    said = "\n".join(told[5:])
    for words in ("sin_numero» no se usa", "«rota.png»", "suman 454", "Sin descripción: 1 de 19"):
        assert words in said, told


def test_looking_at_a_folder_that_cannot_be_trained_says_why(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "suelto", 3)
    assert "📐 Todas miden 128×128." in [*survey(tmp_path / "suelto")]
    assert "📁 3 imágenes sueltas: cuentan las repeticiones que pongas al entrenar." in list(
        survey(tmp_path / "suelto")
    )
    draw_pictures(tmp_path / "sin" / "fotos", 3)
    told = "\n".join(survey(tmp_path / "sin"))
    assert "«10_fotos»" in told and "Solo hay 3 imágenes" in told
    draw_pictures(tmp_path / "ansi" / "5_x", 3)
    (tmp_path / "ansi" / "5_x" / "zorp_00.txt").write_bytes("niña".encode("cp1252"))
    assert "no está en UTF-8" in "\n".join(survey(tmp_path / "ansi"))


def test_a_project_that_does_not_exist_is_told_and_not_made(tmp_path: Path) -> None:
    pantry = Pantry(tmp_path, lambda _line: None, lambda _name: tmp_path, lambda _folder, _pictures: iter(()))
    with pytest.raises(DatasetMissing):
        pantry.edit("zrop", BY_CATEGORY, activation="zorp", remove="", search="", replacement="", undo=False)
    with pytest.raises(DatasetMissing):
        pantry.prepare("zrop", BY_CATEGORY, "", 1, doubles=False)
    with pytest.raises(CannotRead):
        pantry.prepare("zrop", BY_CATEGORY, str(tmp_path / "no_hay.zip"), 1, doubles=False)
    assert not list(tmp_path.iterdir())
