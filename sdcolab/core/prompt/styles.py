"""What happens to a prompt before its grammar is read: saved styles are put in and comments taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

PLACEHOLDER = "{prompt}"
_COMMENT_LINE = re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)")
_COMMENT_TAIL = re.compile(r"#[^\n]*\n?")


@dataclass(frozen=True, slots=True)
class Style:
    """A named piece of prompt that a user saved (hechos/a1111.md 8.6)."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def apply_styles(prompt: str, negative_prompt: str, styles: Iterable[Style]) -> tuple[str, str]:
    """Both prompts with each style applied in order.

    A style text with ``{prompt}`` frames the prompt; any other is appended after ", " (hechos/a1111.md 8.6).
    """
    for style in styles:
        prompt = _apply(prompt, style.prompt)
        negative_prompt = _apply(negative_prompt, style.negative_prompt)
    return prompt, negative_prompt


def strip_comments(text: str) -> str:
    """The prompt without ``#`` comments, which have no escape (hechos/a1111.md 1.1).

    A line that begins with ``#`` leaves one newline where it stood; any other ``#`` takes the rest of its line and the
    newline with it.
    """
    return _COMMENT_TAIL.sub("", _COMMENT_LINE.sub("\n", text))


def _apply(prompt: str, style_text: str) -> str:
    if PLACEHOLDER in style_text:
        return style_text.replace(PLACEHOLDER, prompt)
    return ", ".join(part for part in (prompt.strip(), style_text.strip()) if part)
