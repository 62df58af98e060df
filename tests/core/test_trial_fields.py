"""A field costs its declaration: infotexts and JSON of a request with fields that do not exist."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.trial import Fit, Guidance, Trial, Unit

from sdcolab.core.codec import from_json, to_json
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FieldLimited, FieldOutOfRange
from sdcolab.core.fields import paths, with_value
from sdcolab.core.folders import Folders
from sdcolab.core.infotext import EngineFacts, parse, to_request, with_files, write
from sdcolab.core.library import Library

BASE = Trial(prompt="a cat", seed=1, width=512, height=512)
FACTS = EngineFacts("0.1.0", "Automatic", titles={"units.1.model": ("depth", "0123456789")})
UNITS = (Unit("canny", "canny", 0.5, pixel_perfect=True), Unit("depth", fit=Fit.STRETCH))
START = "a cat\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, "


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"mirrored": True, "tiling": True}, "Tiling: True, Mirrored: True, "),
        ({"guidance": Guidance(2.5, early=True)}, "Trial scale: 2.5, Trial early: True, "),
        (
            {"units": UNITS},
            'Trial unit 0: "Model: canny, Module: canny, Weight: 0.5, Resize Mode: Crop and Resize, Pixel Perfect: '
            'True", Trial unit 1: "Model: depth [0123456789], Module: none, Weight: 1, Resize Mode: Just Resize, Pixel '
            'Perfect: False", ',
        ),
    ],
)
def test_infotexts_write_and_read_it(changes: dict[str, object], text: str) -> None:
    request = replace(BASE, **changes)  # type: ignore[arg-type]
    written = write(request, FACTS)
    assert written == f"{START}{text}Version: sdcolab 0.1.0"
    pasted = to_request(parse(written), kind=Trial)
    assert (pasted.warnings, pasted.unused) == ((), ())
    assert Trial(**pasted.changes) == request
    assert pasted.hashes == ({"units.1.model": "0123456789"} if "units" in changes else {})


def test_what_is_wrong_inside_a_unit_is_told() -> None:
    line = 'Trial unit 0: "Model: a, Weight: 7, Trial: 5", Trial unit 1: "Module: canny", Trial unit 9: "Model: b"'
    pasted = to_request(parse(f"Steps: 1, Sampler: DDIM, Seed: 2, {line}"), kind=Trial)
    assert pasted.changes["units"] == (Unit("a", weight=2.0), Unit("b"))
    (warning,) = pasted.warnings
    assert isinstance(warning, FieldLimited) and (warning.field, warning.used) == ("units.weight", 2.0)
    assert pasted.unused == (("Trial unit 1", "Module: canny"), ("Trial unit 0 Trial", "5"))


def test_models_of_units_are_found_by_name_and_missing_ones_told(tmp_path: Path) -> None:
    folder = Folders(tmp_path).models(ModelKind.CONTROLNET)
    folder.mkdir(parents=True)
    (folder / "canny.safetensors").touch()
    pasted = to_request(parse(write(replace(BASE, units=UNITS), FACTS)), kind=Trial)
    found = with_files(pasted, Library(Folders(tmp_path)))
    assert [unit.model for unit in found.changes["units"]] == ["canny.safetensors"]
    assert [(missing.field, missing.name) for missing in found.missing] == [("units.1.model", "depth")]


def test_json_keeps_it() -> None:
    asked = replace(
        BASE, mirrored=True, guidance=Guidance(1.0), units=(*UNITS, Unit("c", image=Image.new("L", (3, 2))))
    )
    assert from_json(Trial, json.loads(json.dumps(to_json(asked)))) == asked


def test_its_values_are_walked_and_checked() -> None:
    request = replace(BASE, units=UNITS)
    assert "units.1.weight" in paths(request)
    assert with_value(request, "units.1.weight", 0.25).units[1].weight == 0.25
    with pytest.raises(FieldOutOfRange):
        with_value(request, "units.1.weight", 3)
