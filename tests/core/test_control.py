"""ControlNet's pure rules: timing, strength, sizes, choosing models (hechos/extensiones.md 3)."""

from __future__ import annotations

import pytest

from sdcolab.core.control import (
    ControlMode,
    ControlPasses,
    ControlResize,
    ControlType,
    ControlUnit,
    best_model,
    family_in_name,
    is_soft,
    models_for,
    pixel_perfect_resolution,
    soft_scales,
)
from sdcolab.core.control_files import UnionType, union_type
from sdcolab.core.detect import ModelFamily
from sdcolab.core.errors import FieldOutOfRange
from sdcolab.core.preprocessors import PREPROCESSORS, default_preprocessor, preprocessors_for


@pytest.mark.parametrize(
    ("start", "end", "steps", "active"),
    [
        (0.0, 1.0, 4, [0, 1, 2, 3]),
        (0.2, 0.6, 8, [2, 3, 4]),
        (0.55, 1.0, 8, [5, 6, 7]),
        (0.0, 0.45, 8, [0, 1, 2, 3]),
        (0.5, 0.5, 8, [4]),
        (0.0, 0.0, 8, [0]),
    ],
)
def test_a_unit_acts_from_start_to_end_both_included(start: float, end: float, steps: int, active: list[int]) -> None:
    unit = ControlUnit(start=start, end=end)
    assert [step for step in range(steps) if unit.active(step, steps)] == active


def test_soft_scales_are_the_ones_of_the_facts() -> None:
    known = (0.0994, 0.1205, 0.1461, 0.1770, 0.2146, 0.2601, 0.3153, 0.3822, 0.4633, 0.5615, 0.6806, 0.8250, 1.0)
    assert soft_scales(13) == pytest.approx(known, abs=1e-4)
    assert soft_scales(10) == pytest.approx(known[:10], abs=1e-4)
    assert soft_scales(7)[-1] == 1.0


def test_line_maps_are_soft_in_the_hires_pass() -> None:
    assert is_soft(ControlUnit(module="canny"), hires=True)
    assert not is_soft(ControlUnit(module="canny"), hires=False)
    assert not is_soft(ControlUnit(module="depth_midas"), hires=True)
    assert is_soft(ControlUnit(mode=ControlMode.PROMPT), hires=False)


@pytest.mark.parametrize(
    ("passes", "low", "high"),
    [(ControlPasses.BOTH, True, True), (ControlPasses.LOW, True, False), (ControlPasses.HIGH, False, True)],
)
def test_hires_option(passes: ControlPasses, low: bool, high: bool) -> None:
    unit = ControlUnit(passes=passes)
    assert (unit.acts_in(hires=False), unit.acts_in(hires=True)) == (low, high)


@pytest.mark.parametrize(
    ("raw", "target", "resize", "wanted"),
    [
        ((120, 200), (128, 128), ControlResize.CROP, 128),
        ((120, 200), (128, 128), ControlResize.JUST, 128),
        ((120, 200), (128, 128), ControlResize.FILL, 77),
        ((160, 96), (160, 96), ControlResize.CROP, 96),
        ((1000, 500), (512, 768), ControlResize.CROP, 768),
    ],
)
def test_pixel_perfect(raw: tuple[int, int], target: tuple[int, int], resize: ControlResize, wanted: int) -> None:
    assert pixel_perfect_resolution(*raw, *target, resize) == wanted


@pytest.mark.parametrize("field", ["weight", "start", "end"])
def test_ranges(field: str) -> None:
    with pytest.raises(FieldOutOfRange):
        ControlUnit(**{field: 2.5})


FILES = (
    "control_sd15_canny",
    "control_v11p_sd15_canny",
    "control_v11p_sd15_scribble",
    "control_v11f1e_sd15_tile",
    "control_v11p_sd15_seg",
    "diffusers_xl_canny_full",
    "controlnet-union-sdxl-1.0",
    "controlnet-union-sdxl-1.0-promax",
    "ip-adapter_sd15_plus",
)


@pytest.mark.parametrize(
    ("kind", "family", "wanted"),
    [
        (ControlType.CANNY, ModelFamily.SD1, "control_v11p_sd15_canny"),
        (ControlType.CANNY, ModelFamily.SDXL, "diffusers_xl_canny_full"),
        (ControlType.DEPTH, ModelFamily.SDXL, "controlnet-union-sdxl-1.0-promax"),
        (ControlType.DEPTH, ModelFamily.SD1, None),
        (ControlType.TILE, ModelFamily.SD1, "control_v11f1e_sd15_tile"),
        (ControlType.IP_ADAPTER, ModelFamily.SD1, "ip-adapter_sd15_plus"),
        (ControlType.SEGMENTATION, ModelFamily.SD1, "control_v11p_sd15_seg"),
    ],
)
def test_choosing_a_type_proposes_a_model(kind: ControlType, family: ModelFamily, wanted: str | None) -> None:
    assert best_model(kind, FILES, family) == wanted


def test_the_list_of_a_type() -> None:
    assert models_for(ControlType.SCRIBBLE, FILES) == (
        "control_v11p_sd15_scribble",
        "controlnet-union-sdxl-1.0",
        "controlnet-union-sdxl-1.0-promax",
    )
    assert models_for(ControlType.ALL, FILES) == FILES


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("control_v11p_sd15_canny", ModelFamily.SD1),
        ("controlnet11Models_canny", ModelFamily.UNKNOWN),
        ("control_v11p_sd21_canny", ModelFamily.SD2),
        ("thibaud_xl_openpose", ModelFamily.SDXL),
    ],
)
def test_family_in_a_name(name: str, family: ModelFamily) -> None:
    assert family_in_name(name) is family


def test_every_type_offers_doing_nothing_and_its_own_default() -> None:
    for kind in ControlType:
        assert "none" in [one.name for one in preprocessors_for(kind)]
    assert default_preprocessor(ControlType.CANNY).name == "canny"
    assert default_preprocessor(ControlType.SCRIBBLE).name == "scribble_xdog"


@pytest.mark.parametrize("name", ["None", "none", "NONE", "invert (from white bg & black line)", "Canny"])
def test_names_of_other_programs(name: str) -> None:
    assert PREPROCESSORS.find(name).name in ("none", "invert", "canny")


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("canny", UnionType.HARD_EDGE),
        ("scribble_xdog", UnionType.SOFT_EDGE),
        ("softedge_hed", UnionType.SOFT_EDGE),
        ("lineart_anime", UnionType.HARD_EDGE),
        ("tile_resample", UnionType.TILE),
        ("inpaint_only", UnionType.INPAINT),
        ("none", UnionType.HARD_EDGE),
    ],
)
def test_union_type_of_a_module(module: str, kind: UnionType) -> None:
    assert union_type(module) is kind
