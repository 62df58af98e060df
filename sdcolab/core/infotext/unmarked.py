"""Infotexts whose labels have no colon: headings above their values, rows of a table, bold words, ``Steps = 20``."""

from __future__ import annotations

import re

from sdcolab.core.infotext.translated import BLANKS, NEGATIVES, TRANSLATED

_NEGATIVE = rf"negative[ _]prompt|{NEGATIVES}"
_SETTINGS = (
    r"(?:sampling )?steps|sampl(?:er(?:[ _]name)?|ing method)|schedule(?:r| type)?|(?:cfg|guidance)(?:[ _]scale)?|"
    r"seed|(?:image )?size|"
    rf"width|height|model|model hash|clip skip|denoising strength|vae|{'|'.join(TRANSLATED.values())}"
)
_STEPS = rf"(?:(?:sampling )?steps|{TRANSLATED['Steps']})"

_ENDED = rf"(?:\*\*)?{BLANKS}(?:[=|\t]|\n|(?<=[ *])){BLANKS}(?=[^\s:=|])"
"""What stands in the place of a colon."""

_BEFORE = r"(?P<before>^[ \t|>•*-]{0,9}|[,;|\t][ \t*]{0,9})"
_SETTING = re.compile(rf"{_BEFORE}(?P<label>{_SETTINGS}){_ENDED}", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(
    rf"^[ \t|>•*-]{{0,9}}(?P<label>{_NEGATIVE}|prompt)(?P<end>{_ENDED})", re.IGNORECASE | re.MULTILINE
)
_ASSIGNED = re.compile(
    rf'^[ \t]*(?P<label>{_NEGATIVE}|prompt)[ \t]*=[ \t]*"(?P<value>[^"\n]*)"[ \t]*,?$', re.IGNORECASE | re.MULTILINE
)
"""A prompt in quotes, as files of settings have it."""

_TELLING = re.compile(rf"{_BEFORE}{_STEPS}{_ENDED}\d", re.IGNORECASE | re.MULTILINE)
_ROW_END = re.compile(r"[ \t]*\|[ \t]*$", re.MULTILINE)
_LEAST = 3
"""Labels that a text must have before any of its words is taken for one."""


def with_colons(text: str) -> str:
    """``text`` with a colon behind each label, if it has steps and a few other settings without one."""
    if not _TELLING.search(text) or len(_SETTING.findall(text)) < _LEAST:
        return text
    text = _ASSIGNED.sub(r"\g<label>= \g<value>", text)
    text = _SETTING.sub(_marked, _ROW_END.sub("", text))
    return _HEADING.sub(lambda found: f"{found['label']}: " if _is_heading(found) else found[0], text)


def _marked(found: re.Match[str]) -> str:
    before = "" if found["before"].strip(" \t|>•*-") == "" and "\t" not in found["before"] else ", "
    return f"{before}{found['label']}: "


def _is_heading(found: re.Match[str]) -> bool:
    """Whether a line's first word is a label: "prompt" begins sentences too."""
    return found["label"].casefold() != "prompt" or found["end"].strip(" ") != ""
