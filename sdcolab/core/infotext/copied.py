"""Infotexts that lost their layout on the way: copied from web pages, chats and other programs' windows, or typed.

Nothing here touches a text whose layout can be read; ``text.parse`` tries it only where it cannot.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

NEGATIVE_MARK = "Negative prompt:"

_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h\d)>|\r", re.IGNORECASE)
_TAG = re.compile(r"</?(?:p|div|span|b|i|strong|em|pre|li|ul|tr|td|h\d)(?: [^<>]{0,200})?>", re.IGNORECASE)
_FENCE = re.compile(r"```\w*\n(.*?)\n?```", re.DOTALL)
_BBCODE = re.compile(r"\[(code|quote|spoiler)(?:=[^\]\n]{0,60})?\](.*)\[/\1\]", re.DOTALL | re.IGNORECASE)
_QUOTED = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n:]{1,60})(?::\*\*|\*\*\s*:)")
_WIDE = str.maketrans({"\uff1a": ": ", "\uff0c": ", ", "\uff1b": "; "})
_NEGATIVE = re.compile(r"^negative(?:[ _]?prompt)?\s*:", re.IGNORECASE | re.MULTILINE)
_PROMPT = re.compile(r"\A\s*(?:positive )?prompt\s*:\s*", re.IGNORECASE)
_STEPS = re.compile(r"^(?:sampling )?steps\s*:\s*(?=\d)", re.IGNORECASE | re.MULTILINE)
_SEPARATOR = re.compile(r"[;\t|][ \t]{0,9}(?=\w[\w \-/]{1,60}:)")
_KNOWN = re.compile(
    r"(?:seed|sampler|sampling method|width|height|(?:image )?size|cfg(?: scale)?|guidance scale|schedule(?:r| type)?|"
    r"(?:(?:stable diffusion|hypernetwork|lora) )?model|(?:use )?vae(?: model)?|clip skip|denoising strength)\s*:",
    re.IGNORECASE,
)
"""Labels that may stand above the steps, one a line."""

_HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
_LISTED = re.compile(rf"^[ \t]*(?:[-*•·]|\d{{1,2}}[.)])[ \t]+(?=(?:sampling )?steps\s*:|{_KNOWN.pattern})", re.I | re.M)
"""The mark of a list before a label."""

_LABELLED = re.compile(r"[\w\[\]][\w \-/\[\]]{1,60}:\s*\S.*")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def unescaped(text: str) -> str:
    """``text`` without HTML's entities, if all of it is escaped: nothing in it that HTML would have escaped."""
    plain = _BREAK.sub("", text)
    count = plain.count("&")
    if not count or set(plain) & set("<>") or count != len(_ENTITY.findall(plain)):
        return text
    return html.unescape(text)


_ESCAPED_END = re.compile(r"\\r\\n|\\n")
_PERCENT = re.compile(r"%(?:0A|0a|20|3A|3a|2C|2c)")


def from_one_line(text: str) -> str:
    """``text`` with line ends, if a program or an address holds it in one line: ``\\n`` or ``%0A``."""
    inner = text.strip()
    if "\n" in inner:
        return text
    if " " not in inner and len(_PERCENT.findall(inner)) > _LEAST_ESCAPES:
        inner = unquote(inner)
    return _ESCAPED_END.sub("\n", inner) if r"\nNegative prompt:" in inner or r"\nSteps:" in inner else inner


_LEAST_ESCAPES = 4


def unwrapped(text: str) -> str:
    """``text`` without what mails, chats and forums put around all of it."""
    inner = text.strip()
    if inner.startswith(">") and all(line.lstrip().startswith(">") for line in inner.split("\n")):
        inner = _QUOTED.sub("", inner)
    if fence := _FENCE.fullmatch(inner):
        inner = fence[1]
    for _ in range(3):
        if code := _BBCODE.fullmatch(inner.strip()):
            inner = code[2]
    return text if inner == text.strip() else inner


_PROMPT_HEADING = re.compile(r"\s*(?:positive )?prompt:?\s*", re.IGNORECASE)
_NEGATIVE_HEADING = re.compile(r"\s*negative[ _]?prompt:?\s*", re.IGNORECASE)
_PAGE_WORDS = re.compile(
    r"\s*(?:txt2img|img2img|copy(?: all| prompt)?|show (?:more|less)|other metadata|generation data|resources used)\s*",
    re.IGNORECASE,
)
"""What civitai's pages say between prompts and parameters."""

_ANY_STEPS = re.compile(r"^[ \t]*(?:sampling )?steps\b", re.IGNORECASE | re.MULTILINE)
_CAMEL = re.compile(r"^([a-z]{2,12})([A-Z][a-z]{2,12})(?=[ \t]*:)", re.MULTILINE)
"""A label as programs name it in their code: ``cfgScale: 7``."""


def without_headings(text: str) -> str:
    """``text`` in A1111's layout, if its prompts stand below headings of their own, as on civitai's pages."""
    lines = text.split("\n") if _ANY_STEPS.search(text) else []
    first = next((place for place, line in enumerate(lines) if _PROMPT_HEADING.fullmatch(line)), None)
    if first is None:
        return text
    at = next((place for place, line in enumerate(lines) if place > first and _NEGATIVE_HEADING.fullmatch(line)), None)
    if at is None:
        return text
    prompt, rest = (
        "\n".join(line for line in part if not _PAGE_WORDS.fullmatch(line)).strip()
        for part in (lines[first + 1 : at], lines[at + 1 :])
    )
    return f"{prompt}\n{NEGATIVE_MARK} {rest}"


_MOCHI = ("include in image:", "exclude from image:", "model:")
"""The words of Mochi Diffusion that stand before its prompts, and the label behind them."""


def from_mochi(text: str) -> str:
    """``text`` in A1111's layout, if Mochi Diffusion copied it: apart by semicolons, or with a line for each value."""
    folded = text.lower()
    places = [folded.find(word) for word in _MOCHI]
    if folded[: max(places[0], 0)].strip() or -1 in places or places != sorted(places) or len(folded) != len(text):
        return text
    parts = (text[start + len(word) : end] for word, start, end in zip(_MOCHI, places, places[1:], strict=False))
    prompt, negative = (part.strip("; \t\r\n") for part in parts)
    told = _LABEL_ABOVE.sub(r"\1: ", _NEXT_LABEL.sub("\n", text[places[2] :])).replace("Scheduler: ", "Sampler: ")
    lines = (line.strip() for line in told.split("\n"))
    return "\n".join([prompt, f"{NEGATIVE_MARK} {negative}", *(line for line in lines if not line.endswith(":"))])


_LABEL_ABOVE = re.compile(r"^([A-Z][\w ]{1,30}):[ \t]*\n(?![A-Z][\w ]{1,30}:)", re.MULTILINE)
_NEXT_LABEL = re.compile(r";[ \t]{0,9}(?=[A-Z][\w ]{1,30}:)")


def tidied(text: str) -> str:
    """``text`` with line ends where pages had breaks, plain labels, and its parameters in one line that begins with the
    steps."""
    text = _HIDDEN.sub("", _TAG.sub("", _BREAK.sub("\n", text)).translate(_WIDE))
    text = _CAMEL.sub(lambda found: f"{found[1]} {found[2].casefold()}", _LISTED.sub("", text))
    text = _STEPS.sub("Steps: ", _NEGATIVE.sub(NEGATIVE_MARK, _BOLD.sub(r"\1:", text)))
    lines = [line.strip() for line in text.strip().split("\n")]
    at = next((index for index, line in enumerate(lines) if line.startswith("Steps: ")), None)
    if at is None:
        return text
    first = at
    while first and _KNOWN.match(lines[first - 1]):
        first -= 1
    end = next((index for index in range(at + 1, len(lines)) if not _goes_on(lines, index)), len(lines))
    told = [lines[at], *lines[first:at], *lines[at + 1 : end]]
    behind = next((index for index in range(end, len(lines)) if lines[index].startswith(NEGATIVE_MARK)), len(lines))
    last = len(lines)
    while last > behind + 1 and _KNOWN.match(lines[last - 1]):  # some programs tell of the model after both prompts
        last -= 1
    told += lines[last:]
    lines = [*lines[:first], *lines[behind:last], _in_one_line(told), *lines[end:behind]]
    return _PROMPT.sub("", "\n".join(lines))


def _goes_on(lines: list[str], index: int) -> bool:
    """Whether a line belongs to the parameters before it."""
    return bool(_LABELLED.fullmatch(lines[index])) and not lines[index].startswith(NEGATIVE_MARK)


def _in_one_line(lines: list[str]) -> str:
    """Parameters that stand one a line, or apart by other signs, as A1111 writes them."""
    return ", ".join(_SEPARATOR.sub(", ", line).rstrip(", ") for line in lines)
