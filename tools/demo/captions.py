"""Varied English and Spanish captions for one emoji, built from emojibase's labels and tags.

A caption is what a person could type for the picture: a label, with or without article or accents, a few
tags, "emoji de ...", a colour, a background. Everything is drawn from a seeded `random.Random`.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, field

# Background colours the model knows: (English, Spanish), RGB 0-255. Index 0 is the default.
BACKGROUNDS: tuple[tuple[str, str, tuple[int, int, int]], ...] = (
    ("white", "blanco", (255, 255, 255)),
    ("red", "rojo", (224, 64, 64)),
    ("blue", "azul", (72, 128, 224)),
    ("green", "verde", (88, 184, 96)),
    ("yellow", "amarillo", (248, 220, 96)),
    ("pink", "rosa", (248, 168, 200)),
    ("purple", "morado", (152, 104, 208)),
    ("black", "negro", (24, 24, 28)),
    ("gray", "gris", (160, 164, 172)),
)
_COLOURS_ES: dict[str, tuple[str, ...]] = {
    "red": ("rojo", "roja"),
    "orange": ("naranja",),
    "yellow": ("amarillo", "amarilla"),
    "green": ("verde",),
    "blue": ("azul",),
    "purple": ("morado", "morada"),
    "pink": ("rosa",),
    "brown": ("marrón",),
    "gray": ("gris",),
    "black": ("negro", "negra"),
    "white": ("blanco", "blanca"),
}
# Words that people add to any prompt and that say nothing of the subject here.
_DECORATION = (
    "3d", "high quality", "best quality", "masterpiece", "alta calidad", "obra maestra", "detallado", "detailed",
    "bonito", "cute", "simple", "8k", "render", "icono",
)  # fmt: skip
_WRAPPERS_ES = (
    "emoji de {}", "un emoji de {}", "icono de {}", "dibujo de {}", "un dibujo de {}", "imagen de {}", "foto de {}",
    "una foto de {}", "emoji {}",
)  # fmt: skip
_WRAPPERS_EN = (
    "emoji of {}", "an emoji of {}", "an emoji of a {}", "icon of {}", "drawing of a {}", "picture of {}",
    "a photo of a {}", "a photo of {}", "{} emoji", "a {} emoji", "3d emoji of {}",
)  # fmt: skip
_BEHIND_ES = (
    "{c}, fondo {b}", "{c}, fondo {b}", "{c} con fondo {b}", "{c} sobre fondo {b}", "{c} en un fondo {b}",
    "fondo {b}, {c}",
)  # fmt: skip
_BEHIND_EN = (
    "{c}, {b} background", "{c}, {b} background", "{c} on a {b} background", "{c} with {b} background",
    "{b} background, {c}",
)  # fmt: skip


@dataclass(frozen=True)
class EmojiText:
    """What emojibase and the supplement say of one picture."""

    labels_en: tuple[str, ...]
    labels_es: tuple[str, ...]
    tags_en: tuple[str, ...]
    tags_es: tuple[str, ...]
    names_en: tuple[str, ...] = field(default=())
    names_es: tuple[str, ...] = field(default=())
    colour: str = ""


def without_accents(text: str) -> str:
    """corazón -> corazon."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _article_es(noun: str, rng: random.Random) -> str:
    first = noun.split()[0]
    feminine = first.endswith(("a", "ción", "dad", "z"))
    if rng.random() < 0.1:
        feminine = not feminine
    if first.endswith("s") and rng.random() < 0.5:
        return rng.choice(("unas", "las") if feminine else ("unos", "los"))
    return rng.choice(("una", "una", "la") if feminine else ("un", "un", "el"))


def _article_en(noun: str, rng: random.Random) -> str:
    indefinite = "an" if noun[:1].lower() in "aeiou" else "a"
    return rng.choice((indefinite, indefinite, "the"))


def _tidy_label(label: str, rng: random.Random) -> str:
    """Say "flag: Cuba" and "hand: light skin tone" in the other ways people write them."""
    if ":" not in label:
        return label
    head, tail = (part.strip() for part in label.split(":", 1))
    if head.lower() in ("flag", "bandera"):
        ways = (label, f"bandera de {tail}", f"bandera {tail}") if head.lower() == "bandera" else (
            label, f"flag of {tail}", f"{tail} flag")  # fmt: skip
        return rng.choice(ways)
    return rng.choice((label, f"{head}, {tail}", f"{head} {tail}"))


def _coloured(noun: str, colour: str, spanish: bool, rng: random.Random) -> str:
    if spanish:
        return f"{noun} {rng.choice(_COLOURS_ES[colour])}"
    return f"{colour} {noun}"


def _subject(text: EmojiText, spanish: bool, rng: random.Random) -> str:
    """A bare noun phrase: a label, or a common name from the supplement."""
    labels, names = (text.labels_es, text.names_es) if spanish else (text.labels_en, text.names_en)
    if names and rng.random() < 0.45:
        return rng.choice(names)
    return _tidy_label(rng.choice(labels), rng)


def _phrase(text: EmojiText, spanish: bool, rng: random.Random) -> str:
    """One caption without background or decoration."""
    tags = text.tags_es if spanish else text.tags_en
    subject = _subject(text, spanish, rng)
    if text.colour and len(subject.split()) <= 2 and rng.random() < 0.10:
        subject = _coloured(subject, text.colour, spanish, rng)
    way = rng.random()
    if way < 0.36 or (not tags and way >= 0.66):
        return subject
    if way < 0.52:
        return f"{_article_es(subject, rng) if spanish else _article_en(subject, rng)} {subject}"
    if way < 0.64:
        return rng.choice(_WRAPPERS_ES if spanish else _WRAPPERS_EN).format(subject)
    if way < 0.67:
        words = subject.replace(",", "").split()
        rng.shuffle(words)
        return " ".join(words)
    some = rng.sample(tags, min(len(tags), rng.randint(1, 4)))
    if way < 0.86:
        parts = [subject, *some]
        if rng.random() < 0.3:
            rng.shuffle(parts)
        return rng.choice((", ", ", ", " ")).join(parts)
    if way < 0.96:
        return rng.choice((", ", " ")).join(some)
    return rng.choice(tags)


def _with_background(caption: str, background: int, spanish: bool, rng: random.Random) -> str:
    english_name, spanish_name, _ = BACKGROUNDS[background]
    way = rng.choice(_BEHIND_ES if spanish else _BEHIND_EN)
    return way.format(c=caption, b=spanish_name if spanish else english_name)


def make_caption(text: EmojiText, background: int, rng: random.Random) -> str:
    """One training caption. `background` indexes BACKGROUNDS; 0 (white) is seldom mentioned."""
    spanish = rng.random() < 0.55
    caption = _phrase(text, spanish, rng)
    if rng.random() < 0.06:
        extra = rng.sample(_DECORATION, rng.randint(1, 2))
        caption = ", ".join([*extra, caption] if rng.random() < 0.4 else [caption, *extra])
    if background or rng.random() < 0.04:
        caption = _with_background(caption, background, spanish, rng)
    if spanish and rng.random() < 0.35:
        caption = without_accents(caption)
    if rng.random() < 0.03:
        caption += "."
    return caption


def plain_captions(text: EmojiText) -> list[str]:
    """The unambiguous captions used to measure the model: labels, bare and wrapped, both languages."""
    english, spanish = text.labels_en[0], text.labels_es[0]
    return [english, spanish, without_accents(spanish), f"emoji of {english}", f"emoji de {spanish}"]
