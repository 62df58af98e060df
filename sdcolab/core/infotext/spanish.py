"""Infotexts whose labels somebody wrote or translated into Spanish: on a Spanish page, in a forum, by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcolab.core.infotext.copied import NEGATIVE_MARK

_ENGLISH: Mapping[str, str] = {
    "Steps": r"(?:n[uú]mero de )?pasos(?: de muestreo)?",
    "Sampler": r"muestreador|m[eé]todo(?: de muestreo)?",
    "Schedule type": r"tipo de (?:programaci[oó]n|schedule)|programador|planificador",
    "CFG scale": r"(?:escala|gu[ií]a|valor)(?: de)?(?: la)? cfg|cfg|escala de gu[ií]a",
    "Seed": r"semilla",
    "Size": r"tama[ñn]o(?: de (?:la )?imagen)?|dimensiones|resoluci[oó]n",
    "Width": r"ancho|anchura",
    "Height": r"alto|altura",
    "Model": r"modelo|checkpoint",
    "Model hash": r"hash del modelo",
    "Denoising strength": (
        r"(?:fuerza|intensidad)(?: del?)? (?:denoising|denoise|eliminaci[oó]n de ruido|reducci[oó]n de ruido)"
    ),
    "Clip skip": r"omitir clip|salto de clip",
    "Hires upscale": r"ampliar por",
    "Hires upscaler": r"(?:escalador|upscaler) de hires",
    "Hires steps": r"pasos de hires",
}
"""What people call each label, as a pattern: with and without accents, as sdcolab's page and A1111's translation do."""

_LABEL = re.compile(
    r"(?P<before>^[ \t]*|[,;|\t][ \t]{0,9})"
    rf"(?:{'|'.join(f'(?P<l{place}>{pattern})' for place, pattern in enumerate(_ENGLISH.values()))})[ \t]{{0,9}}:",
    re.IGNORECASE | re.MULTILINE,
)
_LABELS = tuple(_ENGLISH)
_FIRST = re.compile(rf"^[ \t]*(?:{_ENGLISH['Steps']}|steps)[ \t]{{0,9}}:[ \t]{{0,9}}\d", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(
    rf"(?:^|[,;|\t])[ \t]{{0,9}}(?:{'|'.join(_ENGLISH[label] for label in ('Steps', 'CFG scale', 'Seed'))})"
    r"[ \t]{0,9}:[ \t]{0,9}-?\d",
    re.IGNORECASE | re.MULTILINE,
)
"""What no Spanish prompt holds."""

_NEGATIVE = re.compile(r"^(?:prompt )?negativo[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE)
_POSITIVE = re.compile(r"\A\s*prompt positivo\s*:\s*", re.IGNORECASE)


def in_english(text: str) -> str:
    """``text`` with A1111's labels in the place of Spanish ones, from the line that begins with the steps, or else in
    its last line; whether they were labels is for the reader to see."""
    text = text.rstrip()
    first = _FIRST.search(text)
    start = first.start() if first else text.rfind("\n") + 1
    if not _NUMBER.search(text, start):
        return text
    prompts = _NEGATIVE.sub(NEGATIVE_MARK, _POSITIVE.sub("", text[:start]))
    return prompts + _LABEL.sub(_translated, text[start:])


def _translated(found: re.Match[str]) -> str:
    place = next(int(name[1:]) for name, said in found.groupdict().items() if name != "before" and said)
    return f"{found['before']}{_LABELS[place]}:"
