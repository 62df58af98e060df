"""Tags: our own list, files of others, and Spanish prompts in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest
from sdcolab.core.settings import SettingsFile
from sdcolab.studio.tags import Tag, as_lines, every_tag, own_tags, read_tag_csv
from sdcolab.studio.translating import MOST_KEPT, Translated, Translations, dictionary
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
    assert Translations().english(spanish).text == english


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
    assert Translations().english(prompt).text == english


@given(st.text(alphabet="()[]{}|,:.0123456789<>\\ \n", max_size=40))
def test_syntax_never_changes(prompt: str) -> None:
    assert Translations().english(prompt).text == prompt


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


ENGLISH = {
    "un zorro tañendo su laúd": "A fox playing his lute.",
    "el faro del fin del mundo": "the (lighthouse) at the end|of the world",
    "perro xilófono": "dog " * 40,
}


def test_the_model_is_asked_only_for_what_the_dictionary_does_not_know_whole() -> None:
    asked: list[str] = []

    def model(phrases: Sequence[str]) -> list[str]:
        asked.extend(phrases)
        return [ENGLISH[phrase] for phrase in phrases]

    translations = Translations(model)
    prompt = "pelo largo, (un zorro tañendo su laúd:1.2), el faro del fin del mundo, red fox, <lora:faro:1>"
    english = "long hair, (a fox playing his lute:1.2), the lighthouse at the end of the world, red fox, <lora:faro:1>"
    assert translations.english(prompt) == Translated(english, whole=True)
    assert asked == list(ENGLISH)[:2]
    assert translations.original(english) == prompt and translations.original(prompt) == ""
    assert translations.english("perro xilófono").text == "dog xilófono", "out of all proportion"


def test_without_the_model_what_is_left_is_told() -> None:
    assert Translations().english("perro xilófono") == Translated("dog xilófono", whole=False)
    assert Translations(lambda _phrases: None).english("perro xilófono").text == "dog xilófono"
    assert Translations().english("pelo largo, red fox").whole


def test_requests_are_translated_by_themselves_when_wanted_and_keep_their_originals() -> None:
    asked = GenerationRequest(prompt="pelo largo", negative_prompt="blurry")
    by_itself = Translations(automatic=lambda: True).of(asked)
    assert (by_itself.prompt, by_itself.original_prompt) == ("long hair", "pelo largo")
    assert (by_itself.negative_prompt, by_itself.original_negative_prompt) == ("blurry", "")
    by_hand = Translations()
    assert by_hand.of(asked) == asked
    by_hand.english("pelo largo")
    assert by_hand.of(replace(asked, prompt="long hair")).original_prompt == "pelo largo"
    for number in range(MOST_KEPT):
        by_hand.english(f"gato {number}")
    assert by_hand.original("long hair") == ""
