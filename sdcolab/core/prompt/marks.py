"""Marks in a prompt that mean something to a script and nothing to a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

DYNAMIC = "dynamic"
MATRIX = "matrix"

_VARIANTS = re.compile(r"(?<!\\)\{[^{}]*\|[^{}]*\}")
_WILDCARD = re.compile(r"(?<![\w<])__[^\W_][\w/ *-]{0,80}?__(?!\w)")
_TAG = re.compile(r"<\w+:[^<>]*>")
_BRACKETS = re.compile(r"\[[^\[\]]*\]")


def words_in(names: Iterable[str], *prompts: str) -> Iterator[str]:
    """Those of ``names`` that stand as whole words in some of ``prompts``, in any case: how an embedding is called."""
    text = "\n".join(_TAG.sub("", prompt) for prompt in prompts)
    for name in names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            yield name


def idle_marks(prompt: str) -> Iterator[tuple[str, str]]:
    """The marks that are read as plain text without a script, each once, and the code of the script that reads them:
    ``{a|b}`` and ``__name__`` of dynamic prompts, ``|`` of the prompt matrix. ``[a|b]``, which alternates, is none.
    """
    text = _TAG.sub("", prompt)
    if _VARIANTS.search(text):
        yield "{…|…}", DYNAMIC
    if _WILDCARD.search(text):
        yield "__…__", DYNAMIC
    for _ in range(8):  # brackets lie in brackets
        text, count = _BRACKETS.subn("", text)
        if not count:
            break
    if "|" in _VARIANTS.sub("", text):
        yield "|", MATRIX
