"""Saved images: PNG, JPEG, WebP or AVIF with the infotext inside, one folder a day (hechos/a1111.md 7.3 and 8)."""

from __future__ import annotations

import datetime
import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from sdcolab.core.file_names import safe_name
from sdcolab.core.file_patterns import facts_of, file_name, folder_name
from sdcolab.core.files import atomic_write, create_new, sweep
from sdcolab.core.folders import Folders
from sdcolab.core.formats import QUALITY, ImageFormat
from sdcolab.core.infotext import PARAMETERS_KEY, parse, user_comment
from sdcolab.core.preferences import Preferences, PreferencesFile
from sdcolab.core.request import GenerationRequest

_NUMBER = re.compile(r"(\d{5,12})[-.]")
_LARGEST_EXIF = 65_533
"""Bytes that fit in a JPEG segment."""

Today = Callable[[], datetime.date]

DAY = "[date]"
"""The pattern of a folder for each day."""


_LARGEST_SIDE = {ImageFormat.JPEG: 65_535, ImageFormat.WEBP: 16_383, ImageFormat.AVIF: 32_768}


class ImageStore:
    """Writes images below ``folder`` as ``AAAA-MM-DD/NNNNN-semilla.png``, or ``NNNNN.png`` when there is no seed; in
    other ways where the user prefers so.

    Safe to use from several threads, and while other processes write there.
    """

    def __init__(
        self,
        folder: Path,
        today: Today | None = datetime.date.today,
        *,
        image_format: ImageFormat = ImageFormat.PNG,
        quality: int = QUALITY,
        preferred: Callable[[], Preferences] | None = None,
    ) -> None:
        """With ``today`` None the images lie right in ``folder``, without a folder for each day. ``quality``, 1 to 100,
        is that of all but PNG. ``preferred`` is asked at each picture, and wins over both."""
        self._folder = folder
        self._today = today
        self._format = image_format
        self._quality = quality
        self._preferred = preferred
        self._lock = threading.Lock()
        self._swept: Path | None = None

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self._folder

    @property
    def day(self) -> str:
        """Name of today's folder, or nothing where days have none."""
        return self._today().isoformat() if self._today else ""

    def of(self, _request: GenerationRequest) -> ImageStore:
        """This one, for pictures of every kind (see ``ImageStores.of``)."""
        return self

    def save(self, image: Image.Image, infotext: str, seed: int | None, own: str = "") -> Path:
        """Write ``image`` with its ``infotext`` and return where. Nobody ever sees a partial file. What the format
        cannot hold, a picture too large or a text too long, becomes a PNG. ``own``: the name it had, without extension,
        which it keeps instead of a number; where that is taken, with a number behind.

        Raises ``DiskFull`` or ``CannotWrite``.
        """
        wanted = self.wanted()
        image_format = wanted.image_format if fits(image, infotext, wanted.image_format) else ImageFormat.PNG
        said = facts_of(parse(infotext), image.size, seed, datetime.datetime.now())
        name = file_name(wanted.file_pattern, said) if wanted.file_pattern else "" if seed is None else str(seed)
        ending = f"-{name}.{image_format}" if name else f".{image_format}"
        with self._lock:
            day = self._folder / (
                self.day if wanted.folder_pattern == DAY else folder_name(wanted.folder_pattern, said)
            )
            if day != self._swept:
                sweep(day)
                self._swept = day
            if own:
                plain = safe_name(own)
                stems = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
                names = (day / f"{stem}.{image_format}" for stem in stems)
            else:
                names = (day / f"{number:05}{ending}" for number in itertools.count(_next_number(day)))
            made = create_new(
                names,
                lambda file: _flat(image, image_format).save(
                    file, **save_options(infotext, image_format, wanted.quality)
                ),
            )
        if wanted.save_text:
            with atomic_write(made.with_suffix(".txt")) as file:
                file.write(f"{infotext}\n".encode("utf-8", "replace"))
        return made

    def wanted(self) -> Preferences:
        """What the user prefers now."""
        if self._preferred:
            return self._preferred()
        return Preferences(image_format=self._format, quality=self._quality)


@dataclass(frozen=True, slots=True)
class ImageStores:
    """One store for each kind of picture."""

    txt2img: ImageStore
    img2img: ImageStore

    @classmethod
    def below(cls, folders: Folders, image_format: ImageFormat | None = None) -> ImageStores:
        """Stores in the program's folders, which write in ``image_format``; as the user prefers when it is None."""
        preferred = PreferencesFile(folders.config).peek if image_format is None else None
        return cls(
            *(
                ImageStore(folder, image_format=image_format or ImageFormat.PNG, preferred=preferred)
                for folder in (folders.txt2img, folders.img2img)
            )
        )

    def of(self, request: GenerationRequest) -> ImageStore:
        """The store for the pictures of ``request``."""
        return self.txt2img if request.init is None else self.img2img


_PILLOW = {ImageFormat.JPEG: "JPEG", ImageFormat.WEBP: "WEBP", ImageFormat.AVIF: "AVIF"}


def fits(image: Image.Image, infotext: str, image_format: ImageFormat) -> bool:
    """Whether ``image_format`` can hold the picture and its text, and this Pillow can write it."""
    if image_format is ImageFormat.AVIF and not features.check("avif"):
        return False
    if max(image.size) > _LARGEST_SIDE.get(image_format, max(image.size)):
        return False
    return image_format is not ImageFormat.JPEG or len(user_comment(infotext)) <= _LARGEST_EXIF


def save_options(infotext: str, image_format: ImageFormat, quality: int = QUALITY) -> dict[str, Any]:
    """What Pillow's ``save`` needs to write a picture with its infotext."""
    if image_format is ImageFormat.PNG:
        return {"format": "PNG", "pnginfo": png_text(infotext)}
    return {"format": _PILLOW[image_format], "quality": quality, "exif": user_comment(infotext)}


def _flat(image: Image.Image, image_format: ImageFormat) -> Image.Image:
    """JPEG knows no transparency; A1111 writes none in the others either."""
    return image if image_format is ImageFormat.PNG or image.mode == "RGB" else image.convert("RGB")


def png_text(infotext: str) -> PngInfo:
    """The ``parameters`` text chunk: tEXt when it fits Latin-1, else iTXt in UTF-8 (hechos/a1111.md 7.3)."""
    info = PngInfo()
    info.add_text(PARAMETERS_KEY, infotext)
    return info


def _next_number(day: Path) -> int:
    """One more than the highest number in the day's folder; 0 for a new folder."""
    if not day.is_dir():
        return 0
    numbers = (_NUMBER.match(path.name) for path in day.iterdir())
    return max((int(number[1]) + 1 for number in numbers if number), default=0)
