"""Arbitrary requests for property tests, made from the table of fields: nothing is listed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from sdcolab.core.fields import Field, Part, parts_of, table_of
from sdcolab.core.request import GenerationRequest

LISTS: Mapping[str, tuple[str, ...]] = {
    "samplers": ("Euler a", "DPM++ 2M", "DDIM", "UniPC", "DPM++ 2M SDE Heun"),
    "schedules": ("Automatic", "Karras", "SGM Uniform", "Beta"),
    "vaes": ("Automatic", "None", "mse.safetensors"),
    "upscalers": ("None", "Lanczos", "4x-UltraSharp, (v2)"),
    "hires_upscalers": ("Latent", "Lanczos", "4x-UltraSharp, (v2)"),
}
"""Some of each live list; the others hold files."""


def pictures() -> st.SearchStrategy[Image.Image]:
    """Small pictures of one colour, in the modes that users bring."""
    return st.builds(
        lambda mode, side, colour: Image.new(mode, (side, side + 1), colour),
        st.sampled_from(("RGB", "L", "RGBA")),
        st.integers(1, 9),
        st.sampled_from(("black", "white", "red")),
    )


OWN_TESTS = frozenset({"control", "details", "regions"})
"""Parts with a grammar of their own, which tests of their own try (``test_control``, ``test_detail_units``,
``test_regions``): random values would not fit."""


def requests(
    texts: st.SearchStrategy[str] | None = None, names: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[GenerationRequest]:
    """Any request; ``texts`` are its prompts and ``names`` its models."""
    texts = st.text(max_size=40) if texts is None else texts
    names = st.sampled_from(("", "modelo", "sub/otro, (v2)")) if names is None else names
    return parts(GenerationRequest, texts, names)


def parts(kind: type, texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any value of the dataclass ``kind``."""
    own = {path: values(field, texts, names) for path, field in table_of(kind).items() if "." not in path}
    inner = {
        path: _part(part, texts, names)
        for path, part in parts_of(kind).items()
        if "." not in path and path not in OWN_TESTS
    }
    return st.builds(kind, **own, **inner)


def _part(part: Part, texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    any_of_it = parts(part.kind, texts, names)
    if part.many:
        return st.lists(any_of_it, max_size=2).map(tuple)
    return (st.none() if part.optional else st.just(part.kind())) | any_of_it


def values(field: Field, texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any value that ``field`` accepts."""
    one = _one(field, texts, names)
    if field.many:
        one = st.lists(one, min_size=int(field.required), max_size=3).map(tuple)
    return st.none() | one if field.optional else one


def _one(field: Field, texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if field.is_choice:
        return st.sampled_from(field.kind)
    if field.kind is bool:
        return st.booleans()
    if field.kind is int:
        low, high, step = int(field.low or 0), int(field.high or 1000), field.multiple or 1
        return st.integers(-(-low // step), high // step).map(lambda blocks: blocks * step)
    if field.kind is float:
        return st.floats(field.low or 0, 100 if field.high is None else field.high, allow_nan=False)
    if field.kind is Image.Image:
        return pictures()
    if field.control == "colour":
        return st.sampled_from(("#ffffff", "#102030"))
    return _text(field, texts, names)


def _text(field: Field, texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    if field.choices in LISTS:
        return st.sampled_from((*LISTS[field.choices], *([""] if field.default == "" else [])))
    if field.choices:
        return names.filter(bool) if field.required else names
    return texts
