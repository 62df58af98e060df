"""Translating prompts into English: the model that does it when it is here, and the work of bringing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

TRANSLATOR = "Helsinki-NLP/opus-mt-es-en"
"""OPUS-MT (Tiedemann & Thottingal 2020), from Spanish into English: its repository on huggingface. Apache 2.0."""

TRANSLATOR_BYTES = 315_000_000
"""About what its files take."""

TRANSLATOR_FILES = ("config.json", "vocab.json", "source.spm", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class FetchTranslator:
    """Download the translator."""

    code: ClassVar[str] = "fetch_translator"
