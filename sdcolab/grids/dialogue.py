"""Scripts whose pictures follow from one another, as dialogues: a generator asks, whoever runs it answers.

A dialogue yields ``Ask`` and is sent the answer: the pictures of ``Make``, the picture of ``Enlarge``, nothing for the
others. It begins with ``Total``. Nothing of it knows who makes the pictures, so that a test can answer by hand.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from PIL import Image

from sdcolab.core.request import GenerationRequest

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are just outside."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A picture that was made (RGB), its infotext and its seed."""

    picture: Image.Image
    infotext: str
    seed: int


@dataclass(frozen=True, slots=True)
class Total:
    """So many ``Make`` will come."""

    jobs: int


@dataclass(frozen=True, slots=True, eq=False)
class Make:
    """Make the pictures of ``request``; nothing of them is kept. For the live preview: the first picture will lie at
    ``box`` of what was last shown, and what is worked on now is ``focus`` of it."""

    request: GenerationRequest
    box: Box | None = None
    focus: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Enlarge:
    """Make ``picture`` (RGB) ``scale`` times larger with the upscaler of that name, as large as
    ``core.upscaling.enlarged_size`` says."""

    picture: Image.Image
    scale: float
    upscaler: str


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """This is what the whole picture looks like now."""

    picture: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """A result. ``sheet``: it shows several of the others."""

    made: Made
    sheet: bool = False


Ask = Total | Make | Enlarge | Show | Keep
Answer = tuple[Made, ...] | Image.Image | None
Dialogue = Generator[Ask, Answer, None]
"""A script at work."""


def make(
    request: GenerationRequest, box: Box | None = None, focus: Box | None = None
) -> Generator[Ask, Answer, tuple[Made, ...]]:
    """Ask for pictures. To be used with ``yield from``."""
    answer = yield Make(request, box, focus)
    if not isinstance(answer, tuple):
        raise TypeError("pictures were expected")
    return answer


def enlarge(picture: Image.Image, scale: float, upscaler: str) -> Generator[Ask, Answer, Image.Image]:
    """Ask for a larger picture. To be used with ``yield from``."""
    answer = yield Enlarge(picture, scale, upscaler)
    if not isinstance(answer, Image.Image):
        raise TypeError("a picture was expected")
    return answer
