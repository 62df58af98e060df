"""Describing finished pictures, A1111's "Interrogate" (hechos/a1111.md 10.5 and 11)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from PIL import Image

from sdcolab.core.fields import check, fact, facts


@dataclass(frozen=True, slots=True)
class Describe:
    """Tell what is in each of ``pictures`` (any mode), as a prompt: the tags whose probability is at least
    ``threshold``, or, by a ``tagger`` that writes them, a sentence."""

    code: ClassVar[str] = "describe"

    pictures: tuple[Image.Image, ...] = field(metadata=facts(control="pictures"))
    tagger: str = fact("wd-vit-tagger-v3", choices="captioners")
    threshold: float = fact(0.5, low=0, high=1, step=0.01)

    def __post_init__(self) -> None:
        check(self, self.code)


def prompt_of(tags: Iterable[str]) -> str:
    """Tags as a prompt: brackets that would be weights are escaped."""
    return ", ".join(re.sub(r"([()\[\]\\])", r"\\\1", tag) for tag in tags)
