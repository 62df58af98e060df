"""X/Y/Z plot: the same picture with one, two or three things changed (hechos/a1111.md 9.1)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdcolab.core.errors import AxisEmpty, AxisUnavailable, SdcolabError
from sdcolab.core.request import MAX_RANDOM_SEED, MAX_SEED, RANDOM_SEED, GenerationRequest
from sdcolab.core.scripts import XyzPlot
from sdcolab.grids.axes import Axis, Kind, axis_called
from sdcolab.grids.names import Names
from sdcolab.grids.plan import Cell, Fields, Legend, Plan, SheetPlan, check_count
from sdcolab.grids.values import join

TITLE = XyzPlot.title
_SEED_AXES = ("Seed", "Var. seed")

RandomSeed = Callable[[], int]


def random_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbelow(MAX_RANDOM_SEED + 1)


@dataclass(frozen=True, slots=True)
class _Line:
    """One axis with its values."""

    letter: str
    axis: Axis
    text: str
    values: tuple[Any, ...]

    @property
    def cost(self) -> float:
        return self.axis.cost_of(self.values)


def plan(request: GenerationRequest, settings: XyzPlot, names: Names, draw_seed: RandomSeed = random_seed) -> Plan:
    """Every cell of the plot. Nothing is left to be drawn: seeds of -1 are settled here, unless they are to be kept.

    Raises ``GridError`` when an axis or a value is not known or there would be too many pictures, and what the first
    cell lacks when none can be made, such as ``SearchTextMissing``.
    """
    lines = _lines(request, settings, names)
    check_count(_product(lines) * request.image_count)
    if not settings.keep_random:
        request, lines = _settled(request, lines, draw_seed)
    cells = tuple(_cells(request, settings, lines))
    if all(cell.problem for cell in cells) and (problem := cells[0].problem):
        raise problem
    return Plan(TITLE, cells, _order(lines), _sheet(settings, lines), cells_shown=settings.sub_images, first_only=True)


def _lines(request: GenerationRequest, settings: XyzPlot, names: Names) -> tuple[_Line, ...]:
    return tuple(
        _line(letter, getattr(settings, f"{letter}_axis"), getattr(settings, f"{letter}_values"), request, names)
        for letter in "xyz"
    )


def _line(letter: str, label: str, text: str, request: GenerationRequest, names: Names) -> _Line:
    axis = axis_called(label, img2img=request.init is not None)
    if not axis.available:
        raise AxisUnavailable(axis=axis.label)
    if text.strip() == "*":  # written out, so that the infotext says what it was
        text = join(axis.choices(names))
    found = axis.read(text, names)
    if not found:
        raise AxisEmpty(axis=axis.label)
    return _Line(letter, axis, text, found)


def _product(lines: Sequence[_Line]) -> int:
    count = 1
    for line in lines:
        count *= len(line.values)
    return count


def _settled(
    request: GenerationRequest, lines: Sequence[_Line], draw_seed: RandomSeed
) -> tuple[GenerationRequest, tuple[_Line, ...]]:
    """The same with one seed for all cells in place of -1."""
    if request.seed == RANDOM_SEED:
        request = replace(request, seed=draw_seed())
    if request.variation.seed == RANDOM_SEED:
        request = replace(request, variation=replace(request.variation, seed=draw_seed()))
    return request, tuple(
        replace(line, values=tuple(draw_seed() if value == RANDOM_SEED else value for value in line.values))
        if line.axis.label in _SEED_AXES
        else line
        for line in lines
    )


def _cells(request: GenerationRequest, settings: XyzPlot, lines: tuple[_Line, ...]) -> Iterator[Cell]:
    x_line, y_line, z_line = lines
    columns, rows = len(x_line.values), len(y_line.values)
    requests = _Requests(request, lines)
    x_names, y_names, z_names = (_names(line) for line in lines)
    for z in range(len(z_line.values)):
        for y in range(rows):
            for x in range(columns):
                at = (x, y, z)
                name = ", ".join(filter(None, (x_names[x], y_names[y], z_names[z])))
                try:
                    made = _varied(requests.of(at), settings, at, columns, rows)
                except SdcolabError as problem:
                    yield Cell(None, at, name, problem)
                else:
                    yield Cell(made, at, name)


class _Requests:
    """The request of each cell. What the axes that are applied first make is kept for the others."""

    def __init__(self, request: GenerationRequest, lines: tuple[_Line, ...]) -> None:
        self._made: dict[tuple[int, ...], GenerationRequest] = {(): request}
        self._places = sorted(range(len(lines)), key=lambda place: lines[place].axis.rank)
        self._lines = [lines[place] for place in self._places]

    def of(self, at: tuple[int, int, int]) -> GenerationRequest:
        """The request of the cell at column, row and sheet. Raises what its axes raise."""
        return self._after(tuple(at[place] for place in self._places))

    def _after(self, chosen: tuple[int, ...]) -> GenerationRequest:
        if chosen not in self._made:
            line = self._lines[len(chosen) - 1]
            before = self._after(chosen[:-1])
            made = line.axis.apply(before, line.values[chosen[-1]], line.values)
            if len(chosen) == len(self._lines):
                return made
            self._made[chosen] = made
        return self._made[chosen]


def _varied(
    request: GenerationRequest, settings: XyzPlot, at: tuple[int, int, int], columns: int, rows: int
) -> GenerationRequest:
    """``request`` with the seed of its place."""
    x, y, z = at
    ahead = x * settings.vary_seeds_x
    across = columns if settings.vary_seeds_x else 1
    ahead += y * across * settings.vary_seeds_y
    ahead += z * across * (rows if settings.vary_seeds_y else 1) * settings.vary_seeds_z
    return replace(request, seed=(request.seed + ahead) & MAX_SEED) if ahead and request.seed >= 0 else request


def _names(line: _Line) -> tuple[str, ...]:
    """What each value of an axis is called."""
    if line.axis.kind is Kind.NOTHING:
        return ("",)
    return tuple(f"{line.axis.label}: {line.axis.shown(value)}" for value in line.values)


def _order(lines: tuple[_Line, ...]) -> tuple[int, ...]:
    """Indices of the cells so that what costs most changes least often; where nothing costs more, Z, then Y, then X
    from the outside."""
    counts = {line.letter: len(line.values) for line in lines}
    outer = sorted((lines[2], lines[1], lines[0]), key=lambda line: -line.cost)
    strides = {"x": 1, "y": counts["x"], "z": counts["x"] * counts["y"]}
    first, second, third = (line.letter for line in outer)
    return tuple(
        a * strides[first] + b * strides[second] + c * strides[third]
        for a in range(counts[first])
        for b in range(counts[second])
        for c in range(counts[third])
    )


def _sheet(settings: XyzPlot, lines: tuple[_Line, ...]) -> SheetPlan:
    x_line, y_line, z_line = lines
    fields = [entry for line in lines for entry in _fields(line, settings)]
    part_fields = [entry for line in (x_line, y_line) for entry in _fields(line, settings)]
    head = ("Script", TITLE)
    legends = settings.legend
    return SheetPlan(
        columns=len(x_line.values),
        rows=len(y_line.values),
        titles=_legends(z_line) if legends else ((),) * len(z_line.values),
        column_legends=_legends(x_line) if legends else (),
        row_legends=_legends(y_line) if legends else (),
        margin=settings.margin,
        fields=(head, *fields),
        part_fields=(head, *part_fields),
        alone=settings.sub_grids,
        plain=not legends,
    )


def _legends(line: _Line) -> tuple[tuple[Legend, ...], ...]:
    texts = [line.axis.legend(value) for value in line.values]
    return tuple((Legend(text),) if text else () for text in texts)


def _fields(line: _Line, settings: XyzPlot) -> Fields:
    """What the sheet's infotext says of an axis, in A1111's words."""
    if line.axis.kind is Kind.NOTHING:
        return ()
    letter = line.letter.upper()
    found = ((f"{letter} Type", line.axis.label), (f"{letter} Values", line.text))
    if line.axis.label in _SEED_AXES and not settings.keep_random:
        return (*found, (f"Fixed {letter} Values", ", ".join(str(value) for value in line.values)))
    return found
