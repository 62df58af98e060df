"""Every field of a request has a control, and what the page shows reads back as what was asked."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import gradio as gr
import pytest

from sdcolab.core.errors import FieldNotMultiple, FieldNotNumber, FieldOutOfRange, RequestError, UnknownName
from sdcolab.core.messages import FIELD_LABELS
from sdcolab.core.request import GenerationRequest, NoiseOrigin
from sdcolab.web.controls import CONTROLS, Options, request_from, shown_values, with_automatic

OPTIONS = Options(
    checkpoints=("demo.safetensors", "sub/otro.safetensors"),
    vaes=("Automatic", "mse.safetensors"),
    samplers=("Euler a", "DPM++ 2M"),
    schedules=("Automatic", "Karras"),
)
SLIDERS = ("steps", "width", "height", "cfg_scale", "batch_count", "batch_size", "clip_skip")


def form(**changes: Any) -> dict[str, Any]:
    return shown_values(GenerationRequest(checkpoint="demo.safetensors"), 512) | changes


def test_every_field_has_a_control_and_a_label() -> None:
    names = [field.name for field in fields(GenerationRequest)]
    assert sorted(CONTROLS) == sorted(names)
    assert set(names) <= set(FIELD_LABELS)


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_each_control_shows_its_label(name: str) -> None:
    assert CONTROLS[name].make(OPTIONS).label == FIELD_LABELS[name]


def test_shown_values_read_back_as_the_same_request() -> None:
    asked = GenerationRequest(
        prompt="un (gato:1.2)",
        negative_prompt="perro",
        sampler="DPM++ 2M",
        schedule="Karras",
        steps=31,
        cfg_scale=6.5,
        seed=2**64 - 1,
        width=640,
        height=512,
        batch_size=3,
        batch_count=2,
        clip_skip=2,
        noise_origin=NoiseOrigin.CPU,
        checkpoint="sub/otro.safetensors",
        vae="mse.safetensors",
    )
    assert request_from(shown_values(asked, 512), OPTIONS) == asked


def test_open_sizes_show_the_native_size() -> None:
    shown = shown_values(GenerationRequest(height=256), 128)
    assert (shown["width"], shown["height"]) == (128, 256)


def test_a_form_without_any_checkpoint_is_a_request() -> None:
    empty = replace(OPTIONS, checkpoints=())
    assert request_from(form(checkpoint=None), empty).checkpoint == ""


@pytest.mark.parametrize("name", SLIDERS)
def test_both_ends_of_a_slider_are_accepted(name: str) -> None:
    slider = CONTROLS[name].make(OPTIONS)
    assert isinstance(slider, gr.Slider)
    for end in (slider.minimum, slider.maximum):
        request_from(form(**{name: end}), OPTIONS)


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_hands_over_what_was_typed(name: str) -> None:
    assert CONTROLS[name].make(OPTIONS).preprocess(99_999) == 99_999


@pytest.mark.parametrize(
    ("name", "typed", "error"),
    [
        ("seed", "abc", FieldNotNumber),
        ("seed", "", FieldNotNumber),
        ("seed", "1.5", FieldNotNumber),
        ("seed", "9" * 5000, FieldNotNumber),
        ("seed", "-2", FieldOutOfRange),
        ("seed", str(2**64), FieldOutOfRange),
        ("steps", 0, FieldOutOfRange),
        ("steps", 151, FieldOutOfRange),
        ("steps", 20.5, FieldNotNumber),
        ("steps", None, FieldNotNumber),
        ("steps", "inf", FieldNotNumber),
        ("cfg_scale", "siete", FieldNotNumber),
        ("cfg_scale", "nan", FieldOutOfRange),
        ("width", 500, FieldNotMultiple),
        ("height", 4096, FieldOutOfRange),
        ("sampler", "Euler b", UnknownName),
        ("checkpoint", "demo.safetensor", UnknownName),
        ("checkpoint", None, UnknownName),
        ("vae", "../../etc/passwd", UnknownName),
    ],
)
def test_wrong_values_are_request_errors(name: str, typed: Any, error: type[RequestError]) -> None:
    with pytest.raises(error) as caught:
        request_from(form(**{name: typed}), OPTIONS)
    assert str(caught.value)


@pytest.mark.parametrize(("typed", "seed"), [(" 42 ", 42), ("-1", -1), ("42.0", 42), (str(2**63 + 1), 2**63 + 1)])
def test_seeds_as_people_type_them(typed: str, seed: int) -> None:
    assert request_from(form(seed=typed), OPTIONS).seed == seed


def test_a_decimal_comma_is_understood() -> None:
    assert request_from(form(cfg_scale="7,5"), OPTIONS).cfg_scale == 7.5


def test_close_names_are_suggested() -> None:
    with pytest.raises(UnknownName) as caught:
        request_from(form(sampler="Euler A"), OPTIONS)
    assert caught.value.suggestions == ("Euler a",)


def test_automatic_is_offered_once() -> None:
    assert with_automatic(("Karras",)) == ("Automatic", "Karras")
    assert with_automatic(("Uniform", "Automatic")) == ("Uniform", "Automatic")
