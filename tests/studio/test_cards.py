"""Cards: what lies beside a model, what a prompt gets, and notes written as A1111 writes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import NameTaken, PictureGone, SettingsUnreadable, StrangeQuestion, UnknownFile
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.prompt import Style
from sdcolab.studio.cards import card_of, write_notes
from sdcolab.studio.cards_room import CardsRoom, Outside

DEMO = Path(__file__).parents[2] / "sdcolab" / "demo" / "emoji-128.safetensors"


@pytest.fixture
def lora(tmp_path: Path) -> ModelFile:
    folder = Folders(tmp_path).models(ModelKind.LORA) / "ropa"
    folder.mkdir(parents=True)
    (folder / "Capa.safetensors").write_bytes(b"x")
    return ModelFile(ModelKind.LORA, "ropa/Capa.safetensors", folder / "Capa.safetensors")


def test_a_file_alone_has_a_card(lora: ModelFile) -> None:
    card = card_of(lora)
    assert (card.text, card.words, card.picture, card.base) == ("<lora:Capa:1>", (), None, "")


def test_civitai_s_file_is_read_and_a1111_s_wins(lora: ModelFile) -> None:
    lora.path.with_name("Capa.civitai.info").write_text(
        json.dumps({"trainedWords": ["red cape", "hood"], "baseModel": "SDXL 1.0", "modelId": 77})
    )
    lora.path.with_name("Capa.txt").write_text("Una capa")
    card = card_of(lora)
    assert (card.words, card.base, card.link) == (("red cape", "hood"), "SDXL 1.0", "https://civitai.com/models/77")
    assert (card.text, card.description) == ("<lora:Capa:1> red cape", "Una capa")
    lora.path.with_suffix(".json").write_text(
        json.dumps({"activation text": "my cape", "preferred weight": 0.7, "sd version": "SD1", "otro": [1]})
    )
    card = card_of(lora)
    assert (card.text, card.base, card.weight) == ("<lora:Capa:0.7> my cape", "SD1", 0.7)
    write_notes(lora.path, {"notes": "ñ"})
    assert json.loads(lora.path.with_suffix(".json").read_text("utf-8"))["otro"] == [1]


def test_what_is_edited_goes_into_civitai_s_file_too_where_there_is_one(lora: ModelFile) -> None:
    room = CardsRoom(Library(Folders(lora.path.parents[3])))
    info = lora.path.with_name("Capa.civitai.info")
    room.answers["save"]({"kind": "lora", "name": lora.name, "activation text": "cape"})
    assert not info.exists()
    info.write_text(json.dumps({"modelId": 7, "trainedWords": ["old"], "baseModel": "SD 1.5"}), encoding="utf-8")
    said = {"activation text": "red cape, hood,", "description": "Una capa", "notes": "mías"}
    room.answers["save"]({"kind": "lora", "name": lora.name, **said})
    assert json.loads(info.read_text("utf-8")) == {
        "modelId": 7,
        "trainedWords": ["red cape", "hood"],
        "baseModel": "SD 1.5",
        "description": "Una capa",
    }
    info.write_text("no es JSON")
    room.answers["save"]({"kind": "lora", "name": lora.name, "description": "Otra"})
    assert info.read_text() == "no es JSON", "what cannot be read is not ours to write over"


def test_a_card_has_the_title_that_civitai_or_its_owner_gave_it(lora: ModelFile) -> None:
    room = CardsRoom(Library(Folders(lora.path.parents[3])))

    def label() -> str:
        (card,) = room.answers["cards"]({"kind": "lora"})
        assert (card["title"], card["text"]) == ("Capa", "<lora:Capa:1>"), "prompts call it by its file"
        return str(card["label"])

    info = lora.path.with_name("Capa.civitai.info")
    assert label() == "Capa"
    info.write_text(json.dumps({"name": "v2", "model": {"name": "Capa roja", "type": "LORA"}}), encoding="utf-8")
    assert label() == "Capa roja"
    room.answers["save"]({"kind": "lora", "name": lora.name, "title": "Mi capa"})
    assert label() == "Mi capa"
    assert json.loads(lora.path.with_suffix(".json").read_text("utf-8"))["title"] == "Mi capa"
    assert json.loads(info.read_text("utf-8")) == {"name": "v2", "model": {"name": "Mi capa", "type": "LORA"}}
    info.write_text(json.dumps({"model": ["x"]}), encoding="utf-8")
    room.answers["save"]({"kind": "lora", "name": lora.name, "title": ""})
    assert label() == "Capa"


@pytest.mark.parametrize("notes", ["", "[1]", "{", '{"preferred weight": "x", "activation text": 3}', '{"a":' * 90])
def test_bad_notes_say_nothing(lora: ModelFile, notes: str) -> None:
    lora.path.with_suffix(".json").write_text(notes)
    assert card_of(lora).text == "<lora:Capa:1>"


@pytest.mark.parametrize("notes", ["[1]", '{"notes": "a m'])
def test_notes_that_are_not_understood_are_kept_aside_and_told_before_others_are_written(
    lora: ModelFile, notes: str
) -> None:
    place = lora.path.with_suffix(".json")
    place.write_text(notes)
    with pytest.raises(SettingsUnreadable) as caught:
        write_notes(lora.path, {"notes": "ñ"})
    assert caught.value.backup.read_text() == notes
    write_notes(lora.path, {"notes": "ñ"})
    assert card_of(lora).notes == "ñ"


def test_the_room_shows_saves_and_refuses(lora: ModelFile, tmp_path: Path) -> None:
    room = CardsRoom(Library(Folders(tmp_path)))
    Image.new("RGB", (900, 600)).save(lora.path.with_name("Capa.preview.png"))
    (card,) = room.answers["cards"]({"kind": "lora"})
    assert (card["title"], card["folder"], card["picture"]) == ("Capa", "ropa", True)
    assert room.file("lora", "0") and room.file("lora", "1") is None and room.file("lora", "../0") is None
    room.answers["save"]({"kind": "lora", "name": card["name"], "activation text": "cape", "preferred weight": 0.5})
    assert room.answers["cards"]({"kind": "lora"})[0]["text"] == "<lora:Capa:0.5> cape"
    with pytest.raises(UnknownFile):
        room.answers["save"]({"kind": "lora", "name": "../../x", "notes": "a"})
    for said in ({"kind": "vae"}, {"kind": "lora", "name": card["name"], "preferred weight": 99}):
        with pytest.raises(StrangeQuestion):
            room.answers["save"](said)


def test_facts_tell_what_does_not_fit_and_a_file_in_the_wrong_folder_moves(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    loras, checkpoints = folders.models(ModelKind.LORA), folders.models(ModelKind.CHECKPOINT)
    loras.mkdir(parents=True)
    checkpoints.mkdir(parents=True)
    down = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    for name, width in (("clásico", 768), ("grande", 2048)):
        save_file({down: np.zeros((4, width), np.float16)}, loras / f"{name}.safetensors")
    shutil.copy(DEMO, loras / "perdido.safetensors")
    (loras / "perdido.json").write_text("{}")
    (loras / "dañado.safetensors").write_bytes(b"x")
    shutil.copy(DEMO, checkpoints / "demo.safetensors")
    room = CardsRoom(Library(folders))
    told = {fact["place"]: fact for fact in room.answers["facts"]({"kind": "lora", "checkpoint": "demo.safetensors"})}
    names = [file.name for file in Library(folders).files(ModelKind.LORA)]
    found = {name: told[place] for place, name in enumerate(names)}
    assert found["clásico.safetensors"]["fits"] and not found["grande.safetensors"]["fits"]
    assert found["grande.safetensors"]["family"] == "SDXL"
    assert found["dañado.safetensors"] | {"place": 0} == {"place": 0, "family": "", "fits": True, "wrong": ""}
    assert found["perdido.safetensors"]["wrong"] == "modelo (checkpoint)"
    with pytest.raises(StrangeQuestion):
        room.answers["move"]({"kind": "lora", "name": "grande.safetensors"})
    assert "perdido.safetensors" in room.answers["move"]({"kind": "lora", "name": "perdido.safetensors"})
    assert (checkpoints / "perdido.safetensors").exists() and (checkpoints / "perdido.json").exists()
    shutil.copy(DEMO, loras / "perdido.safetensors")
    with pytest.raises(NameTaken):
        room.answers["move"]({"kind": "lora", "name": "perdido.safetensors"})


def test_another_program_s_file_is_not_moved_out_of_its_folder(tmp_path: Path) -> None:
    folders, theirs = Folders(tmp_path / "sdcolab"), tmp_path / "webui"
    theirs.mkdir()
    shutil.copy(DEMO, theirs / "perdido.safetensors")
    folders.models(ModelKind.LORA).mkdir(parents=True)
    (folders.models(ModelKind.LORA) / "A1111").symlink_to(theirs)
    room = CardsRoom(Library(folders))
    assert [fact["wrong"] for fact in room.answers["facts"]({"kind": "lora", "checkpoint": ""})] == [""]
    with pytest.raises(StrangeQuestion):
        room.answers["move"]({"kind": "lora", "name": "A1111/perdido.safetensors"})
    assert (theirs / "perdido.safetensors").exists()


def test_the_last_picture_becomes_that_of_a_card(lora: ModelFile, tmp_path: Path) -> None:
    last = tmp_path / "última.png"
    room = CardsRoom(Library(Folders(tmp_path)), Outside(lambda: last if last.exists() else None))
    said = {"kind": "lora", "name": lora.name}
    with pytest.raises(PictureGone):
        room.answers["picture"](said)
    Image.new("RGB", (900, 600), "teal").save(last)
    room.answers["picture"](said)
    with Image.open(lora.path.with_name("Capa.preview.png")) as picture:
        assert picture.size == (768, 512)
    assert room.answers["cards"]({"kind": "lora"})[0]["picture"]


def test_styles_have_cards_and_go_into_both_prompts(tmp_path: Path) -> None:
    styles = (Style("Óleo", "oil painting of {prompt}", "photo"), Style("Nada", "", ""))
    room = CardsRoom(Library(Folders(tmp_path)), Outside(styles=lambda: styles))
    first, _ = room.answers["cards"]({"kind": "style"})
    assert (first["title"], first["description"]) == ("Óleo", "oil painting of {prompt} · photo")
    said = {"name": "Óleo", "prompt": "a cat", "negative": "blur"}
    assert room.answers["style"](said) == ["oil painting of a cat", "blur, photo"]
    with pytest.raises(StrangeQuestion):
        room.answers["style"](said | {"name": "otro"})


def test_what_is_found_outside_is_downloaded_by_its_link(tmp_path: Path) -> None:
    asked: list[object] = []

    def search(*said: object) -> list[dict[str, object]]:
        asked.append(said)
        return []

    room = CardsRoom(Library(Folders(tmp_path)), Outside(search=search, download=asked.append))
    assert room.answers["search"]({"kind": "lora", "query": " capa "}) == []
    room.answers["get"]({"link": "https://civitai.com/models/7 "})
    assert asked == [("capa", ModelKind.LORA, False), "https://civitai.com/models/7"]
    fine = {"kind": "lora", "query": "capa"}
    for wrong in ({"kind": "x"}, {"query": "a" * 300}, {"adult": 1}):
        with pytest.raises(StrangeQuestion):
            room.answers["search"](fine | wrong)
