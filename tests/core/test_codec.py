from __future__ import annotations

import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from PIL import Image
from support.requests import requests

from sdcolab.core.codec import from_json, request_from_json, request_to_json, to_json
from sdcolab.core.fields import table_of
from sdcolab.core.request import FIELDS, GenerationRequest, Hires, InitImage, Inpaint, NoiseOrigin, Refiner
from sdcolab.core.tuning import Emphasis, Tuning


@settings(max_examples=60, deadline=None)
@given(requests())
def test_a_request_comes_back_the_same(request: GenerationRequest) -> None:
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request


def test_pictures_travel_with_their_mode() -> None:
    mask = Image.new("L", (4, 6), 128)
    asked = GenerationRequest(init=InitImage((Image.new("RGBA", (3, 3), "red"),), inpaint=Inpaint(mask)))
    back = request_from_json(request_to_json(asked)).init
    assert back is not None
    assert back.inpaint is not None
    assert (back.images[0].mode, back.inpaint.mask.mode, back.inpaint.mask.getpixel((0, 0))) == ("RGBA", "L", 128)


def test_what_does_not_fit_keeps_its_default() -> None:
    raw = {
        "steps": "x",
        "seed": True,
        "noise_origin": "CPU",
        "nuevo": 1,
        "hires": {"steps": 7, "scale": 99},
        "init": {"images": []},
        "refiner": {"switch_at": 0.5},
        "tuning": {"emphasis": "No norm", "eta": "mucho"},
    }
    assert request_from_json(raw) == GenerationRequest(
        noise_origin=NoiseOrigin.CPU, hires=Hires(steps=7), tuning=Tuning(emphasis=Emphasis.NO_NORM)
    )


@pytest.mark.parametrize("png", ["", "no", "bm8="])
def test_a_damaged_picture_is_no_initial_image(png: str) -> None:
    assert request_from_json({"init": {"images": [{"png": png}]}}).init is None


def test_paths_name_the_fields_of_the_parts() -> None:
    assert {"prompt", "hires.steps", "init.inpaint.mask", "refiner.checkpoint", "tuning.eta"} <= set(FIELDS)
    assert Refiner("a").switch_at == 0.8


def test_every_adjustment_has_one_row() -> None:
    rows = table_of(Tuning)
    assert list(rows) == [field.name for field in dataclasses.fields(Tuning)]
    keys = [row.key for row in rows.values()]
    assert all(keys)
    assert len(keys) == len(set(keys))


@dataclasses.dataclass(frozen=True)
class Line:
    code: ClassVar[str] = "line"
    values: tuple[float, ...] = (1.0,)


@dataclasses.dataclass(frozen=True)
class Sheet:
    code: ClassVar[str] = "sheet"
    size: tuple[int, int] = (1, 2)
    folder: Path | None = None


@dataclasses.dataclass(frozen=True)
class Work:
    code: ClassVar[str] = "work"
    request: GenerationRequest
    script: Line | Sheet | None = None
    steps: tuple[Line | Sheet, ...] = ()


@pytest.mark.parametrize(
    "work",
    [
        Work(GenerationRequest(steps=3)),
        Work(GenerationRequest(hires=Hires()), Sheet((3, 4), Path("a/b")), (Line((0.5, 2.0)), Sheet())),
    ],
)
def test_any_frozen_dataclass_comes_back_the_same(work: Work) -> None:
    assert from_json(Work, json.loads(json.dumps(to_json(work)))) == work


@pytest.mark.parametrize(
    "raw",
    [
        {"script": {"code": "circle"}},
        {"script": {}},
        {"script": 5},
        {"steps": {"code": "line"}},
        {"steps": [{"code": "sheet", "size": 3}, 7]},
        {"script": ["code"]},
    ],
)
def test_wrong_values_keep_the_default(raw: dict[str, object]) -> None:
    assert from_json(Work, {"request": {}} | raw) == Work(GenerationRequest())


def test_what_has_no_default_must_be_there() -> None:
    with pytest.raises(KeyError):
        from_json(Work, {})


def test_a_picture_of_another_format_is_none() -> None:
    gif = io.BytesIO()
    Image.new("L", (2, 2)).save(gif, "GIF")
    raw = {"init": {"images": [{"png": base64.b64encode(gif.getvalue()).decode()}]}}
    assert request_from_json(raw).init is None
