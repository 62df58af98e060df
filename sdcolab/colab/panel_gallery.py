"""The panel's gallery: the pictures made, one big with its data, the last ones small. ipywidgets 7.7 and 8."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.colab.panel_parts import put_away
from sdcolab.colab.panel_sheet import as_cells, sheet_widget
from sdcolab.core.events import ImageSaved
from sdcolab.core.formats import ImageFormat
from sdcolab.core.words import panel as words
from sdcolab.core.words.scripts import BACK_TO_SHEET, PRESS_A_CELL
from sdcolab.studio.sheets import Sheets, Spot

BIG_SIDE = 1024
WHOLE_SIDE = 4096
"""Pixels that a side of a sheet has at most where it is opened large."""
SMALL_SIDE = 96
MAX_SMALL = 24
"""The notebook keeps every widget's picture in the browser: a phone has little memory."""


Act = Callable[[ImageSaved], None]
"""What a button does with the picture on show."""


class Gallery:
    """``actions``: what else can be done with the picture on show, by the words on the button. ``canvas`` makes a
    surface to compare two pictures. The cells of ``sheets`` can be opened."""

    def __init__(self, widgets: Any, actions: Mapping[str, Act], canvas: Callable[[str], Any], sheets: Sheets) -> None:
        self._widgets = widgets
        self._canvas = canvas
        self._sheets = sheets
        self._images: list[ImageSaved] = []
        self._shown = -1
        self._cell: ImageSaved | None = None
        self._opened = ""
        self._sheet: Any = None
        self._sheet_box = widgets.VBox([])
        hidden = widgets.Layout(display="none")
        self._picture = widgets.Image(format="jpeg", layout=widgets.Layout(max_width="100%", width="512px"))
        self._counter = widgets.HTML()
        self._infotext = widgets.Textarea(
            rows=5,
            disabled=True,
            layout=widgets.Layout(width="98%"),
            description=words.DATA,
            placeholder=words.DATA_HINT,
        )
        back, forward = self._button(words.PREVIOUS), self._button(words.NEXT)
        back.on_click(lambda _button: self.show(self._shown - 1))
        forward.on_click(lambda _button: self.show(self._shown + 1))
        buttons = [self._action(text, act) for text, act in actions.items()]
        compare, download = self._button(words.COMPARE), self._button(words.DOWNLOAD_PICTURE)
        compare.on_click(lambda _button: self._compare())
        download.on_click(lambda _button: self._offer())
        self._link = widgets.HTML()
        self._compared = widgets.VBox([])
        self._strip = widgets.Box([], layout=widgets.Layout(flex_flow="row nowrap", overflow="auto", width="98%"))
        wrap = {"layout": widgets.Layout(flex_flow="row wrap")}
        row = widgets.HBox([back, self._counter, forward], **wrap)
        acts = widgets.HBox([*buttons, compare, download, self._link], **wrap)
        self._back = self._button(f"↩ {BACK_TO_SHEET}")
        self._back.layout.display = "none"
        self._back.on_click(lambda _button: self.show(self._place_of_sheet()))
        shown = [self._back, self._picture, self._sheet_box]
        self.box = widgets.VBox([*shown, self._strip, row, acts, self._compared, self._infotext], layout=hidden)

    @property
    def shown(self) -> ImageSaved | None:
        """The picture on show."""
        return self._cell or (self._images[self._shown] if self._images else None)

    def _button(self, text: str) -> Any:
        return self._widgets.Button(description=text, layout=self._widgets.Layout(width="auto"))

    def _action(self, text: str, act: Act) -> Any:
        button = self._button(text)
        button.on_click(lambda _button: act(self.shown) if self.shown else None)
        return button

    def _compare(self) -> None:
        """The picture on show beside the one before it, or nothing again."""
        second = self.shown
        if self._compared.children or len(self._images) < 2 or second is None:
            self._compare_no_more()
            return
        surface = self._canvas("compare")
        first = self._images[self._shown - 1]
        surface.picture = as_jpeg(first.path, BIG_SIDE, 90) or b""
        surface.second = as_jpeg(second.path, BIG_SIDE, 90) or b""
        self._compared.children = (surface,)

    def _compare_no_more(self) -> None:
        """Take the comparison away, with its two pictures."""
        compared, self._compared.children = self._compared.children, ()
        for surface in compared:
            put_away(surface)

    def _offer(self) -> None:
        """A link to the file itself, with its data inside."""
        if image := self.shown:
            coded = base64.b64encode(image.path.read_bytes()).decode()
            name = html.escape(image.path.name, quote=True)
            media = ImageFormat(image.path.suffix[1:]).media
            said = words.SAVE_FILE.format(name=name)
            self._link.value = f'<a download="{name}" href="data:{media};base64,{coded}">{said}</a>'

    def add(self, image: ImageSaved) -> None:
        """A new picture: it becomes the one shown, unless a cell of its own sheet is open.

        A file that is gone already is skipped.
        """
        small = as_jpeg(image.path, SMALL_SIDE, 75)
        if small is None:
            return
        number = len(self._images)
        self._images.append(image)
        button = self._widgets.Button(
            description=words.SHOW_PICTURE.format(number=number + 1), layout=self._widgets.Layout(width="96px")
        )
        button.on_click(lambda _button: self.show(number))
        layout = self._widgets.Layout(width="96px", height="96px", object_fit="contain")
        picture = self._widgets.Image(value=small, format="jpeg", layout=layout)
        dropped = self._strip.children[MAX_SMALL - 1 :]
        self._strip.children = (self._widgets.VBox([picture, button]), *self._strip.children[: MAX_SMALL - 1])
        for old in dropped:
            put_away(old)
        self.box.layout.display = "flex"
        if not (self._opened and self._sheets.are_of_one_job(self._opened, image)):
            self.show(number)

    def show(self, number: int) -> None:
        """Show picture ``number``; past one end comes the other."""
        if not self._images:
            return
        self._shown = number % len(self._images)
        self._cell, self._opened = None, ""
        image = self._images[self._shown]
        spots = self._sheets.on(image.path)
        big = as_jpeg(image.path, BIG_SIDE, 90)
        if big is not None:
            self._draw(big, spots)
        hint = f"<br>{PRESS_A_CELL}" if spots else ""
        place = words.PLACE_OF_PICTURE.format(
            number=self._shown + 1, count=len(self._images), name=html.escape(image.path.name)
        )
        self._tell(image, f"&nbsp;{place}&nbsp;{hint}")

    def open_cell(self, key: str) -> None:
        """Show the picture of a cell, with its data; nothing where it is gone."""
        cell = self._sheets.picture(key)
        big = as_jpeg(cell.path, BIG_SIDE, 90) if cell else None
        if cell is None or big is None:
            return
        self._cell, self._opened = cell, key
        self._draw(big, ())
        self._back.layout.display = "flex" if self._images else "none"
        self.box.layout.display = "flex"
        self._tell(cell, f"&nbsp;{html.escape(cell.path.name)}&nbsp;")

    def _place_of_sheet(self) -> int:
        """Which picture is the sheet of the cell that is open; the one shown before while it is not finished."""
        for place in reversed(range(len(self._images))):
            if any(spot.key == self._opened for spot in self._sheets.on(self._images[place].path)):
                return place
        return self._shown

    def _draw(self, big: bytes, spots: Sequence[Spot]) -> None:
        """A picture, or a sheet whose cells can be pressed."""
        self._back.layout.display = "none"
        self._picture.value = b"" if spots else big
        self._picture.layout.display = "none" if spots else "flex"
        if not spots:
            self._sheet_box.children = ()
            return
        self._sheet = self._sheet or sheet_widget(self.open_cell, self._whole)
        self._sheet.cells, self._sheet.picture, self._sheet.whole = as_cells(spots), big, b""
        self._sheet_box.children = (self._sheet,)

    def _whole(self) -> bytes | None:
        """The sheet on show with words that can be read."""
        return as_jpeg(self.shown.path, WHOLE_SIDE, 90) if self.shown else None

    def _tell(self, image: ImageSaved, place: str) -> None:
        self._counter.value = place
        self._infotext.value = image.infotext
        self._link.value = ""
        self._compare_no_more()


def as_jpeg(path: Path, side: int, quality: int) -> bytes | None:
    """The picture no bigger than ``side``, for the browser; None when it cannot be read."""
    encoded = io.BytesIO()
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except OSError:
        return None
    picture.thumbnail((side, side))
    picture.save(encoded, format="JPEG", quality=quality)
    return encoded.getvalue()
