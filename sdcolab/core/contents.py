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
    (b"RIFF", "picture"),
    (b"GIF8", "picture"),
    (b"%PDF", "document"),
)
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
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return "web_page"
    return "json" if text.startswith((b"{", b"[")) and _is_json(start) else None


def _is_json(start: bytes) -> bool:
    """Whether ``start`` is a whole JSON text, or the beginning of a longer one."""
    if len(start) >= SEEN_BYTES:
        return b"\x00" not in start
    try:
        json.loads(start)
    except (ValueError, RecursionError):
        return False
    return True
