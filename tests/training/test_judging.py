"""Raw and overcooked LoRAs told apart by figures, on pictures whose answer is known."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.core.errors import FieldNotNumber
from sdcolab.core.training import weights_of
from sdcolab.core.words import explain
from sdcolab.training.judging import judge, lora_files
from sdcolab.training.likeness import nearest_class, vector_of
from sdcolab.training.own_files import own_files
from sdcolab.training.quick import draw_zorp


def noise(seed: int) -> Image.Image:
    """A picture that has nothing to do with any other."""
    chance = random.Random(seed)
    small = Image.new("RGB", (8, 8))
    small.putdata([tuple(chance.randrange(256) for _ in range(3)) for _ in range(64)])
    return small.resize((128, 128), Image.Resampling.BICUBIC)


TRAINED = [draw_zorp(number)[0] for number in range(10)]


def make(prompt: str, seed: int, file: Path | None, weight: float) -> Image.Image:
    name = "" if file is None else file.stem
    if name == "a-000002":
        return draw_zorp(100 + seed)[0]  # the character, in places of its own
    if name == "a":
        return TRAINED[0]  # always the same training picture
    return noise(seed)


def test_raw_done_and_overcooked_are_told_apart(tmp_path: Path) -> None:
    for name in ("a-000001", "a-000002", "a-step00000003", "a", "otro-000001", "a2"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"x")
    files = lora_files(own_files(tmp_path, "a").files)
    assert [file.stem for file in files] == ["a-000001", "a-000002", "a"]
    judged = judge(make, files, TRAINED, ["zorp", "zorp, fondo azul"], weights=(0.5, 1.0), seeds=(1, 2, 3))
    assert {name: one.verdict for name, one in judged.measured.items()} == {
        "a-000001": "crudo",
        "a-000002": "en su punto",
        "a": "recocido",
    }
    assert judged.sheet.width == 4 * 128
    text = "\n".join(judged.lines())
    for words in ("a-000001: está crudo", "a: está recocido", "1e-4 o 1e-5"):
        assert words in text
    assert re.search(r"parecido \d+ ± \d+ %, copias 100 %", text)
    once = judge(make, files, TRAINED, ["zorp"], seeds=(1,)).lines()
    assert "de una sola imagen" in once[0]  # which cannot tell how sure it is
    assert "±" not in once[0]


def test_the_nearest_class_is_the_pictures_own() -> None:
    classes = {
        "zorp": [vector_of(picture) for picture in TRAINED],
        "ruido": [vector_of(noise(seed)) for seed in range(10)],
    }
    assert nearest_class(draw_zorp(77)[0], classes) == "zorp"
    assert nearest_class(noise(77), classes) == "ruido"


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("0.6, 0.8, 1", (0.6, 0.8, 1)),
        ("0.6,0.8", (0.6, 0.8)),
        ("0,6; 0,8", (0.6, 0.8)),
        ("0,6, 0,8", (0.6, 0.8)),
        ("0.6 0.8", (0.6, 0.8)),
        ("1, 2", (1, 2)),
        ("1,2", (1, 2)),
        ("0.7", (0.7,)),
        ("0,7", (0.7,)),
        (" ", (1,)),
    ],
)
def test_weights_are_read_as_people_write_them(text: str, weights: tuple[float, ...]) -> None:
    assert weights_of(text) == weights


def test_weights_that_are_none_are_told_by_their_name() -> None:
    with pytest.raises(FieldNotNumber) as wrong:
        weights_of("mucho")
    assert "«Pesos a comparar»" in explain(wrong.value).text
