"""What a file is that should be a model and is none, told by its first bytes: the same for downloads and the engine."""

from __future__ import annotations

import json

SEEN_BYTES = 4096
"""How much of a file's beginning is enough."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "lfs_pointer"),
    (b"GGUF", "gguf"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"%PDF", "document"),
    (b"\xfd7zXZ", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"BZh", "archive"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"d8:announce", "torrent"),
    (b"ID3", "sound"),
    (b"OggS", "sound"),
    (b"fLaC", "sound"),
)
_INSIDE: tuple[tuple[int, bytes, str], ...] = (
    (257, b"ustar", "archive"),
    (8, b"WEBP", "picture"),
    (8, b"WAVE", "sound"),
    *((4, b"ftyp" + brand, "picture") for brand in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")),
    (4, b"ftypM4A", "sound"),
    (4, b"ftyp", "video"),
)
"""Signs that stand behind a file's beginning, and where."""

_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error", b"<!--")


def strange_content(start: bytes) -> str | None:
    """The reason (``core.words.UNREADABLE_REASONS``) why a file that begins with ``start`` cannot be a model; None when
    nothing speaks against it. ``start`` holds the first ``SEEN_BYTES``, or all of a shorter file.
    """
    if not start:
        return "empty"
    for sign, reason in _STARTS:
        if start.startswith(sign):
            return reason
    for at, sign, reason in _INSIDE:
        if start.startswith(sign, at):
            return reason
    if len(start) > _FEW and not start.strip(b"\x00"):
        return "zeros"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return "web_page"
    if text.startswith((b"{", b"[")) and _is_json(start):
        return "json"
    return "text" if _is_text(start) else None


_FEW = 16
"""Bytes that say nothing by being zero or letters."""


def _is_text(start: bytes) -> bool:
    """Whether ``start`` is words: a pickle that is written in letters begins with a parenthesis."""
    if start.startswith((b"(", b"{", b"[")):
        return False
    if len(start) <= _FEW:  # the whole answer of some servers: Not Found
        return start.isascii() and bytes(start).decode().strip().isprintable() and bool(start.strip())
    try:
        words = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # but for a character that is cut at the end
            return False
        words = start[: error.start].decode("utf-8")
    return " " in words and all(char.isprintable() or char in "\t\r\n" for char in words)


def _is_json(start: bytes) -> bool:
    """Whether ``start`` is a whole JSON text, or the beginning of a longer one."""
    if len(start) >= SEEN_BYTES:
        return b"\x00" not in start
    try:
        json.loads(start)
    except (ValueError, RecursionError):
        return False
    return True
