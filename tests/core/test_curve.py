"""The curve of a training: small however long it is, true to its losses, and drawn where it belongs."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from sdcolab.core.curve import MOST, Curve, chart_svg, write_chart
from sdcolab.core.letters import letters


def learnt(steps: int, total: int, first: int = 0) -> Curve:
    curve = Curve()
    for step in range(first + 1, first + steps + 1):
        curve = curve.then(step, total, loss=1 / step, rate=step * 1e-6)
    return curve


def test_a_short_curve_has_every_step() -> None:
    curve = learnt(3, 10)
    assert [point.loss for point in curve.points] == [1, 1 / 2, 1 / 3]
    assert curve.rates == (1e-6, 2e-6, 3e-6)
    assert curve.step == 3


@pytest.mark.parametrize("steps", [MOST, MOST + 1, 9_999])
def test_a_long_curve_stays_small_and_keeps_every_loss(steps: int) -> None:
    curve = learnt(steps, 10_000)
    assert len(curve.points) <= MOST
    assert curve.step == steps
    mean = sum(point.loss * point.count for point in curve.points) / steps
    assert mean == pytest.approx(sum(1 / step for step in range(1, steps + 1)) / steps)


def test_going_on_later_is_a_curve_of_its_own_in_its_place() -> None:
    curve = learnt(5, 10).then(8, 10, 0.5, 1e-3)
    assert (curve.first, curve.step, len(curve.points)) == (7, 8, 1)
    (place,) = re.findall(r'points="([\d.]+),', chart_svg(curve))[:1]
    assert float(place) == pytest.approx(44 + (640 - 88) * 0.8, abs=0.1)


def test_the_drawing_is_well_formed_and_says_its_numbers() -> None:
    assert chart_svg(Curve()) == ""
    drawn = ElementTree.fromstring(chart_svg(learnt(30, 60)))
    assert "paso 30 de 60" in drawn.get("aria-label", "")
    assert drawn.get("viewBox") is None  # its letters are as large in a narrow panel
    lines = drawn.findall("svg/polyline")
    assert len(lines) == 2
    for line in lines:
        places = [tuple(map(float, place.split(","))) for place in line.get("points", "").split()]
        assert len(places) == 30
        assert all(0 <= x <= 640 and 0 <= y <= 220 for x, y in places)
    assert float(lines[1].get("points", "").split(",")[1].split()[0]) == pytest.approx(22)  # the greatest loss: on top


def test_the_picture_of_it_is_written(tmp_path: Path) -> None:
    write_chart(tmp_path / "a.png", learnt(30, 60))
    with Image.open(tmp_path / "a.png") as picture:
        assert len(picture.convert("RGB").getcolors(100_000) or ()) > 2


def test_its_letters_have_accents() -> None:
    drawn = {text: letters(12).getmask(text) for text in ("é", "ñ", "\ufffe")}
    assert bytes(drawn["é"]) != bytes(drawn["\ufffe"]) != bytes(drawn["ñ"]), "each is a letter, and no box"
