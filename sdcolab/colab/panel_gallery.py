"""The panel's gallery: the pictures made, one big with its data, the last ones small. ipywidgets 7.7 and 8."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.events import ImageSaved

BIG_SIDE = 1024
SMALL_SIDE = 96
MAX_SMALL = 24
"""The notebook keeps every widget's picture in the browser: a phone has little memory."""


class Gallery:
    """``on_reuse`` gets the infotext of the picture shown when the user wants its data back in the form."""

    def __init__(self, widgets: Any, on_reuse: Callable[[str], None]) -> None:
        self._widgets = widgets
        self._images: list[ImageSaved] = []
        self._shown = -1
        hidden = widgets.Layout(display="none")
        self._picture = widgets.Image(format="jpeg", layout=widgets.Layout(max_width="100%", width="512px"))
        self._counter = widgets.HTML()
        self._infotext = widgets.Textarea(
            rows=5, disabled=True, layout=widgets.Layout(width="98%"), description="Datos", placeholder="Prompt y datos"
        )
        back, forward, reuse = (
            widgets.Button(description=text, layout=widgets.Layout(width="auto"))
            for text in ("◀ Anterior", "Siguiente ▶", "♻️ Usar estos datos")
        )
        back.on_click(lambda _button: self.show(self._shown - 1))
        forward.on_click(lambda _button: self.show(self._shown + 1))
        reuse.on_click(lambda _button: on_reuse(self._images[self._shown].infotext) if self._images else None)
        self._strip = widgets.Box([], layout=widgets.Layout(flex_flow="row wrap"))
        row = widgets.HBox([back, self._counter, forward, reuse], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._picture, row, self._infotext, self._strip], layout=hidden)

    def add(self, image: ImageSaved) -> None:
        """A new picture: it becomes the one shown. A file that is gone already is skipped."""
        small = as_jpeg(image.path, SMALL_SIDE, 75)
        if small is None:
            return
        number = len(self._images)
        self._images.append(image)
        button = self._widgets.Button(description=f"Ver {number + 1}", layout=self._widgets.Layout(width="96px"))
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
        name = html.escape(image.path.name)
        self._counter.value = f"&nbsp;{self._shown + 1} de {len(self._images)} · {name}&nbsp;"
        self._infotext.value = image.infotext


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
