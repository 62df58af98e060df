"""The panel's gallery: the pictures made, one big with its data, the last ones small. ipywidgets 7.7 and 8."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.events import ImageSaved
from sdcolab.core.words import panel as words

BIG_SIDE = 1024
SMALL_SIDE = 96
MAX_SMALL = 24
"""The notebook keeps every widget's picture in the browser: a phone has little memory."""


Act = Callable[[ImageSaved], None]
"""What a button does with the picture on show."""


class Gallery:
    """``actions``: what else can be done with the picture on show, by the words on the button. ``canvas`` makes a
    surface to compare two pictures."""

    def __init__(self, widgets: Any, actions: Mapping[str, Act], canvas: Callable[[str], Any]) -> None:
        self._widgets = widgets
        self._canvas = canvas
        self._images: list[ImageSaved] = []
        self._shown = -1
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
        self.box = widgets.VBox([self._picture, self._strip, row, acts, self._compared, self._infotext], layout=hidden)

    @property
    def shown(self) -> ImageSaved | None:
        """The picture on show."""
        return self._images[self._shown] if self._images else None

    def _button(self, text: str) -> Any:
        return self._widgets.Button(description=text, layout=self._widgets.Layout(width="auto"))

    def _action(self, text: str, act: Act) -> Any:
        button = self._button(text)
        button.on_click(lambda _button: act(self._images[self._shown]) if self._images else None)
        return button

    def _compare(self) -> None:
        """The picture on show beside the one before it, or nothing again."""
        if self._compared.children or len(self._images) < 2:
            self._compared.children = ()
            return
        surface = self._canvas("compare")
        first, second = self._images[self._shown - 1], self._images[self._shown]
        surface.picture = as_jpeg(first.path, BIG_SIDE, 90) or b""
        surface.second = as_jpeg(second.path, BIG_SIDE, 90) or b""
        self._compared.children = (surface,)

    def _offer(self) -> None:
        """A link to the file itself, with its data inside."""
        if image := self.shown:
            coded = base64.b64encode(image.path.read_bytes()).decode()
            name = html.escape(image.path.name, quote=True)
            kind = "png" if image.path.suffix == ".png" else image.path.suffix.lstrip(".")
            said = words.SAVE_FILE.format(name=name)
            self._link.value = f'<a download="{name}" href="data:image/{kind};base64,{coded}">{said}</a>'

    def add(self, image: ImageSaved) -> None:
        """A new picture: it becomes the one shown. A file that is gone already is skipped."""
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
            for part in (*old.children, old):
                part.close()
        self.box.layout.display = "flex"
        self.show(number)

    def show(self, number: int) -> None:
        """Show picture ``number``; past one end comes the other."""
        if not self._images:
            return
        self._shown = number % len(self._images)
        image = self._images[self._shown]
        big = as_jpeg(image.path, BIG_SIDE, 90)
        if big is not None:
            self._picture.value = big
        place = words.PLACE_OF_PICTURE.format(
            number=self._shown + 1, count=len(self._images), name=html.escape(image.path.name)
        )
        self._counter.value = f"&nbsp;{place}&nbsp;"
        self._infotext.value = image.infotext
        self._link.value = ""
        self._compared.children = ()


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
