"""Infotexts whose labels somebody wrote or translated: on a Spanish page, in a forum, by hand, by a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcolab.core.infotext.copied import NEGATIVE_MARK

WIDE_BLANKS = r"\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""Unbreakable blanks and those of other widths, inside a class of characters: some sites and keyboards write them."""

BLANKS = rf"[ \t{WIDE_BLANKS}]{{0,9}}"
"""What may stand beside a colon; French puts an unbreakable blank before it."""

TRANSLATED: Mapping[str, str] = {
    "Steps": (
        r"(?:n[uú]mero de )?pasos(?: de muestreo)?|passos(?: de amostragem)?|[eé]tapes(?: d['’][eé]chantillonnage)?|"
        r"passi(?: di campionamento)?|(?:sampling-?)?schritte"
    ),
    "Sampler": (
        r"muestreador|m[eé]todo(?: de (?:muestreo|amostragem))?|amostrador|[eé]chantillonneur|"
        r"m[eé]thode(?: d['’][eé]chantillonnage)?|campionatore|metodo(?: di campionamento)?|(?:sampling-?)?methode"
    ),
    "Schedule type": (
        r"tipo de (?:programaci[oó]n|schedule|agendamento)|programador|planificador|agendador|"
        r"type (?:de planification|d['’]ordonnancement)|planificateur|"
        r"tipo di (?:pianificazione|schedule)|zeitplan(?:typ)?"
    ),
    "CFG scale": (
        r"(?:escala|gu[ií]a|valor)(?: de)?(?: la)? cfg|cfg|escala de (?:gu[ií]a|orienta[cç][aã]o)|"
        r"[eé]chelle(?: de)? (?:cfg|guidage)|scala(?: di)? (?:cfg|guida)|cfg[ -]skala"
    ),
    "Seed": r"semilla|semente|graine|seme|startwert",
    "Size": (
        r"tama[ñn](?:o|ho)(?: d[ea] (?:la )?imagem?n?)?|dimens(?:iones|[oõ]es|ions|ioni?e?)|resoluci[oó]n|"
        r"resolu[cç][aã]o|taille(?: de l['’]image)?|gr[oö](?:ß|ss)e|bildgr[oö](?:ß|ss)e"
    ),
    "Width": r"ancho|anchura|largura|largeur|larghezza|breite",
    "Height": r"alto|altura|hauteur|altezza|h[oö]he",
    "Model": r"modelo|checkpoint|mod[eè]le|modello|modell",
    "Model hash": r"hash d(?:el|o|u|el) (?:modelo|mod[eè]le|modello)|modell-?hash",
    "Denoising strength": (
        r"(?:fuerza|intensidad|for[cç]a|intensidade)(?: del?)? "
        r"(?:denoising|denoise|eliminaci[oó]n de ruido|reducci[oó]n de ruido|remo[cç][aã]o de ru[ií]do)|"
        r"(?:force|intensit[eé])(?: d[eu])? (?:d[eé]bruitage|denoising)|"
        r"forza(?: del?)? (?:denoising|riduzione del rumore)"
    ),
    "Clip skip": r"omitir clip|salto de clip|pular clip|saut(?: de)? clip",
    "Hires upscale": r"ampliar por",
    "Hires upscaler": r"(?:escalador|upscaler) de hires",
    "Hires steps": r"pasos de hires",
}
"""What people call each label, as a pattern, with and without accents: in Spanish as sdcolab's page and A1111's
translation do; in Portuguese, French, Italian and German, whose sites and browsers' translators people copy from."""

_LABEL = re.compile(
    rf"(?P<before>^[ \t]*|[,;|\t]{BLANKS})"
    rf"(?:{'|'.join(f'(?P<l{place}>{pattern})' for place, pattern in enumerate(TRANSLATED.values()))}){BLANKS}:",
    re.IGNORECASE | re.MULTILINE,
)
_LABELS = tuple(TRANSLATED)
_FIRST = re.compile(rf"^[ \t]*(?:{TRANSLATED['Steps']}|steps){BLANKS}:{BLANKS}\d", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(
    rf"(?:^|[,;|\t]){BLANKS}(?:{'|'.join(TRANSLATED[label] for label in ('Steps', 'CFG scale', 'Seed'))})"
    rf"{BLANKS}:{BLANKS}-?\d",
    re.IGNORECASE | re.MULTILINE,
)
"""What no prompt holds."""

NEGATIVES = r"(?:prompt )?n[eé]gati(?:vo|f)|invite n[eé]gative|negativer? prompt"
_NEGATIVE = re.compile(rf"^(?:{NEGATIVES}){BLANKS}:", re.IGNORECASE | re.MULTILINE)
_POSITIVE = re.compile(r"\A\s*(?:prompt positi(?:vo|f)|invite|positiver prompt)\s*:\s*", re.IGNORECASE)


def in_english(text: str) -> str:
    """``text`` with A1111's labels in the place of translated ones, from the line that begins with the steps, or else
    in its last line; whether they were labels is for the reader to see."""
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
