"""Tags: our own list, files of others, and Spanish prompts in English."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.settings import SettingsFile
from sdcolab.studio.tags import Tag, as_lines, dictionary, every_tag, own_tags, read_tag_csv, translated
from sdcolab.studio.words_room import WordsRoom


def test_our_own_list_is_large_and_all_of_it_has_spanish_names() -> None:
    tags = own_tags()
    assert len(tags) >= 2000 and len({tag.name for tag in tags}) == len(tags)
    assert all(tag.spanish and all(tag.spanish) for tag in tags)
    assert not [tag for tag in tags if "\t" in as_lines([tag]).replace("\t", "", 4)]


@pytest.mark.parametrize(
    ("spanish", "english"),
    [
        ("pelo largo", "long hair"),
        ("PELO LÁRGO", "long hair"),
        ("ojos azules", "blue eyes"),
        ("botas negras", "black boots"),
        ("zapatos marrones", "brown shoes"),
        ("falda rosa", "pink skirt"),
        ("orejas de gato", "cat ears"),
        ("castillos", "castles"),
    ],
)
def test_spanish_finds_its_tag(spanish: str, english: str) -> None:
    assert translated(spanish) == english


@pytest.mark.parametrize(
    ("prompt", "english"),
    [
        ("masterpiece, a red fox in the snow", "masterpiece, a red fox in the snow"),
        ("(gato:1.3), [perro], {león|tigre}", "(cat:1.3), [dog], {lion|tiger}"),
        ("<lora:gato:0.8> gato BREAK perro AND tigre", "<lora:gato:0.8> cat BREAK dog AND tiger"),
        ("__perro__, gato", "__perro__, cat"),
        ("un gato en el bosque", "a cat in the forest"),
        ("gato, palabradesconocida", "cat, palabradesconocida"),
        ("", ""),
    ],
)
def test_only_known_spanish_changes(prompt: str, english: str) -> None:
    assert translated(prompt) == english


@given(st.text(alphabet="()[]{}|,:.0123456789<>\\ \n", max_size=40))
def test_syntax_never_changes(prompt: str) -> None:
    assert translated(prompt) == prompt


def test_lists_of_others_are_read_and_ranked(tmp_path: Path) -> None:
    (tmp_path / "danbooru.csv").write_text('1girl,0,6000000,"1girls,sole_female"\nlong_hair,0,4500000,\nodd\n"",0,1\n')
    (tmp_path / "wd.csv").write_text("tag_id,name,category,count\n5,hatsune_miku,4,100000\n")
    (tmp_path / "roto.csv").write_bytes(b"\xff\xfe\x00,,\n\x00")
    tags = every_tag(tmp_path)
    ranked = [tag for tag in tags if tag.count]
    assert [(tag.name, tag.category) for tag in ranked] == [("1girl", 0), ("long_hair", 0), ("hatsune_miku", 4)]
    assert ranked[0].aliases == ("1girls", "sole_female") and "pelo largo" in ranked[1].spanish
    assert tags[0].name == "masterpiece" and sum(tag.name in ("long hair", "long_hair") for tag in tags) == 1
    assert Tag("odd") in tags


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    for tag in read_tag_csv(data):
        assert tag.name


def test_the_room_learns_and_sees_new_lists(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    room = WordsRoom(folders, Library(folders), SettingsFile(folders.config))
    before = room.answers["tags"]({})
    (tmp_path / "tags").mkdir()
    (tmp_path / "tags" / "mias.csv").write_text("mi_cosa,0,7\n")
    assert "mi_cosa" not in before and "mi_cosa\t0\t7" in room.answers["tags"]({})
    for _ in range(2):
        room.answers["used"]({"name": "mi_cosa"})
    room.answers["used"]({"name": "blurry", "negative": True})
    uses = WordsRoom(folders, Library(folders), SettingsFile(folders.config)).answers["uses"]({})
    assert uses["positive"]["mi_cosa"][0] == 2 and uses["negative"]["blurry"][0] == 1
    assert dictionary()["castillo"] == "castle"
