"""``styles.csv``: A1111's file and what people's programs make of it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.errors import SettingsUnreadable
from sdcolab.core.prompt import Style
from sdcolab.core.settings import Settings, SettingsFile
from sdcolab.core.style_files import decoded, styles_in, text_of

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("data", "styles"),
    [
        (b'name,prompt,negative_prompt\nanime,"anime, {prompt}",malo\n', [Style("anime", "anime, {prompt}", "malo")]),
        (BOM + b"name,prompt,negative_prompt\r\na,b,c\r\n", [Style("a", "b", "c")]),
        (b"name,prompt\nuno,a\nuno,b\n,c\n", [Style("uno", "b")]),
        (b"\r\nName,Prompt,Negative Prompt\na,b,c\n", [Style("a", "b", "c")]),
        (b"sep=;\r\nname;prompt;negative_prompt\na;b, c;d\n", [Style("a", "b, c", "d")]),
        (b"name,text\nNone,\nviejo,gato\n", [Style("viejo", "gato")]),
        (b"negative_prompt,name,prompt\nmalo,orden,bueno\n", [Style("orden", "bueno", "malo")]),
        (b"name,prompt\n#nota,x\n# otra, y\nvacio,\n", [Style("vacio")]),
        (b'name, prompt, negative_prompt\nlinea, "uno\ndos", "tres ""cuatro"""\n', [
            Style("linea", "uno\ndos", 'tres "cuatro"')
        ]),
        (b"name;prompt;negative_prompt\nhoja;gato, perro;malo\n", [Style("hoja", "gato, perro", "malo")]),
        ("name\tprompt\tnegative_prompt\nmío\tniño\t\n".encode("utf-16"), [Style("mío", "niño")]),
        ("name,prompt\nmío,niño\n".encode("cp1252"), [Style("mío", "niño")]),
        (b"name,prompt\ncorto\nlargo,a,b,c,d\n", [Style("corto"), Style("largo", "a")]),
        (b"name,prompt\nn\x00ulo,a\n", [Style("nulo", "a")]),
    ],
)  # fmt: skip
def test_reading(data: bytes, styles: list[Style]) -> None:
    assert list(styles_in(decoded(data))) == styles


@pytest.mark.parametrize("text", ["", "\0\n\0", "prompt\nx\n", "{}", "name\nx\n", "name,prompt\nx," + "a" * 140_000])
def test_what_is_no_file_of_styles(text: str) -> None:
    with pytest.raises(ValueError):
        styles_in(text)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(st.tuples(st.text("aéñ ,;\"'\n{}<:>", min_size=1).map(str.strip), _TEXTS, _TEXTS), max_size=6))
def test_what_is_written_is_read(rows: list[tuple[str, str, str]]) -> None:
    styles = {name: Style(name, prompt.lstrip(" "), negative.lstrip(" ")) for name, prompt, negative in rows if name}
    assert styles_in(text_of(styles.values())) == tuple(styles.values())


def test_the_file_is_as_a1111_s(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.save(Settings(styles=(Style("a", "x, {prompt}", "línea\notra"),)))
    data = file.styles_path.read_bytes()
    assert data.startswith(BOM + b"name,prompt,negative_prompt\r\n")
    with file.styles_path.open(encoding="utf-8-sig", newline="") as opened:
        assert [*csv.DictReader(opened)] == [{"name": "a", "prompt": "x, {prompt}", "negative_prompt": "línea\notra"}]


def test_a_file_that_others_write_counts_and_is_kept_beside(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    theirs = b"name,text\nsuyo,gato\n"
    file.styles_path.write_bytes(theirs)
    file.change(lambda settings: settings)
    assert file.styles_path.read_bytes() == theirs  # nothing changed
    file.change(lambda settings: settings.with_style(Style("mío", "perro")))
    assert file.load().styles == (Style("suyo", "gato"), Style("mío", "perro"))
    assert (tmp_path / "styles.csv.bak").read_bytes() == theirs


def test_styles_of_the_versions_that_kept_them_in_json(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    row = '{"name": "viejo", "prompt": "a", "negative_prompt": ""}'
    file.path.write_text(f'{{"version": 1, "defaults": {{}}, "styles": [{row}]}}')
    assert file.load().styles == (Style("viejo", "a"),)
    file.change(lambda settings: settings.with_style(Style("nuevo")))
    assert [style.name for style in file.load().styles] == ["viejo", "nuevo"]
    file.change(lambda settings: settings.without_styles(["viejo", "nuevo"]))
    assert file.load().styles == ()


def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.styles_path.write_bytes(b"\x89PNG no soy csv")
    assert file.peek().styles == ()
    with pytest.raises(SettingsUnreadable) as caught:
        file.load()
    assert caught.value.backup.read_bytes() == b"\x89PNG no soy csv"
    assert file.load() == Settings()
