"""What is wrong with a TOML file in words: the standard library only tells it in English."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from sdcolab.core.words import toml_faults as words

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


class TomlFault(ValueError):
    """Text that is no TOML; it says why and where."""


def read_toml_text(text: str | bytes) -> dict[str, Any]:
    """What TOML holds; bytes are UTF-8, maybe with a mark in front. Raises ``TomlFault``."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TomlFault(words.NOT_UTF8.format(line=error.object.count(b"\n", 0, error.start) + 1)) from error
    except RecursionError as error:
        raise TomlFault(words.TOO_DEEP) from error
    except tomllib.TOMLDecodeError as error:
        raise TomlFault(_told(str(error))) from error


def _told(english: str) -> str:
    fault = next((ours for start, ours in words.FAULTS.items() if english.startswith(start)), words.OTHER)
    place = _PLACE.search(english)
    if place is None:
        return fault
    if place["line"] is None:
        return words.AT_END.format(fault=fault)
    return words.AT.format(line=place["line"], column=place["column"], fault=fault)
