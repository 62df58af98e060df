"""What the axes of an X/Y/Z plot are called in Spanish, and under which titles their list shows them."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.fields import plain_path
from sdcolab.core.words.fields import PART_LABELS, label_of

GROUP_MARK = " › "
"""Between the title of a group and the name of what stands in it."""

GENERAL = "Lo más usado"
"""Title of what stands in no group."""

_GROUPS: Mapping[str, str] = {"lora": "LoRA", "details": "ADetailer"}
"""Titles of groups; others have that of their part, up to its colon."""

_WORDS: Mapping[str, str] = {
    "Nothing": "Nada",
    "Prompt S/R": "Buscar y reemplazar",
    "Prompt order": "Orden del prompt",
    "Denoising": "Fuerza del denoising",
    "Styles": "Estilos",
    "Face restore": "Restaurar caras",
    "Size": "Tamaño",
    "LoRA weight": "Peso del LoRA",
}
"""Of axes that are no single field."""


def axis_word(label: str, path: str) -> str:
    """What forms call the axis with this ``label`` of the field at ``path``; "" where nobody says."""
    plain = plain_path(path)
    word = label_of(plain) if path else ""
    return _WORDS.get(label, "" if word == plain else word)


def axis_title(label: str, path: str) -> str:
    """The axis for people: its own label, then the Spanish one where that is another."""
    bare = label.rpartition("] ")[2]
    word = axis_word(label, path)
    return bare if word.casefold() in ("", bare.casefold()) else f"{bare} · {word}"


def group_title(part: str) -> str:
    """Title of the axes that change the part of the form at this path, which may name a unit ("control.1"); "" for
    what belongs to none."""
    plain = plain_path(part)
    title = _GROUPS.get(plain) or PART_LABELS.get(plain, "").partition(":")[0]
    return title if part == plain else repeated_title(title, int(part.rpartition(".")[2]))


def repeated_title(title: str, unit: int) -> str:
    """``title`` for the unit with this number (from 0): the first one has none."""
    return f"{title} {unit + 1}" if unit else title
