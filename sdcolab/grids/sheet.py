"""Sheets of pictures with legends (hechos/a1111.md 8.5). Cells are opened one by one: only the sheet is in memory."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sdcolab.grids.fonts import MAIN, Font, font_at, runs
from sdcolab.grids.plan import Legend, Legends

ACTIVE, INACTIVE, BACKGROUND = "#000000", "#999999", "#ffffff"
_STRIKE = 4
"""Pixels of the line through what is left out, at the most: a tenth of its font's size."""

_SMALLEST_FONT = 6
_BLANK = 0.3
"""Least width of a blank that is seen, as a part of the font's size: fonts of few pixels round theirs to less."""

_NEVER_FIRST = frozenset({"Pe", "Pf", "Po"})
"""Categories of characters that no line begins with, such as a comma."""

OpenCell = Callable[[int, int], Image.Image | None]
"""(column, row) -> the cell's picture, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is on one sheet: the size of a cell, what the legends take on the left and on top, the margin
    between cells, and the whole."""

    cell: Size
    left: int
    top: int
    margin: int
    columns: int
    rows: int

    @property
    def whole(self) -> Size:
        """Size of the sheet."""
        return Size(
            self.left + self.columns * self.cell.width + self.margin * (self.columns - 1),
            self.top + self.rows * self.cell.height + self.margin * (self.rows - 1),
        )

    def place(self, column: int, row: int) -> tuple[int, int]:
        """Left and top of a cell."""
        return (
            self.left + column * (self.cell.width + self.margin),
            self.top + row * (self.cell.height + self.margin),
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """``wider``: pixels by which its blanks are wider than the font's."""

    text: str
    active: bool
    size: Size
    font_size: int
    wider: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of one legend, wrapped."""

    lines: tuple[_Line, ...]

    def height(self, gap: int) -> int:
        return sum(line.size.height + gap for line in self.lines)


def layout_of(
    columns: int, rows: int, cell: Size, column_legends: Legends = (), row_legends: Legends = (), margin: int = 0
) -> Layout:
    """The layout of ``columns`` x ``rows`` cells of size ``cell``.

    The font has (width + height) // 25 pixels and half of it between lines; row legends take three quarters of a cell's
    width, column legends as much as the highest one and the gap above and below.
    """
    return _composed(columns, rows, cell, column_legends, row_legends, margin)[0]


def draw_sheet(
    columns: int,
    rows: int,
    cell: Size,
    opened: OpenCell,
    column_legends: Legends = (),
    row_legends: Legends = (),
    margin: int = 0,
) -> Image.Image:
    """The sheet (RGB). Smaller pictures lie in the middle of their cells, larger ones are made to fit."""
    layout, across, down = _composed(columns, rows, cell, column_legends, row_legends, margin)
    sheet = Image.new("RGB", (layout.whole.width, layout.whole.height), BACKGROUND)
    for row in range(rows):
        for column in range(columns):
            picture = opened(column, row)
            if picture is not None:
                left, top = layout.place(column, row)
                fitted = _fitted(picture, cell)
                sheet.paste(fitted, (left + (cell.width - fitted.width) // 2, top + (cell.height - fitted.height) // 2))
    drawing = ImageDraw.Draw(sheet)
    gap = _gap(cell)
    for column, block in enumerate(across):
        left, _ = layout.place(column, 0)
        _draw(drawing, block, left + cell.width // 2, layout.top // 2 - block.height(gap) // 2, gap)
    for row, block in enumerate(down):
        _, top = layout.place(0, row)
        _draw(drawing, block, layout.left // 2, top + cell.height // 2 - block.height(gap) // 2, gap)
    return sheet


def side_by_side(sheets: Sequence[Image.Image], titles: Legends) -> Image.Image:
    """Sheets in one row, each under its title."""
    if len(sheets) == 1 and not any(titles):
        return sheets[0]
    cell = _largest([Size(*sheet.size) for sheet in sheets])
    return draw_sheet(len(sheets), 1, cell, lambda column, _row: sheets[column], titles if any(titles) else ())


def corners_side_by_side(sheets: Sequence[Size], titles: Legends) -> list[tuple[int, int]]:
    """Left and top of each sheet where ``side_by_side`` puts it."""
    if len(sheets) == 1 and not any(titles):
        return [(0, 0)]
    cell = _largest(sheets)
    layout = layout_of(len(sheets), 1, cell, titles if any(titles) else ())
    places = (layout.place(column, 0) for column in range(len(sheets)))
    return [
        (left + (cell.width - size.width) // 2, top + (cell.height - size.height) // 2)
        for (left, top), size in zip(places, sheets, strict=True)
    ]


def portion_of(left: int, top: int, cell: Size, whole: Size) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a cell, as parts (0..1) of the width and height of the whole."""
    right, bottom = left + cell.width, top + cell.height
    return left / whole.width, top / whole.height, right / whole.width, bottom / whole.height


def _largest(sizes: Sequence[Size]) -> Size:
    return Size(max(size.width for size in sizes), max(size.height for size in sizes))


def _composed(
    columns: int, rows: int, cell: Size, column_legends: Legends, row_legends: Legends, margin: int
) -> tuple[Layout, tuple[_Block, ...], tuple[_Block, ...]]:
    left = cell.width * 3 // 4 if any(row_legends) else 0
    gap = _gap(cell)
    across = tuple(_block(legends, cell.width, cell.height, cell) for legends in column_legends)
    down = tuple(_block(legends, left, cell.height, cell) for legends in row_legends) if left else ()
    highest = max((block.height(gap) - gap for block in across if block.lines), default=0)
    top = highest + gap * 2 if highest else 0
    return Layout(cell, left, top, margin, columns, rows), across, down


def _font_size(cell: Size) -> int:
    return max(_SMALLEST_FONT, (cell.width + cell.height) // 25)


def _gap(cell: Size) -> int:
    return _font_size(cell) // 2


def _block(legends: Sequence[Legend], width: int, height: int, cell: Size) -> _Block:
    """Legends in lines of at most ``width`` pixels; smaller where they would be higher than a cell."""
    size = _font_size(cell)
    while True:
        lines = tuple(
            line for legend in legends for line in _wrapped(legend, width, size, roomy=size < _font_size(cell))
        )
        block = _Block(lines)
        if size <= _SMALLEST_FONT or block.height(_gap(cell)) <= max(height, cell.height):
            return block
        size -= 1


def _wrapped(legend: Legend, width: int, size: int, *, roomy: bool = False) -> list[_Line]:
    """``legend`` broken between words, and inside of those that are wider than a line. Lines break as A1111's do, or
    ``roomy``: where their blanks can be as wide as they should."""
    lines: list[str] = []
    now = ""
    more = _lacking_of_blanks(size) if roomy else 0
    for word in legend.text.split():
        longer = f"{now} {word}".strip()
        if not now or _width(longer, size) + more * longer.count(" ") <= width:
            now = longer
        else:
            lines.append(now)
            now = word
        while _width(now, size) > width and len(now) > 1:
            fits = _fitting(now, width, size)
            fits -= fits > 1 and unicodedata.category(now[fits]) in _NEVER_FIRST
            lines.append(now[:fits])
            now = now[fits:]
    if now or not lines:
        lines.append(now)
    return [_line(line, legend.active, width, size) for line in lines]


def _line(text: str, active: bool, width: int, size: int) -> _Line:
    """A line whose blanks are made wider where there is room."""
    measured, blanks = _measured(text, size), text.count(" ")
    wider = min(_lacking_of_blanks(size), max(0, width - measured.width) // blanks) if blanks else 0
    return _Line(text, active, Size(measured.width + wider * blanks, measured.height), size, wider)


def _lacking_of_blanks(size: int) -> int:
    """Pixels by which the font's blank is narrower than is seen."""
    return max(0, math.ceil(size * _BLANK) - round(font_at(MAIN, size).getlength(" ")))


def _fitting(text: str, width: int, size: int) -> int:
    """How many characters of ``text`` fit in ``width``; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _width(text[:middle], size) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _width(text: str, size: int) -> int:
    """Pixels that ``text`` takes: to where the next character would begin, or to the end of its ink beyond that."""
    end = ink = 0.0
    for run in runs(text, size):
        ink = end + run.font.getbbox(run.text)[2]
        end += run.font.getlength(run.text)
    return round(max(end, ink))


def _measured(text: str, size: int) -> Size:
    """What ``text`` covers: its width, and the height of its ink."""
    boxes = [run.font.getbbox(run.text) for run in runs(text, size)]
    top = min((box[1] for box in boxes), default=0)
    return Size(_width(text, size), round(max((box[3] for box in boxes), default=0) - top))


def _draw(drawing: ImageDraw.ImageDraw, block: _Block, centre: int, top: int, gap: int) -> None:
    """Lines under each other around ``centre``."""
    for line in block.lines:
        colour = ACTIVE if line.active else INACTIVE
        left = centre - line.size.width // 2
        middle = top + line.size.height // 2
        _write(drawing, line, left, middle, colour)
        if not line.active:
            last = left + max(0, line.size.width - 1)  # Pillow draws both ends, and the cell begins right behind
            drawing.line((left, middle, last, middle), fill=colour, width=min(_STRIKE, max(1, line.font_size // 10)))
        top += line.size.height + gap


def _write(drawing: ImageDraw.ImageDraw, line: _Line, left: float, middle: int, colour: str) -> None:
    main: Font = font_at(MAIN, line.font_size)
    ascent, descent = main.getmetrics()
    baseline = middle + (ascent - descent) // 2
    for run in runs(line.text, line.font_size):
        for piece in re.findall(r" |[^ ]+", run.text) if line.wider else (run.text,):
            drawing.text((left, baseline), piece, font=run.font, fill=colour, anchor="ls")
            left += run.font.getlength(piece) + (line.wider if piece == " " else 0)


def _fitted(picture: Image.Image, cell: Size) -> Image.Image:
    """``picture`` as RGB, no larger than ``cell``."""
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    if rgb.width <= cell.width and rgb.height <= cell.height:
        return rgb
    scale = min(cell.width / rgb.width, cell.height / rgb.height)
    return rgb.resize((max(1, int(rgb.width * scale)), max(1, int(rgb.height * scale))), Image.Resampling.LANCZOS)
