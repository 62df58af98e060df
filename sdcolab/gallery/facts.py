"""What the index keeps of a picture, read from its header alone: the pixels are left packed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sdcolab.core import infotext
from sdcolab.core.errors import SdcolabError
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PICTURE_BYTES
from sdcolab.core.prompt import extract_networks

SIDE_TEXT_BYTES = 200_000
"""Of a ``.txt`` beside a picture without an infotext, what is read."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Width and height in pixels (0 when the file is damaged), its infotext and what that says. ``seed`` is a number or
    None; ``loras`` are names as written in the prompt."""

    width: int = 0
    height: int = 0
    text: str = ""
    prompt: str = ""
    negative: str = ""
    model: str = ""
    sampler: str = ""
    steps: int | None = None
    cfg: float | None = None
    seed: int | None = None
    loras: tuple[str, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether it could not be opened."""
        return not self.width


def read_facts(path: Path) -> PictureFacts:
    """The facts of the file at ``path``. Never fails: what cannot be read has a width of 0."""
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            return PictureFacts()
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            text = _text(image, path)
    except DAMAGED:
        return PictureFacts()
    return facts_of(text, width, height)


def facts_of(text: str, width: int, height: int) -> PictureFacts:
    """The facts of a picture of this size whose infotext is ``text``."""
    said = infotext.parse(text) if text else infotext.Infotext()
    networks = extract_networks(said.prompt)[1]
    return PictureFacts(
        width=width,
        height=height,
        text=text,
        prompt=said.prompt,
        negative=said.negative_prompt,
        model=said.get("Model") or "",
        sampler=said.get("Sampler") or "",
        steps=_integer(said.get("Steps")),
        cfg=_real(said.get("CFG scale")),
        seed=_integer(said.get("Seed")),
        loras=tuple(dict.fromkeys(tag.name for tag in networks if tag.kind == "lora" and tag.name)),
    )


def _text(image: Image.Image, path: Path) -> str:
    """The infotext inside, or in a ``.txt`` of the same name."""
    try:
        return infotext.read_image(image, path.name)
    except SdcolabError:
        pass
    try:
        with path.with_suffix(".txt").open("rb") as file:
            return file.read(SIDE_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _integer(text: str | None) -> int | None:
    """A whole number that SQLite can hold."""
    try:
        value = int(text or "")
    except ValueError:
        return None
    return value if -(2**63) <= value < 2**63 else None


def _real(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
