"""Names of saved pictures: A1111's tokens, and nothing that leaves the folder."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdcolab.core.file_patterns import MAX_PART, facts_of, file_name, folder_name
from sdcolab.core.folders import Folders
from sdcolab.core.formats import ImageFormat
from sdcolab.core.infotext import parse
from sdcolab.core.outputs import ImageStores
from sdcolab.core.preferences import Preferences, PreferencesFile

TEXT = (
    "a cat, (red:1.2) <lora:x:1> hat\nNegative prompt: dog\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x768, "
    "Model hash: abcdef1234, Model: anime/mix"
)
FACTS = facts_of(parse(TEXT), (512, 768), 5, datetime.datetime(2026, 3, 4, 5, 6, 7))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[seed]", "5"),
        ("[SEED]-[steps]-[cfg]", "5-20-7"),
        ("[model_name] [model_hash]", "anime_mix abcdef1234"),
        ("[sampler] [scheduler]", "DPM++ 2M Karras"),
        ("[width]x[height]", "512x768"),
        ("[date] [datetime<%H.%M>] [job_timestamp]", "2026-03-04 05.06 20260304050607"),
        ("[prompt_words]", "a cat red 1 2 hat"),
        ("[prompt]", "a_cat,_(red_1.2)__lora_x_1__hat"),
        ("[seed]-d[denoising]-[steps]", "5-20"),
        ("[nada]-[none][clip_skip]", "[nada]-1"),
        ("a/b\\c:d?", "a_b_c_d_"),
        ("  . ", ""),
    ],
)
def test_tokens(pattern: str, name: str) -> None:
    assert file_name(pattern, FACTS) == name


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("[date]", "2026-03-04"), ("../../[model_name]/./x", "anime_mix/x"), ("/", ""), ("a//b\\..\\c", "a/b/c")],
)
def test_folders_never_go_up(pattern: str, name: str) -> None:
    assert folder_name(pattern, FACTS) == name


@given(st.text(max_size=200))
def test_whatever_the_pattern_it_stays_below(pattern: str) -> None:
    name = file_name(pattern, FACTS)
    assert len(name) <= MAX_PART and "/" not in name and "\0" not in name
    assert all(part and set(part) != {"."} for part in folder_name(pattern, FACTS).split("/") if part)


def test_pictures_are_saved_as_preferred(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    stores, picture = ImageStores.below(folders), Image.new("RGB", (8, 8))
    usual = stores.txt2img.save(picture, TEXT, 5)
    assert usual.name == "00000-5.png" and usual.parent.parent == folders.txt2img
    wanted = {"image_format": "webp", "file_pattern": "[model_name]", "folder_pattern": "[sampler]", "save_text": True}
    for name, value in wanted.items():
        PreferencesFile(folders.config).change(lambda now, name=name, value=value: now.with_value(name, value))  # type: ignore[misc]
    made = stores.txt2img.save(picture, TEXT, 5)
    assert made == folders.txt2img / "DPM++ 2M" / "00000-anime_mix.webp"
    assert made.with_suffix(".txt").read_text("utf-8") == TEXT + "\n"
    assert ImageStores.below(folders, ImageFormat.PNG).txt2img.save(picture, TEXT, 5).suffix == ".png"


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", 1), ("quality", "a"), ("quality", True), ("sound", 1), ("look", "pink"), ("bar", "vae"), ("bar", [1])],
)
def test_values_that_cannot_be(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Preferences().with_value(name, value)


def test_damaged_preferences_are_the_usual_ones(tmp_path: Path) -> None:
    file = PreferencesFile(tmp_path)
    file.path.write_text('{"quality": 50, "look": 7, "otro": {}}')
    assert file.peek() == Preferences(quality=50)
    file.path.write_text("[")
    assert file.peek() == Preferences()
