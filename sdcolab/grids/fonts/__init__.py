"""Fonts for legends: those that come with the program, and the system's for what they lack.

Roboto measures legends as A1111 does (it ships the same font), so that sheets have the same sizes. Japanese (JIS X 0208
level 1 and kana) and emoji come from subsets of Noto. Licences lie beside the files.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_HERE = Path(__file__).parent
MAIN = _HERE / "Roboto-Regular.ttf"
_PACKAGED = (_HERE / "NotoSansJP-subset.ttf", _HERE / "NotoEmoji-subset.ttf")
_SYSTEM_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
_WANTED = (
    "noto",
    "droidsansfallback",
    "dejavusans.",
    "unifont",
    "wqy",
    "msgothic",
    "malgun",
    "msyh",
    "arialuni",
    "hiragino",
)
"""Parts of the names of fonts that have many scripts, in lower case."""

_MAX_SYSTEM_FONTS = 12

_INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0xFE0E, 0xFE0F, *range(0x1F3FB, 0x1F400)))
"""Joiners, variation selectors and skin tones, which change emoji of colour fonts alone."""


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that one font can draw."""

    text: str
    font: Font


@functools.lru_cache(maxsize=64)
def font_at(path: Path, size: int) -> Font:
    """The font in ``path`` at ``size`` pixels. Raises ``OSError``."""
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def system_fonts() -> tuple[Path, ...]:
    """Fonts of this machine that are likely to have what ours lack, best first."""
    found = [path for folder in _SYSTEM_FOLDERS if folder.is_dir() for path in _font_files(folder)]
    ranked = [(rank, path) for path in found for rank, part in enumerate(_WANTED) if part in path.name.casefold()]
    return tuple(path for _, path in sorted(ranked)[:_MAX_SYSTEM_FONTS])


def _font_files(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.rglob("*") if path.suffix.casefold() in (".ttf", ".otf", ".ttc"))
    except OSError:
        return


def runs(text: str, size: int) -> Iterator[Run]:
    """``text`` in pieces that single fonts can draw; what no font has is drawn as the main one draws what it lacks."""
    piece, font = "", font_at(MAIN, size)
    for character in text.translate(_INVISIBLE):
        own = font if unicodedata.combining(character) else _font_for(character, size)
        if own is not font and piece:
            yield Run(piece, font)
            piece = ""
        piece, font = piece + character, own
    if piece:
        yield Run(piece, font)


@functools.lru_cache(maxsize=4096)
def _font_for(character: str, size: int) -> Font:
    main = font_at(MAIN, size)
    if character.isspace() or _has(main, character):
        return main
    for path in (*_PACKAGED, *system_fonts()):
        try:
            font = font_at(path, size)
        except OSError:  # a font of bitmaps in other sizes, or a damaged file
            continue
        if _has(font, character):
            return font
    return main


@functools.lru_cache(maxsize=64)
def _lacking(font: Font) -> bytes:
    """What ``font`` draws for a character that it does not have."""
    return bytes(font.getmask("\U0010ffff"))


def _has(font: Font, character: str) -> bool:
    """Whether ``font`` has a picture of ``character`` of its own."""
    mask = bytes(font.getmask(character))
    return bool(mask) and mask != _lacking(font)
