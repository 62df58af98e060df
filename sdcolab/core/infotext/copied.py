"""Infotexts that lost their layout on the way: copied from web pages, chats and other programs' windows, or typed.

Nothing here touches a text whose layout can be read; ``text.parse`` tries it only where it cannot.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

NEGATIVE_MARK = "Negative prompt:"

_BREAK = re.compile(r"<br\s*/?>|</p>|\r", re.IGNORECASE)
_BOLD = re.compile(r"\*\*([^*\n:]{1,60})(?::\*\*|\*\*\s*:)")
_WIDE = str.maketrans({"\uff1a": ": ", "\uff0c": ", ", "\uff1b": "; "})
_NEGATIVE = re.compile(r"^negative[ _]?prompt\s*:", re.IGNORECASE | re.MULTILINE)
_PROMPT = re.compile(r"\A\s*(?:positive )?prompt\s*:\s*", re.IGNORECASE)
_STEPS = re.compile(r"^steps\s*:\s*(?=\d)", re.IGNORECASE | re.MULTILINE)
_SEPARATOR = re.compile(r"[;\t|][ \t]{0,9}(?=\w[\w \-/]{1,60}:)")
_LABELLED = re.compile(r"[\w\[\]][\w \-/\[\]]{1,60}:\s*\S.*")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def unescaped(text: str) -> str:
    """``text`` without HTML's entities, if all of it is escaped: nothing in it that HTML would have escaped."""
    plain = _BREAK.sub("", text)
    count = plain.count("&")
    if not count or set(plain) & set("<>") or count != len(_ENTITY.findall(plain)):
        return text
    return html.unescape(text)


def tidied(text: str) -> str:
    """``text`` with line ends where pages had breaks, plain labels, and its parameters in one line."""
    text = _BOLD.sub(r"\1:", _BREAK.sub("\n", text).translate(_WIDE))
    text = _STEPS.sub("Steps: ", _NEGATIVE.sub(NEGATIVE_MARK, text))
    lines = [line.strip() for line in text.split("\n")]
    at = next((index for index, line in enumerate(lines) if line.startswith("Steps: ")), None)
    if at is None:
        return text
    lines[at:] = _in_one_line(lines[at:])
    return _PROMPT.sub("", "\n".join(lines))


def _in_one_line(lines: list[str]) -> Iterator[str]:
    """Parameters that stand one a line, or apart by other signs, as A1111 writes them; what follows them stays."""
    end = next((index for index, line in enumerate(lines) if not _LABELLED.fullmatch(line)), len(lines))
    yield ", ".join(_SEPARATOR.sub(", ", line).rstrip(", ") for line in lines[:end])
    yield from lines[end:]
