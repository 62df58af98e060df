"""Saved images: PNG with the infotext inside, one folder a day, numbered (hechos/a1111.md 8.1-8.2)."""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdcolab.core.files import atomic_write

PARAMETERS_KEY = "parameters"
"""Keyword of the PNG text chunk that A1111 and its readers use."""

_NUMBER = re.compile(r"(\d{5,})[-.]")

Today = Callable[[], datetime.date]


class ImageStore:
    """Writes images below ``folder`` as ``AAAA-MM-DD/NNNNN-semilla.png``, or ``NNNNN.png`` when there is no seed.

    Safe to use from several threads.
    """

    def __init__(self, folder: Path, today: Today | None = datetime.date.today) -> None:
        """With ``today`` None the images lie right in ``folder``, without a folder for each day."""
        self._folder = folder
        self._today = today
        self._lock = threading.Lock()

    def save(self, image: Image.Image, infotext: str, seed: int | None) -> Path:
        """Write ``image`` with its ``infotext`` and return where. Nobody ever sees a partial file.

        Raises ``DiskFull`` or ``CannotWrite``.
        """
        with self._lock:
            day = self._folder / self._today().isoformat() if self._today else self._folder
            path = day / (f"{_next_number(day):05}" + ("" if seed is None else f"-{seed}") + ".png")
            with atomic_write(path) as file:
                image.save(file, format="PNG", pnginfo=png_text(infotext))
        return path


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
