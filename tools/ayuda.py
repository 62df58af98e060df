"""Make the pictures of the help (``core/words/help.py``) on the demo model: ``python tools/ayuda.py``.

Each entry with examples becomes one strip of square pictures, ``sdcolab/studio/assets/help/PATH.webp``.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.events import CancelToken, ignore_events
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, InitImage, Variation
from sdcolab.core.words.help import BASE, FIRST, HELP
from sdcolab.studio.help_room import HELP_FOLDER, SIDE
from sdcolab.wiring.engine import build_engine, build_library

PARTS: dict[str, Any] = {"variation": Variation}


def request_of(values: dict[str, Any], first: Image.Image) -> GenerationRequest:
    """The request that ``values`` describe; ``first`` is where pictures made from another begin."""
    made = {name: PARTS[name](**value) if name in PARTS else value for name, value in values.items() if name != "init"}
    request = GenerationRequest(**made)
    return replace(request, init=InitImage(images=(first,), **values["init"])) if "init" in values else request


def squared(picture: Image.Image) -> Image.Image:
    """``picture`` inside a square of ``SIDE`` pixels, transparent around it."""
    small = picture.convert("RGBA")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if max(small.size) < SIDE:
        small = small.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE))
    square.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return square


def main() -> None:
    """Write every strip."""
    HELP_FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = Folders(Path(scratch))
        engine = build_engine(folders, build_library(folders))

        def picture(values: dict[str, Any], first: Image.Image) -> Image.Image:
            asked = request_of({**BASE, **values}, first)
            return engine.generate(asked, ignore_events, CancelToken(), save=False).images[0].image

        first = picture(dict(FIRST), Image.new("RGB", (8, 8)))
        for path, entry in HELP.items():
            if not entry.examples:
                continue
            strip = Image.new("RGBA", (SIDE * len(entry.examples), SIDE))
            for place, (_, values) in enumerate(entry.examples):
                strip.paste(squared(picture(dict(values), first)), (place * SIDE, 0))
            strip.save(HELP_FOLDER / f"{path}.webp", quality=82, method=6)
            print(path, (HELP_FOLDER / f"{path}.webp").stat().st_size)


if __name__ == "__main__":
    main()
