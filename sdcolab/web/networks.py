"""LoRAs as the page offers them: by name, and as the text that goes into a prompt."""

from __future__ import annotations

from sdcolab.core.detect import ModelKind
from sdcolab.core.library import Library, activation_words


def lora_names(library: Library) -> tuple[str, ...]:
    """Names to choose from: paths below the folder of LoRAs, without extension."""
    return tuple(dict.fromkeys(file.name.rsplit(".", 1)[0] for file in library.files(ModelKind.LORA)))


def lora_text(library: Library, name: str) -> str:
    """``<lora:name:1>`` and the words that wake it up. Raises ``UnknownFile``."""
    file = library.find(ModelKind.LORA, name)
    tag = f"<lora:{file.path.stem}:1>"
    return ", ".join((tag, *activation_words(file.path)))
