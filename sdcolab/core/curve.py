"""A training's loss and learning rate by step, kept small however long it is, and drawn. No torch."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw

from sdcolab.core.files import atomic_write
from sdcolab.core.letters import letters
from sdcolab.core.words import training_progress as words

MOST = 400
"""Points of a curve; a longer training has several steps in each."""

_WIDTH, _HEIGHT, _MARGIN, _FOOT = 640, 220, 44, 22
_LOSS, _RATE = "#2563eb", "#d97706"
_LINE = 'fill="none" stroke-width="2" vector-effect="non-scaling-stroke"'
_STYLE = f"display:block;width:100%;max-width:680px;height:{_HEIGHT}px;margin:4px 0;background:#8881;border-radius:8px"


@dataclass(frozen=True, slots=True)
class Point:
    """What ``count`` steps in a row had: the mean of their losses, and the last one's learning rate."""

    loss: float
    rate: float
    count: int = 1

    def and_then(self, other: Point) -> Point:
        """Both as one."""
        count = self.count + other.count
        return Point((self.loss * self.count + other.loss * other.count) / count, other.rate, count)


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of a training of ``total`` steps, of which each has ``every``; ``first`` is the step before them."""

    total: int = 0
    first: int = 0
    points: tuple[Point, ...] = ()
    every: int = 1

    def then(self, step: int, total: int, loss: float, rate: float) -> Curve:
        """With the next step (from 1); one that does not go on from the last begins a new curve."""
        if step != self.step + 1 or total != self.total:
            return Curve(total, step - 1, (Point(loss, rate),))
        *known, last = self.points
        if last.count < self.every:
            return replace(self, points=(*known, last.and_then(Point(loss, rate))))
        points = (*self.points, Point(loss, rate))
        return self._thinned(points) if len(points) > MOST else replace(self, points=points)

    @property
    def step(self) -> int:
        """The last step."""
        return self.first + sum(point.count for point in self.points)

    def _thinned(self, points: tuple[Point, ...]) -> Curve:
        pairs = itertools.zip_longest(points[::2], points[1::2])
        merged = tuple(one.and_then(other) if other else one for one, other in pairs)
        return replace(self, points=merged, every=self.every * 2)

    @property
    def losses(self) -> tuple[float, ...]:
        """The mean loss up to each point, over about a twentieth of the curve: single losses jump."""
        return tuple(smoothed([point.loss for point in self.points], max(5, len(self.points) // 20)))

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rate at each point."""
        return tuple(point.rate for point in self.points)


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last ``window`` values at each place."""
    total, made = 0.0, []
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        made.append(total / min(index + 1, window))
    return made


def _places(curve: Curve, values: Sequence[float]) -> list[tuple[float, float]]:
    """``values`` as places in the chart, their least at its foot and their greatest at its top."""
    low, high = min(values), max(values)
    span, step, places = high - low, curve.first, []
    for point, value in zip(curve.points, values, strict=True):
        step += point.count
        across = _MARGIN + (_WIDTH - 2 * _MARGIN) * step / max(1, curve.total)
        places.append((across, _FOOT + (_HEIGHT - 2 * _FOOT) * (1 - (value - low) / span if span else 0.5)))
    return places


def chart_svg(curve: Curve) -> str:
    """Loss (blue) and learning rate (orange) as an SVG that says the last numbers to those who do not see it; "" where
    there is no step yet. As narrow as it may be drawn, its letters keep their size: only the lines are squeezed."""
    if not curve.points:
        return ""
    losses, rates = curve.losses, curve.rates
    told = words.CURVE.format(loss=losses[-1], rate=rates[-1], step=curve.step, total=curve.total)
    lines = []
    for values, colour in ((rates, _RATE), (losses, _LOSS)):
        shown = " ".join(f"{across:.1f},{down:.1f}" for across, down in _places(curve, values))
        lines.append(f'<polyline points="{shown}" stroke="{colour}" {_LINE}/>')
    foot = _HEIGHT - 5
    return (
        f'<svg role="img" aria-label="{html.escape(told)}" style="{_STYLE}">'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" width="100%" height="100%">{"".join(lines)}'
        f'</svg><g font-size="12" font-family="sans-serif">'
        f'<g fill="{_LOSS}"><text x="4" y="16">{words.LOSS} {losses[-1]:.4f}</text>'
        f'<text x="4" y="{_FOOT + 14}">{max(losses):.3f}</text><text x="4" y="{foot - 18}">{min(losses):.3f}</text></g>'
        f'<g fill="{_RATE}" text-anchor="end"><text x="100%" dx="-4" y="16">{words.RATE} {rates[-1]:.2g}</text>'
        f'<text x="100%" dx="-4" y="{_FOOT + 14}">{max(rates):.1g}</text></g>'
        f'<text x="100%" dx="-{_MARGIN}" y="{foot}" text-anchor="end" fill="currentColor" opacity=".75">'
        f"{words.CURVE_STEP.format(step=curve.step, total=curve.total)}</text></g></svg>"
    )


def write_chart(path: Path, curve: Curve) -> None:
    """The same chart as a PNG. Raises ``StorageError``."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for values, colour in ((curve.rates, _RATE), (curve.losses, _LOSS)):
        if len(values) > 1:
            draw.line(_places(curve, values), fill=colour, width=2)
    if curve.points:
        font, losses, rates, foot = letters(12), curve.losses, curve.rates, _HEIGHT - 18
        step = words.CURVE_STEP.format(step=curve.step, total=curve.total)
        for place, text, colour, anchor in (
            ((4, 3), f"{words.LOSS} {losses[-1]:.4f}", _LOSS, None),
            ((4, _FOOT), f"{max(losses):.3f}", _LOSS, None),
            ((4, foot - 14), f"{min(losses):.3f}", _LOSS, None),
            ((_WIDTH - 4, 3), f"{words.RATE} {rates[-1]:.2g}", _RATE, "ra"),
            ((_WIDTH - 4, _FOOT), f"{max(rates):.1g}", _RATE, "ra"),
            ((_WIDTH - _MARGIN, foot), step, "#555555", "ra"),
        ):
            draw.text(place, text, fill=colour, font=font, anchor=anchor)
    with atomic_write(path) as file:
        image.save(file, "PNG")
