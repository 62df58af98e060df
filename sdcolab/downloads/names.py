"""The names that servers offer for files (hechos/lanzadores.md 4a: the name is in Content-Disposition)."""

from __future__ import annotations

import contextlib
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import parse_qsl, unquote, urlsplit

from sdcolab.core.file_names import MAX_NAME_BYTES, cut, safe_name, split_suffix
from sdcolab.core.library import MODEL_SUFFIXES

_PARAMETER = re.compile(r';\s*([\w!#$%&+^`{}~.-]+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_MAX_HEADER = 8192
_SIGNED_NAME_KEYS = ("response-content-disposition", "b2ContentDisposition")


def chosen_name(chosen: str, own: str) -> str:
    """The name for a file that its user calls ``chosen`` ("" for no wish) and its server ``own`` (already safe)."""
    if not chosen.strip():
        return own
    name = safe_name(chosen, fallback=own)
    if split_suffix(name)[1].lower() in MODEL_SUFFIXES:
        return name
    suffix = split_suffix(own)[1]
    return cut(name, MAX_NAME_BYTES - len(suffix.encode())) + suffix


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
    return unquote(_decoded_words(plain))


def _decoded_words(name: str) -> str:
    """``=?UTF-8?B?...?=`` of mail (RFC 2047), which some servers put into HTTP too; as it is when it cannot be read."""
    if "=?" not in name:
        return name
    with contextlib.suppress(LookupError, ValueError, HeaderParseError):
        return str(make_header(decode_header(name)))
    return name
