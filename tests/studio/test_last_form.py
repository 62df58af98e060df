"""What a new session opens with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.codec import from_json
from sdcolab.core.control import ControlUnit
from sdcolab.core.errors import SettingsUnreadable
from sdcolab.core.request import GenerationRequest, Hires, InitImage
from sdcolab.core.scripts import XyzPlot
from sdcolab.studio.form import shown
from sdcolab.studio.last_form import MOST_PROMPTS, FilledForm, LastForm


def test_round_trip(tmp_path: Path) -> None:
    form, request = LastForm(tmp_path / "config"), GenerationRequest(prompt="año", steps=33, hires=Hires(scale=1.5))
    form.save(request, ["Anime"])
    assert form.load() == FilledForm(request, ("Anime",), (("año", ""),))


def test_pictures_are_left_out(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.save(GenerationRequest(prompt="foto", init=InitImage(images=(Image.new("RGB", (64, 64)),))))
    assert form.load() == FilledForm(GenerationRequest(prompt="foto"), prompts=(("foto", ""),))


def test_a_unit_comes_back_off_without_its_picture_and_with_the_rest(tmp_path: Path) -> None:
    form, picture = LastForm(tmp_path), Image.new("RGB", (64, 64))
    unit = ControlUnit(module="canny", weight=0.5, images=(picture,), drawing=picture, mask=picture, region=picture)
    form.save(GenerationRequest(prompt="foto", control=(unit,)))
    (found,) = form.load().request.control  # type: ignore[union-attr]
    assert found == ControlUnit(enabled=False, module="canny", weight=0.5)
    values = shown(GenerationRequest, GenerationRequest(control=(found,)))
    assert (values["control.0"], values["control.0.module"], values["control.0.weight"]) == (False, "canny", 0.5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        bytes(50),
        b"[" * 200_000,
        b'{"request": {}}',
        b'{"request": 3, "styles": []}',
        b'{"request": {"steps": NaN}, "styles": []}',
    ],
)
def test_a_damaged_file_is_set_aside_and_told_once(tmp_path: Path, content: bytes) -> None:
    form = LastForm(tmp_path)
    form.path.write_bytes(content)
    assert form.peek() is None
    with pytest.raises(SettingsUnreadable) as caught:
        form.load()
    assert caught.value.backup.read_bytes() == content
    assert form.load() is None


def test_a_form_damaged_since_it_was_loaded_is_not_written_over(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.path.write_text("{")
    form.save(GenerationRequest(prompt="gato"))
    assert form.load() == FilledForm(GenerationRequest(prompt="gato"), prompts=(("gato", ""),))
    assert (tmp_path / "ultimo_formulario.dañada.json").read_text() == "{"


def test_half_an_emoji_from_drive_can_be_saved_again(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.path.write_text('{"request": {"prompt": "gato \\ud83d"}, "styles": ["\\udc31"]}', encoding="utf-8")
    loaded = form.load()
    assert loaded == FilledForm(GenerationRequest(prompt="gato ?"), ("?",))
    form.save(loaded.request, loaded.styles)
    assert form.load() == replace(loaded, prompts=(("gato ?", ""),))


def test_earlier_prompts_are_remembered_once_and_not_for_ever(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    for prompt in ("uno", "dos", " ", "uno", *map(str, range(MOST_PROMPTS - 1))):
        form.save(GenerationRequest(prompt=prompt, negative_prompt="feo"))
    prompts = form.peek().prompts  # type: ignore[union-attr]
    assert (prompts[0], prompts[-1], len(prompts)) == ((str(MOST_PROMPTS - 2), "feo"), ("uno", "feo"), MOST_PROMPTS)


def test_page_and_panel_do_not_forget_each_other_s_prompts(tmp_path: Path) -> None:
    def generate(name: str) -> None:
        form = LastForm(tmp_path)
        for number in range(20):
            form.save(GenerationRequest(prompt=f"{name} {number}"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(generate, ("página", "panel")))
    filled = LastForm(tmp_path).load()
    assert filled is not None
    assert len(filled.prompts) == 40


def test_values_of_other_versions_are_survived(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.path.write_text('{"request": {"steps": 30, "nuevo": 1, "width": 13}, "styles": []}', encoding="utf-8")
    assert form.load() == FilledForm(GenerationRequest(steps=30))


def test_a_folder_that_cannot_be_written_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("un archivo")
    form = LastForm(tmp_path / "config")
    form.save(GenerationRequest())
    assert form.load() is None


def test_the_script_comes_back_with_its_settings(tmp_path: Path) -> None:
    form = LastForm(tmp_path)
    form.save(GenerationRequest(prompt="gato"), script=XyzPlot(x_axis="Steps", x_values="4, 8"))
    found = form.load()
    assert found is not None and found.script["code"] == "xyz"
    assert from_json(XyzPlot, found.script) == XyzPlot(x_axis="Steps", x_values="4, 8")
    form.save(GenerationRequest(prompt="gato"))
    assert form.load() == FilledForm(GenerationRequest(prompt="gato"), prompts=(("gato", ""),))
