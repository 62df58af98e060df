"""Names of saved pictures from a pattern with A1111's tokens: "[model_name]-[seed]" (hechos/a1111.md 8.2).

What a picture is like is read from its own infotext, so that every way of saving one knows the same.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Mapping

from sdcolab.core.infotext.text import Infotext

MAX_PART = 128
"""Longest part of a name, in characters; A1111's."""

MAX_WORDS = 8
"""Of [prompt_words]; A1111's."""

_TOKEN = re.compile(r"([^\[\]]*)\[([A-Za-z_]+)((?:<[^<>]*>)*)\]")
_FORBIDDEN = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f]')
_WORD = re.compile(r"[^\s,.;:!?()\[\]{}<>|\"']+")

Facts = Mapping[str, Callable[[str], str | None]]
"""What each token says; its argument is what stood between < and >, or nothing. None takes away what stands before the
token too."""


def file_name(pattern: str, facts: Facts) -> str:
    """One part of a name, without ending; empty when nothing is left of it. Unknown tokens stay as they are."""
    return _clean(_filled(pattern.replace("/", "_"), facts))


def folder_name(pattern: str, facts: Facts) -> str:
    """Folders below one another, separated by "/". None goes up, and none is empty."""
    parts = (_clean(_filled(part, facts)) for part in pattern.replace("\\", "/").split("/"))
    return "/".join(part for part in parts if part.strip("."))


def facts_of(infotext: Infotext, size: tuple[int, int], seed: int | None, now: datetime.datetime) -> Facts:
    """What the tokens say of a picture of ``size`` (width, height)."""

    def label(*names: str) -> Callable[[str], str]:
        return lambda _argument: next(filter(None, (infotext.get(name) for name in names)), "")

    def digest(text: str) -> Callable[[str], str]:
        whole = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        return lambda argument: whole[: int(argument) if argument.isdigit() and len(argument) < 3 else 8]

    prompt, negative = infotext.prompt, infotext.negative_prompt
    number = "" if seed is None else str(seed)
    return {
        "seed": lambda _argument: number,
        "steps": label("Steps"),
        "cfg": label("CFG scale"),
        "width": lambda _argument: str(size[0]),
        "height": lambda _argument: str(size[1]),
        "sampler": label("Sampler"),
        "scheduler": label("Schedule type"),
        "model_name": label("Model"),
        "model_hash": label("Model hash"),
        "vae_filename": lambda _argument: label("VAE")("").partition(".")[0],
        "clip_skip": lambda _argument: label("Clip skip")("") or "1",
        "denoising": lambda _argument: infotext.get("Denoising strength"),
        "date": lambda _argument: now.strftime("%Y-%m-%d"),
        "datetime": lambda argument: _moment(now, argument or "%Y%m%d%H%M%S"),
        "job_timestamp": lambda _argument: now.strftime("%Y%m%d%H%M%S"),
        "prompt": lambda _argument: prompt.replace(" ", "_"),
        "prompt_spaces": lambda _argument: prompt,
        "prompt_words": lambda _argument: " ".join(_WORD.findall(re.sub(r"<[^<>]*>", "", prompt))[:MAX_WORDS]),
        "prompt_hash": digest(prompt),
        "negative_prompt_hash": digest(negative),
        "full_prompt_hash": digest(f"{prompt} {negative}"),
        "none": lambda _argument: "",
    }


def _filled(pattern: str, facts: Facts) -> str:
    def say(token: re.Match[str]) -> str:
        before, name, arguments = token.groups()
        if name.lower() not in facts:
            return token[0]
        value = facts[name.lower()](arguments[1:-1].split("><")[0])
        return "" if value is None else before + value

    return _TOKEN.sub(say, pattern)


def _moment(now: datetime.datetime, pattern: str) -> str:
    try:
        return now.strftime(pattern)
    except ValueError:
        return now.strftime("%Y%m%d%H%M%S")


def _clean(part: str) -> str:
    return _FORBIDDEN.sub("_", part).lstrip(" ")[:MAX_PART].rstrip(" .")
