"""Maps against those that the reference server made (tests/data/referencia/control)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdcolab.core.control import ControlResize, pixel_perfect_resolution
from sdcolab.core.preprocessors import PREPROCESSORS, Preprocessor
from sdcolab.engine.preprocessors import run
from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.resizing import fitted, thinned

DATA = Path(__file__).parents[2] / "data" / "referencia" / "control"
INPUTS = DATA.parent / "imagenes" / "inputs"
CASES = sorted(path.parent for path in (DATA / "detect").rglob("case.json"))


def picture(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def difference(made: Pixels, path: Path) -> tuple[int, float]:
    """Largest difference, and the share of values that are more than 2 apart."""
    expected = picture(path).astype(int)
    assert made.shape == expected.shape
    apart = np.abs(made.astype(int) - expected)
    return int(apart.max()), float((apart > 2).mean())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_detect_equals_reference(case: Path) -> None:
    payload = json.loads((case / "case.json").read_text("utf-8"))["payload"]
    name = payload["controlnet_input_images"][0].split()[1]
    asked = Asked(
        picture(INPUTS / name),
        payload["controlnet_processor_res"],
        payload["controlnet_threshold_a"],
        payload["controlnet_threshold_b"],
    )
    assert difference(run(payload["controlnet_module"], asked), case / "0.png") == (0, 0.0)


CROP, JUST, FILL = ControlResize.CROP, ControlResize.JUST, ControlResize.FILL


@pytest.mark.parametrize(
    ("name", "module", "source", "resolution", "size", "resize"),
    [
        ("canny_512_1", "canny", "photo_200x120", 512, (128, 128), CROP),
        ("canny_portrait_1", "canny", "photo_96x160", None, (160, 96), CROP),
        ("canny_pp_fill_1", "canny", "photo_200x120", None, (128, 128), FILL),
        ("hires_both_canny_lanczos_1", "canny", "photo_200x120", 128, (128, 128), CROP),
        ("hires_both_canny_lanczos_2", "canny", "photo_200x120", 128, (192, 192), CROP),
        ("resize_fill_photo_1", "none", "photo_200x120", 0, (128, 128), FILL),
        ("resize_crop_photo_1", "none", "photo_200x120", 0, (128, 128), CROP),
        ("resize_just_photo_1", "none", "photo_200x120", 0, (128, 128), JUST),
    ],
)
def test_maps_at_the_wanted_size_equal_reference(
    name: str, module: str, source: str, resolution: int | None, size: tuple[int, int], resize: ControlResize
) -> None:
    raw = picture(INPUTS / f"{source}.png")
    found = pixel_perfect_resolution(*raw.shape[:2], *size, resize) if resolution is None else resolution
    made = fitted(run(module, Asked(raw, found, 100, 200)), *size, resize)
    assert difference(made, DATA / "maps" / f"{name}.png") == (0, 0.0)


def test_few_colours_stay_pure() -> None:
    areas = np.zeros((40, 60, 3), np.uint8)
    areas[:20, :30], areas[20:, 30:] = (120, 120, 120), (180, 120, 120)
    enlarged = fitted(areas, 128, 128, JUST)
    colours = {tuple(colour) for colour in enlarged.reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), (120, 120, 120), (180, 120, 120)}


def test_thick_drawings_stay_black_and_white() -> None:
    drawing = np.zeros((100, 100, 3), np.uint8)
    drawing[20:80, 20:40] = 255
    small = fitted(drawing, 64, 64, JUST)
    assert set(np.unique(small)) == {0, 255}
    assert 0.1 < (small > 127).mean() < 0.14


def test_thinning_leaves_one_pixel() -> None:
    bar = np.zeros((40, 40), np.uint8)
    bar[18:22, 5:35] = 255
    line = thinned(bar) > 0
    assert line[:, 10:30].sum(axis=0).max() == 1


def test_shuffle_is_fixed_by_the_seed() -> None:
    photo = picture(INPUTS / "photo_200x120.png")
    one, same, other = (run("shuffle", Asked(photo, 128, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert abs(float(one.mean()) - float(photo.mean())) < 40


PLAIN = [row for row in PREPROCESSORS.values() if not row.files]


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.name)
def test_every_preprocessor_without_weights_runs(row: Preprocessor) -> None:
    photo = picture(INPUTS / "photo_96x160.png")
    made = run(row.name, Asked(photo, 128, row.a.default if row.a else 0, row.b.default if row.b else 0))
    assert made.dtype == np.uint8
    assert made.ndim == 3
    assert made.shape[2] == 3
