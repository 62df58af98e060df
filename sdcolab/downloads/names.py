"""File names that come from outside, made harmless (hechos/lanzadores.md 4a: the name is in Content-Disposition)."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from urllib.parse import parse_qsl, unquote, urlsplit

from sdcolab.core.library import MODEL_SUFFIXES

MAX_NAME_BYTES = 180
"""Longest file name in UTF-8 bytes: leaves room for the ending of unfinished files below the usual limit of 255."""

MAX_SUFFIX = 16
"""Longest extension in characters, dot included."""

FALLBACK_NAME = "archivo"

_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w!#$%&+^`{}~.-]+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_MAX_HEADER = 8192
_SIGNED_NAME_KEYS = ("response-content-disposition", "b2ContentDisposition")


def safe_name(raw: str, fallback: str = FALLBACK_NAME) -> str:
    """One file name made of ``raw``: no folders, control or invisible characters, leading dots, names that Windows
    reserves, or excess length (at most ``MAX_NAME_BYTES``). Letters of every alphabet stay. Never empty.
    """
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    visible = "".join(char for char in base if unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029")
    name = " ".join(_FORBIDDEN.sub("_", visible).split()).lstrip(". ").rstrip(". ")
    if not name.strip("_"):
        name = fallback
    if _RESERVED.match(name):
        name = f"_{name}"
    return _limited(name, MAX_NAME_BYTES)


def with_suffix(name: str, suffix: str) -> str:
    """``name`` (already safe) with its extension replaced by ``suffix`` (with dot), or with it added if it had none."""
    stem, _ = split_suffix(name)
    return _limited(f"{stem}{suffix}", MAX_NAME_BYTES)


def chosen_name(chosen: str, own: str) -> str:
    """The name for a file that its user calls ``chosen`` ("" for no wish) and its server ``own`` (already safe)."""
    if not chosen.strip():
        return own
    name = safe_name(chosen, fallback=own)
    if split_suffix(name)[1].lower() in MODEL_SUFFIXES:
        return name
    suffix = split_suffix(own)[1]
    return _cut(name, MAX_NAME_BYTES - len(suffix.encode())) + suffix


def numbered(name: str, number: int) -> str:
    """``name`` with `` (number)`` before its extension."""
    stem, suffix = split_suffix(name)
    ending = f" ({number}){suffix}"
    return _cut(stem, MAX_NAME_BYTES - len(ending.encode())) + ending


def split_suffix(name: str) -> tuple[str, str]:
    """Stem and extension ("" or starting with a dot). Something long or with blanks after a dot is no extension."""
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or not ending.isalnum() or not ending.isascii() or len(ending) >= MAX_SUFFIX:
        return name, ""
    return stem, f".{ending}"


def offered_name(disposition: str | None, url: str) -> str:
    """The name a server offers: from its Content-Disposition, else from the one in a signed address's query, else the
    last part of the address's path. Still to be made safe; may be empty.
    """
    query = dict(parse_qsl(urlsplit(url).query))
    for header in (disposition, *(query.get(key) for key in _SIGNED_NAME_KEYS)):
        name = disposition_name(header or "")
        if name:
            return name
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def disposition_name(header: str) -> str:
    """File name in a Content-Disposition header (RFC 6266; ``filename*`` of RFC 8187 wins), or ""."""
    header = header[:_MAX_HEADER]
    # Without "attachment" in front some servers send the parameter alone.
    if not header.lstrip().startswith(";"):
        header = ";" + header
    parameters = {key.lower(): value.strip() for key, value in reversed(_PARAMETER.findall(header))}
    extended = parameters.get("filename*", "").strip('"').split("'", 2)
    if len(extended) == 3 and extended[0].lower() in ("utf-8", "iso-8859-1", "us-ascii"):
        return unquote(extended[2], encoding=extended[0], errors="replace")
    plain = parameters.get("filename", "")
    if plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain.strip('"'))
    # Headers arrive decoded as Latin-1 while servers write UTF-8.
    with contextlib.suppress(UnicodeError):
        plain = plain.encode("latin-1").decode("utf-8")
    return unquote(plain)


def _limited(name: str, limit: int) -> str:
    if len(name.encode("utf-8", "replace")) <= limit:
        return name
    stem, suffix = split_suffix(name)
    return _cut(stem, limit - len(suffix.encode())) + suffix


def _cut(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` UTF-8 bytes on a character boundary, with no blank or dot left at its end."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").rstrip(". ")
