"""What the model reads about a picture at one step: its caption after dropout, wildcards, warm-up, shuffling and loss
of tags.

Rules: hechos/extensiones.md 11, "Data". The random numbers come from the caller, so that a step can be repeated.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sdcolab.core.checks import check_range

_WILDCARD = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class CaptionRules:
    """How a caption changes from step to step. Rates are probabilities (0..1).

    The first ``keep_tokens`` tags stay in place; where ``keep_tokens_separator`` stands in the caption, what is before
    it stays instead, and so does what is after a second one. ``token_warmup_step`` is when all tags are shown (a number
    of steps, or below 1 a share of them), beginning with ``token_warmup_min``.
    """

    prefix: str = ""
    suffix: str = ""
    separator: str = ","
    secondary_separator: str = ""
    shuffle: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    wildcards: bool = False
    dropout_rate: float = 0.0
    dropout_every_n_epochs: int = 0
    tag_dropout_rate: float = 0.0
    token_warmup_min: int = 1
    token_warmup_step: float = 0.0

    def __post_init__(self) -> None:
        for name in ("dropout_rate", "tag_dropout_rate"):
            check_range(f"caption_{name}", getattr(self, name), 0, 1)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a caption is read: ``epoch`` from 1, ``step`` from 0 of ``total`` optimiser steps."""

    epoch: int = 1
    step: int = 0
    total: int = 1


def caption_at(caption: str, rules: CaptionRules, moment: Moment, chance: random.Random) -> str:
    """The text of ``caption`` at ``moment``."""
    if rules.prefix:
        caption = f"{rules.prefix} {caption}"
    if rules.suffix:
        caption = f"{caption} {rules.suffix}"
    if _is_dropped(rules, moment, chance):
        return ""
    caption = _with_wildcards(caption, chance) if rules.wildcards else caption.split("\n")[0]
    if rules.shuffle or rules.token_warmup_step > 0 or rules.tag_dropout_rate > 0:
        caption = _rearranged(caption, rules, moment, chance)
    if rules.secondary_separator:
        caption = caption.replace(rules.secondary_separator, rules.separator)
    return caption


def _is_dropped(rules: CaptionRules, moment: Moment, chance: random.Random) -> bool:
    every = rules.dropout_every_n_epochs
    by_chance = rules.dropout_rate > 0 and chance.random() < rules.dropout_rate
    return by_chance or bool(every and moment.epoch % every == 0)


def _with_wildcards(caption: str, chance: random.Random) -> str:
    """One of the lines, with one of the options of each ``{a|b}``; doubled braces are plain ones."""
    if "\n" in caption:
        caption = chance.choice(caption.split("\n"))
    opening, closing = "⦅", "⦆"
    while opening in caption or closing in caption:
        opening, closing = opening + "⦅", closing + "⦆"
    caption = caption.replace("{{", opening).replace("}}", closing)
    caption = _WILDCARD.sub(lambda match: chance.choice(match[1].split("|")), caption)
    return caption.replace(opening, "{").replace(closing, "}")


def _rearranged(caption: str, rules: CaptionRules, moment: Moment, chance: random.Random) -> str:
    first, middle, last = _parts(caption, rules)
    middle = middle[: _shown(len(middle), rules, moment)]
    if rules.shuffle:
        chance.shuffle(middle)
    if rules.tag_dropout_rate > 0:
        middle = [tag for tag in middle if chance.random() >= rules.tag_dropout_rate]
    return ", ".join((*first, *middle, *last))


def _parts(caption: str, rules: CaptionRules) -> tuple[list[str], list[str], list[str]]:
    """Tags that stay at the front, those that move, and those that stay at the end."""
    mark = rules.keep_tokens_separator
    if mark and mark in caption:
        first, _, rest = caption.partition(mark)
        middle, _, last = rest.partition(mark)
        return _tags(first, rules.separator), _tags(middle, rules.separator), _tags(last, rules.separator)
    tags = [tag.strip() for tag in caption.strip().split(rules.separator)]
    return tags[: rules.keep_tokens], tags[rules.keep_tokens :], []


def _tags(text: str, separator: str) -> list[str]:
    return [tag.strip() for tag in text.split(separator) if tag.strip()]


def _shown(count: int, rules: CaptionRules, moment: Moment) -> int:
    """How many of ``count`` movable tags are shown: more and more of them while the warm-up lasts."""
    steps = rules.token_warmup_step
    if steps < 1:
        steps = math.floor(steps * moment.total)
    if not steps or moment.step >= steps:
        return count
    return math.floor(moment.step * ((count - rules.token_warmup_min) / steps)) + rules.token_warmup_min


def tag_frequency(captions: Iterable[str]) -> dict[str, int]:
    """How often each tag occurs, in lower case and in order of appearance (``ss_tag_frequency``)."""
    return dict(Counter(tag.strip().lower() for caption in captions for tag in caption.split(",") if tag.strip()))
