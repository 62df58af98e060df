"""Training pictures as Pillow has them: opened safely, cut to their buckets. No torch."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from sdcolab.core.errors import CannotRead, PictureUnreadable
from sdcolab.core.files import system_reason
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS
from sdcolab.training.buckets import Fit


def open_training_picture(path: Path, *, alpha: bool = False) -> Image.Image:
    """A picture as its camera held it; RGB, or RGBA with ``alpha``. Transparent pixels become white without it.

    Raises ``CannotRead`` or ``PictureUnreadable``.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureUnreadable(path=path)
            turned = ImageOps.exif_transpose(image)
            if alpha:
                return turned.convert("RGBA")
            if "A" in turned.getbands() or "transparency" in turned.info:
                layer = turned.convert("RGBA")
                return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
            return turned.convert("RGB")
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise CannotRead(path=path, reason=system_reason(error)) from error
        raise PictureUnreadable(path=path) from error


def cut(picture: Image.Image, fit: Fit) -> Image.Image:
    """The picture scaled to cover its bucket, and the middle of it: averaged when it shrinks, Lanczos when it grows."""
    if picture.size != fit.resized:
        shrinks = picture.width > fit.resized[0] or picture.height > fit.resized[1]
        picture = picture.resize(fit.resized, Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS)
    left, top = fit.offset
    return picture.crop((left, top, left + fit.bucket[0], top + fit.bucket[1]))
