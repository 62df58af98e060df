"""Describing finished pictures in tags, A1111's "Interrogate DeepBooru" (hechos/a1111.md 10.5 and 11)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from PIL import Image

from sdcolab.core.fields import check, fact, facts


@dataclass(frozen=True, slots=True)
class Describe:
    """Tell the tags of each of ``pictures`` (any mode) whose probability is at least ``threshold``, as a prompt."""

    code: ClassVar[str] = "describe"

    pictures: tuple[Image.Image, ...] = field(metadata=facts(control="pictures"))
    tagger: str = fact("wd-vit-tagger-v3", choices="taggers")
    threshold: float = fact(0.5, low=0, high=1, step=0.01)

    def __post_init__(self) -> None:
        check(self, self.code)


def prompt_of(tags: Iterable[str]) -> str:
    """Tags as a prompt: brackets that would be weights are escaped."""
    return ", ".join(re.sub(r"([()\[\]\\])", r"\\\1", tag) for tag in tags)
