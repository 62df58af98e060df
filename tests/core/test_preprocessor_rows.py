"""Preprocessors and the models that go with them."""

from __future__ import annotations

import pytest

from sdcolab.core.control import ControlType
from sdcolab.core.errors import PreprocessorUnserved
from sdcolab.core.preprocessors import PREPROCESSORS, UNSERVED, default_preprocessor, model_for, preprocessors_for

FILES = ("control_v11p_sd15_canny", "control_v11f1p_sd15_depth", "controlnet-union-promax-sdxl", "ip-adapter_sd15")


@pytest.mark.parametrize(
    ("module", "model", "wanted"),
    [
        ("canny", "", "control_v11p_sd15_canny"),
        ("depth_midas", "control_v11p_sd15_canny", "control_v11f1p_sd15_depth"),
        ("depth_anything_v2", "controlnet-union-promax-sdxl", "controlnet-union-promax-sdxl"),
        ("openpose_full", "", "controlnet-union-promax-sdxl"),
        ("none", "ip-adapter_sd15", "ip-adapter_sd15"),
        ("none", "", ""),
        ("unheard of", "x", "x"),
    ],
)
def test_a_model_goes_with_its_preprocessor(module: str, model: str, wanted: str) -> None:
    assert model_for(module, model, FILES) == wanted


def test_nothing_is_proposed_where_nothing_fits() -> None:
    assert model_for("mlsd", "some", ("control_v11p_sd15_canny",)) == "some"
    assert model_for("mlsd", "control_v11p_sd15_canny", ("control_v11p_sd15_canny",)) == ""
    assert (
        model_for("invert", "control_v11p_sd15_lineart", ("control_v11p_sd15_lineart",)) == "control_v11p_sd15_lineart"
    )


def test_those_of_other_programs_are_told_by_name() -> None:
    for name, instead in UNSERVED.items():
        assert instead in PREPROCESSORS
        with pytest.raises(PreprocessorUnserved) as told:
            PREPROCESSORS.find(name.upper())
        assert told.value.instead == instead
    assert not UNSERVED.keys() & PREPROCESSORS.keys()


def test_what_an_ip_adapter_is_given_elsewhere_is_no_preprocessor() -> None:
    assert PREPROCESSORS.find("ip-adapter-auto").name == "none"


def test_every_type_offers_its_own_preprocessors_and_none() -> None:
    for kind in ControlType:
        offered = preprocessors_for(kind)
        assert PREPROCESSORS["none"] in offered
        assert default_preprocessor(kind) in offered
