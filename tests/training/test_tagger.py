"""Captions of the WD taggers against those that sd-scripts writes from the same probabilities, and pictures as the
model gets them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdcolab.core.errors import Cancelled, SdcolabError, TaggerDamaged, TaggerMissing
from sdcolab.core.events import BytesReceived, CancelToken, Event
from sdcolab.core.folders import Folders
from sdcolab.core.words import kitchen as words
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.training.pantry import Pantry
from sdcolab.training.tagger import Tagger, TaggerRules, TagList, caption_text, pixels_of, plain_pixels_of, tags_of
from sdcolab.training.tags import restore
from sdcolab.wiring.downloads import HUGGINGFACE_VARIABLE
from sdcolab.wiring.trainer import tagger_folder
from tests.support.onnx import constant_model
from tests.support.servers import HubFile, HuggingFaceServer
from tests.support.vectors import vectors

VECTORS = vectors("wd14_tagger")
TAGS = TagList(tuple(row[1] for row in VECTORS["tags"]), tuple(row[2] for row in VECTORS["tags"]))
TEXTS = {"--undesired_tags": "undesired", "--always_first_tags": "first"}
NUMBERS = {
    "--thresh": "threshold",
    "--general_threshold": "general_threshold",
    "--character_threshold": "character_threshold",
}
SWITCHES = {
    "--remove_underscore": "without_underscores",
    "--use_rating_tags": "rating",
    "--use_rating_tags_as_last_tag": "rating_last",
    "--character_tags_first": "characters_first",
    "--character_tag_expand": "expand_characters",
    "--append_tags": "append",
}


def rules_of(args: list[str]) -> TaggerRules:
    given: dict[str, Any] = {}
    arguments = iter(args)
    for flag in arguments:
        if flag in SWITCHES:
            given[SWITCHES[flag]] = True
        elif flag in NUMBERS:
            given[NUMBERS[flag]] = float(next(arguments))
        elif flag in TEXTS:
            given[TEXTS[flag]] = tuple(tag.strip() for tag in next(arguments).split(",") if tag.strip())
        elif flag == "--caption_separator":
            given["separator"] = next(arguments)
        elif flag in ("--caption_extension", "--batch_size"):
            next(arguments)
    return TaggerRules(**given)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: " ".join(case["args"]) or str(case["existing"]))
def test_captions_are_those_of_the_reference(case: dict[str, Any]) -> None:
    rules = rules_of(case["args"])
    for file, text in case["files"].items():
        existing = (case["existing"] or {}).get(file)
        found = tags_of(VECTORS["probabilities"][Path(file).stem], TAGS, rules)
        assert caption_text(found, existing, rules) == text


def recipe(width: int, height: int, mode: str) -> Image.Image:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red, green = x * 255 // max(1, width - 1), y * 255 // max(1, height - 1)
    blue = ((x // 16 + y // 16) % 2 == 0) * 0 + ((x // 16 + y // 16) % 2) * 255
    alpha = (x + y) * 255 // max(1, width + height - 2)
    rgba = Image.fromarray(np.stack([red, green, blue, alpha], -1).astype(np.uint8), "RGBA")
    return rgba if mode == "RGBA" else rgba.convert("RGB").convert(mode)


@pytest.mark.parametrize("case", VECTORS["preprocess"]["cases"], ids=lambda case: case["name"])
def test_pictures_are_prepared_as_the_reference_prepares_them(case: dict[str, Any]) -> None:
    if case["mode"] not in ("RGB", "RGBA", "L"):
        pytest.skip("las paletas dependen de la versión de Pillow")
    pixels = pixels_of(recipe(*case["size"], case["mode"]))
    assert list(pixels.shape) == case["shape"]
    for place, expected in case["points"].items():
        y, x = map(int, place.split(","))
        assert pixels[y, x] == pytest.approx(expected, abs=2), place


def test_a_folder_is_tagged_and_bad_pictures_are_told(tmp_path: Path) -> None:
    rows = "\n".join(",".join([*row, "1"]) for row in VECTORS["tags"])
    (tmp_path / "selected_tags.csv").write_text("tag_id,name,category,count\n" + rows + "\n", encoding="utf-8")
    with pytest.raises(TaggerMissing):
        Tagger(tmp_path)
    probabilities = np.array([VECTORS["probabilities"]["i0"]], np.float32)
    tagger = Tagger(tmp_path, predict=lambda pixels: probabilities[: len(pixels)])
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"rota")
    told: list[SdcolabError] = []
    rules = TaggerRules(threshold=0.9, without_underscores=True)
    tagger.tag_files([tmp_path / "a.png", tmp_path / "b.png"], rules, hear=told.append)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "rating:safe, d:, saber (fate) (cosplay)\n"
    assert len(told) == 1
    assert not (tmp_path / "b.txt").exists()


def test_pixai_is_told_by_its_input_and_read_by_its_own_rows(tmp_path: Path) -> None:
    rows = ("1,11,1girl,0,9,[]", "2,12,blue_hair,0,9,[]", '3,13,saber_(fate),4,9,"[""fate""]"')
    (tmp_path / "selected_tags.csv").write_text("id,tag_id,name,category,count,ips\n" + "\n".join(rows) + "\n")
    other, right = np.zeros((1, 3), np.float32), np.array([[0.9, 0.2, 0.8]], np.float32)
    constant_model(tmp_path / "model.onnx", 448, 448, {"logits": other, "prediction": right})
    tagger = Tagger(tmp_path)
    picture = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    assert tagger.tag(picture, TaggerRules(without_underscores=True)) == ["1girl", "saber (fate)"]
    pixels = plain_pixels_of(picture)
    assert (pixels.shape, float(pixels.min())) == ((3, 448, 448), 1.0)  # what is transparent is white

    project = tmp_path / "lora_training" / "datasets" / "mio" / "10_x"
    project.mkdir(parents=True)
    picture.save(project / "a.png")
    (project / "b.png").write_bytes(b"rota")
    told: list[str] = []
    pantry = Pantry(tmp_path, told.append, lambda _repository: tmp_path, lambda _folder, _pictures: iter(()))
    pantry.tag("mio", BY_CATEGORY, "pixai-tagger-v0.9", 0.5, characters=False, undesired="")
    assert (project / "a.txt").read_text(encoding="utf-8") == "1girl\n"
    assert told[-1] == "✅ 1 imagen etiquetada."  # b.png could not be read
    pantry.tag("mio", BY_CATEGORY, "pixai-tagger-v0.9", 0.95, characters=False, undesired="")
    assert "Con un umbral de 0.95, 1 imagen se quedó sin etiquetas." in told[-2]
    (project / "a.txt").write_text("a mano", encoding="utf-8")
    pantry.tag("mio", BY_CATEGORY, "pixai-tagger-v0.9", 0.5, characters=False, undesired="")
    assert told.count(words.KEPT) == 2  # not of the first time: nothing was there
    assert restore(project.parent) == 1
    assert (project / "a.txt").read_text(encoding="utf-8") == "a mano"  # what somebody wrote comes back


def test_a_tagger_comes_by_the_downloads_tells_how_far_it_is_and_can_be_cancelled(tmp_path: Path) -> None:
    folders, repository, told = Folders(tmp_path), "SmilingWolf/wd-vit-tagger-v3", list[Event]()
    model = constant_model(tmp_path / "uno.onnx", 448, 448, {"output": np.zeros((1, 1), np.float32)}).read_bytes()
    files = {
        f"{repository}/main/model.onnx": HubFile(model),
        f"{repository}/main/selected_tags.csv": HubFile(b"tag_id,name,category,count\n1,1girl,0,9\n", lfs=False),
    }
    stopped = CancelToken()
    stopped.cancel()
    with HuggingFaceServer(files) as hub:
        environ = {HUGGINGFACE_VARIABLE: hub.url}
        with pytest.raises(Cancelled):
            tagger_folder(folders, repository, environ, told.append, stopped)
        folder = tagger_folder(folders, repository, environ, told.append)
        asked = len(hub.seen)
        assert tagger_folder(folders, repository, environ) == folder
        assert len(hub.seen) == asked
    assert {one.name: one.received for one in told if isinstance(one, BytesReceived)}["model.onnx"] == len(model)
    assert Tagger(folder).tag(Image.new("RGB", (9, 9)), TaggerRules(threshold=0)) == ["1girl"]
    (folder / "model.onnx").write_bytes(model[:50])
    with pytest.raises(TaggerDamaged):
        Tagger(folder)
