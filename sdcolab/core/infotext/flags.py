"""Prompts with the options of other programs behind them: Midjourney's ``--ar 3:2``, InvokeAI's ``-s 50 -S 123`` and
those of commands, ``--prompt "a cat" --steps 20``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

MIDJOURNEY = "Midjourney"

MAX_LINE = 8000
"""Longest text, in characters, that is read as a command's options."""

_SHORT_SIDE = 512
_LONGEST_SIDE = 2048
_SIDE_STEP = 8

_MIDJOURNEY = re.compile(
    r"(?<!\S)(?:--|[—–])(?P<name>aspect|ar|chaos|c|cref|cw|draft|exp|fast|hd|iw|no|niji|oref|ow|p|profile|q|quality|"
    r"raw|relax|repeat|r|s|sameseed|seed|sref|stop|style|stylize|sv|sw|test|testp|tile|turbo|uplight|upbeta|v|version|"
    r"video|w|weird|h)(?![\w-])(?P<value>(?:[ =]+(?!--|[—–])[^\s,]+(?:,(?!\s*--)[^,\n]*?(?=,|\s(?:--|[—–])|$))*)?)",
    re.MULTILINE,
)
_SURE = frozenset(
    ("ar", "aspect", "chaos", "cref", "iw", "niji", "no", "q", "s", "sref", "stylize", "style", "v", "weird")
)
"""Options that make a text Midjourney's; the others count only beside one of them."""

_VALUELESS = frozenset(
    ("draft", "fast", "hd", "raw", "relax", "test", "testp", "tile", "turbo", "uplight", "upbeta", "video")
)
_IMAGINE = re.compile(r"\A\s*/imagine\s+(?:prompt:?\s*)?", re.IGNORECASE)
_SENDER = re.compile(r"\*\*\s*-\s*(?:@|<@|Image #|Upscaled|Variations).*\Z", re.DOTALL)
"""What Discord's channel says behind a prompt: ``** - @user (fast)``."""

_SIDES = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)\s*[:/x]\s*(\d{1,4}(?:\.\d{1,3})?)")

_INVOKE = re.compile(r"\s-(?P<flag>[sSWHCAnfGU])\s?(?P<value>[\w.:]{1,40})(?=\s|\Z)")
_INVOKE_NAMES: Mapping[str, str] = {
    "s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler", "f": "denoising_strength",
}  # fmt: skip
_INVOKE_LEAST = 3

_COMMAND = re.compile(r"\A\s*(?:\S{1,60}\s+)?(?:--prompt|-p)[ =]", re.IGNORECASE)
_COMMAND_NAMES: Mapping[str, str] = {
    "p": "prompt", "n": "negative_prompt", "W": "width", "H": "height", "s": "seed", "m": "model",
    "sampling-method": "sampler", "scheduler": "schedule_type", "strength": "denoising_strength",
}  # fmt: skip
"""What short options of stable-diffusion.cpp's command mean, in the words of ``foreign``."""


@dataclass(frozen=True, slots=True)
class Flagged:
    """A prompt without its options: what they say that means the same here, and all of them as written. Sizes in
    pixels."""

    prompt: str
    negative_prompt: str
    seed: int | None
    size: tuple[int, int] | None
    options: str


def midjourney_options(text: str) -> tuple[str, ...]:
    """Midjourney's options in ``text``, as written; none where nothing is surely one of them."""
    found = list(_MIDJOURNEY.finditer(text))
    if not any(_is_sure(match) for match in found):
        return ()
    return tuple(_written(match) for match in found)


def without_options(text: str) -> Flagged | None:
    """A Midjourney prompt taken apart; None for a text with none of its options."""
    text = _SENDER.sub("", _IMAGINE.sub("", text)).removeprefix("**")
    options = midjourney_options(text)
    if not options:
        return None
    said: dict[str, str] = {}
    negatives: list[str] = []
    for match in _MIDJOURNEY.finditer(text):
        value = match["value"].strip(" =")
        said[match["name"]] = value
        negatives += [value] if match["name"] == "no" and value else []
    prompt = _MIDJOURNEY.sub(lambda match: match["value"] if match["name"] in _VALUELESS else "", text)
    seed = said.get("seed", "")
    return Flagged(
        prompt=re.sub(r"[ \t]{2,}", " ", prompt).strip(" ,\n"),
        negative_prompt=", ".join(negatives),
        seed=int(seed) if seed.isascii() and seed.isdigit() and len(seed) <= 10 else None,
        size=_size_of(said.get("ar") or said.get("aspect") or ""),
        options=" ".join(options),
    )


def from_options(text: str) -> Mapping[str, object] | None:
    """What a command says that makes a picture, by the names of ``foreign``'s plain objects; None for other texts."""
    return _of_command(text) or _of_invoke(text)


def _is_sure(match: re.Match[str]) -> bool:
    """Whether nothing but Midjourney writes so: ``--no`` and ``--s`` need what they are about."""
    value = match["value"].strip(" =")
    if match["name"] in ("ar", "aspect"):
        return _SIDES.fullmatch(value) is not None
    return match["name"] in _SURE and bool(value)


def _written(match: re.Match[str]) -> str:
    value = "" if match["name"] in _VALUELESS else match["value"].strip(" =")
    return f"--{match['name']} {value}".strip()


def _size_of(ratio: str) -> tuple[int, int] | None:
    """A size in Stable Diffusion 1's proportions: the short side of 512 pixels, the other after ``ratio``."""
    found = _SIDES.fullmatch(ratio)
    sides = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not all(sides):
        return None
    scale = _SHORT_SIDE / min(sides)
    width, height = (min(_LONGEST_SIDE, round(side * scale / _SIDE_STEP) * _SIDE_STEP) for side in sides)
    return width, height


def _of_invoke(text: str) -> Mapping[str, object] | None:
    """``"a cat [bad]" -s50 -S123``: what InvokeAI's command takes and its old pictures say under "Dream"."""
    if len(text) > MAX_LINE:
        return None
    found = list(_INVOKE.finditer(text))
    told = {_INVOKE_NAMES[match["flag"]]: match["value"] for match in found if match["flag"] in _INVOKE_NAMES}
    if len(told) < _INVOKE_LEAST or not told.keys() & {"steps", "seed", "cfg_scale"}:
        return None
    prompt = text[: found[0].start()].strip()
    if len(prompt) > 1 and prompt[0] == prompt[-1] == '"':
        prompt = prompt[1:-1]
    prompt, negative = without_negatives(prompt)
    return {"prompt": prompt, "negative_prompt": negative, **_numbers(told)}


def without_negatives(prompt: str) -> tuple[str, str]:
    """InvokeAI's old way: a prompt, and what stood in brackets inside it."""
    negatives = re.findall(r"\[([^\[\]:|]*)\]", prompt)
    return re.sub(r"\s*\[[^\[\]:|]*\]", "", prompt).strip(" ,"), ", ".join(negatives)


def _of_command(text: str) -> Mapping[str, object] | None:
    """``--prompt "a cat" --steps 20``: a line of "Prompts from file", or the command of another program."""
    if len(text) > MAX_LINE or not _COMMAND.match(text):
        return None
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError:
        return None
    told: dict[str, str] = {}
    name = ""
    for word in words:
        if re.fullmatch(r"--?[A-Za-z][\w-]*(?:=.*)?", word, re.DOTALL):
            option, _, value = word.lstrip("-").partition("=")
            name = _COMMAND_NAMES.get(option, option.replace("-", "_"))
            told[name] = value
        elif name:
            told[name] = f"{told[name]} {word}".strip()
    return _numbers(told)


def _numbers(told: Mapping[str, str]) -> Mapping[str, object]:
    """The sizes as numbers."""
    whole = {key: int(value) for key, value in told.items() if key in ("width", "height") and value.isdecimal()}
    return {**told, **whole}
