"""The table of fields: what it reads from dataclasses, its checks, and the walker of dotted paths."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from sdcolab.core.errors import FieldNotMultiple, FieldOutOfRange
from sdcolab.core.fields import (
    REQUIRED,
    check,
    fact,
    facts,
    parts_of,
    paths,
    plain_path,
    table_of,
    value_at,
    with_value,
    with_values,
)


class Mode(StrEnum):
    ONE = "one"
    TWO = "two"


@dataclass(frozen=True, slots=True)
class Unit:
    model: str = field(metadata=facts(label="Model", choices="controlnets"))
    weight: float = fact(1.0, low=0, high=2, label="Weight")
    mode: Mode = Mode.ONE

    def __post_init__(self) -> None:
        check(self, "units")


@dataclass(frozen=True, slots=True)
class Inner:
    depth: int = fact(3, low=1, high=9)


@dataclass(frozen=True, slots=True)
class Wide:
    size: int | None = fact(None, low=8, high=64, multiple=8)
    scales: tuple[float, ...] = fact((1.0,), low=0, high=1)
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    extra: Inner | None = None
    units: tuple[Unit, ...] = ()

    def __post_init__(self) -> None:
        check(self)


# --- Tables -------------------------------------------------------------------------------------------------------


def test_a_table_has_every_field_by_path_in_order() -> None:
    assert list(table_of(Wide)) == [
        *("size", "scales", "names", "inner.depth", "extra.depth", "units.model", "units.weight", "units.mode"),
    ]
    assert list(parts_of(Wide)) == ["inner", "extra", "units"]
    assert list(table_of(Unit, "unit")) == ["unit.model", "unit.weight", "unit.mode"]


def test_a_field_knows_its_type_and_its_facts() -> None:
    table = table_of(Wide)
    size, scales, weight, mode, model = (
        table[path] for path in ("size", "scales", "units.weight", "units.mode", "units.model")
    )
    assert (size.kind, size.optional, size.many, size.default, size.increment) == (int, True, False, None, 8)
    assert (scales.kind, scales.many, scales.default) == (float, True, (1.0,))
    assert (weight.low, weight.high, weight.label, weight.name, weight.parent) == (0, 2, "Weight", "weight", "units")
    assert mode.is_choice and not mode.is_number and weight.is_number
    assert model.required and model.default is REQUIRED and model.choices == "controlnets"


def test_a_part_knows_whether_it_may_be_absent_or_repeat() -> None:
    parts = parts_of(Wide)
    assert [(part.optional, part.many) for part in parts.values()] == [(False, False), (True, False), (False, True)]


# --- Checks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, 2.1, math.nan, math.inf])
def test_values_out_of_range_are_refused_by_path(value: float) -> None:
    with pytest.raises(FieldOutOfRange) as caught:
        Unit("a", weight=value)
    assert caught.value.facts() == {"field": "units.weight", "value": value, "low": 0, "high": 2} or math.isnan(value)
    assert caught.value.field == "units.weight"


def test_every_value_of_a_tuple_is_checked() -> None:
    with pytest.raises(FieldOutOfRange):
        Wide(scales=(0.5, 1.5))


def test_multiples() -> None:
    assert Wide(size=None).size is None
    with pytest.raises(FieldNotMultiple):
        Wide(size=12)


# --- Walking ------------------------------------------------------------------------------------------------------

FULL = Wide(extra=Inner(5), units=(Unit("a"), Unit("b", 0.5)))


def test_values_by_path() -> None:
    assert value_at(FULL, "extra.depth") == 5
    assert value_at(FULL, "units.1.weight") == 0.5
    assert value_at(Wide(), "extra.depth") is None
    with pytest.raises(AttributeError):
        value_at(FULL, "inner.height")
    with pytest.raises(IndexError):
        value_at(FULL, "units.2.weight")


def test_the_paths_that_a_value_has() -> None:
    assert paths(Wide()) == ("size", "scales", "names", "inner.depth")
    units = [f"units.{place}.{name}" for place in (0, 1) for name in ("model", "weight", "mode")]
    assert paths(FULL) == ("size", "scales", "names", "inner.depth", "extra.depth", *units)
    assert {plain_path(path) for path in paths(FULL)} == set(table_of(Wide))


def test_changing_values_by_path() -> None:
    assert with_value(Wide(), "size", 16) == Wide(size=16)
    assert with_value(Wide(), "extra.depth", 2) == Wide(extra=Inner(2))
    assert with_value(FULL, "units.0.weight", 0.25).units == (Unit("a", 0.25), Unit("b", 0.5))
    assert with_value(FULL, "units.0", Unit("c")).units == (Unit("c"), Unit("b", 0.5))
    assert with_value(FULL, "extra", None) == Wide(units=FULL.units)
    assert with_values(FULL, {path: value_at(FULL, path) for path in paths(FULL)}) == FULL


def test_absent_parts_are_made() -> None:
    made = with_values(Wide(), {"units.0.model": "a", "units.1.model": "b", "units.1.weight": 0.5, "extra.depth": 5})
    assert made == FULL
    with pytest.raises(TypeError):
        with_value(Wide(), "units.0.weight", 0.5)
    with pytest.raises(IndexError):
        with_value(Wide(), "units.1.model", "b")


@pytest.mark.parametrize("path", ["nothing", "inner.nothing", "size.nothing", "units.0.nothing"])
def test_changing_what_does_not_exist_is_an_error(path: str) -> None:
    with pytest.raises(AttributeError):
        with_value(FULL, path, 1)


def test_a_changed_value_is_checked() -> None:
    with pytest.raises(FieldOutOfRange):
        with_value(FULL, "units.1.weight", 3)
