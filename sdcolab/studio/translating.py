"""Spanish prompts in English: by the dictionary of our own tags, and by a model where there is one."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from sdcolab.core.request import GenerationRequest
from sdcolab.studio.tags import bare, own_tags

MOST_KEPT = 300
"""Translations whose original is remembered."""

MOST_PHRASES, MOST_LETTERS = 60, 500
"""What the model is given of one prompt: phrases, and letters of each."""

_UNTOUCHED = re.compile(r"<[^<>]*>|__[^\s,]*?__|\\[()\[\]{}]|[(){}\[\]|,:\n;]|\b(?:AND|BREAK)\b|\$\{[^}]*\}")
_SYNTAX = re.compile(r"[(){}\[\]|<>\\:;$_\n]+")
"""What a translation may not bring in."""

_LINKING: Mapping[str, str] = {
    "y": "and",
    "con": "with",
    "sin": "without",
    "en": "in",
    "sobre": "on",
    "bajo": "under",
    "de": "of",
    "del": "of the",
    "al": "at",
    "a": "to",
    "entre": "between",
    "junto": "next",
    "para": "for",
    "un": "a",
    "una": "a",
    "unos": "some",
    "unas": "some",
    "el": "the",
    "la": "the",
    "los": "the",
    "las": "the",
    "su": "her",
    "muy": "very",
    "grande": "big",
    "grandes": "big",
    "pequeno": "small",
    "pequena": "small",
    "viejo": "old",
    "vieja": "old",
    "joven": "young",
    "nuevo": "new",
    "que": "that",
    "mucho": "much",
    "muchos": "many",
    "muchas": "many",
    "dos": "two",
    "tres": "three",
    "cuatro": "four",
    "o": "or",
}


_BOTH = frozenset({"a", "o", "sin", "al", "la", "de", "su"})
"""Linking words that are English, or stand in names, too."""

Model = Callable[[Sequence[str]], Sequence[str] | None]
"""The English of each Spanish phrase; None when it cannot be told now."""


@dataclass(frozen=True, slots=True)
class Translated:
    """``whole``: no Spanish is left in it, as far as is known."""

    text: str
    whole: bool


def no_model(_phrases: Sequence[str]) -> None:
    """There is none."""


class Translations:
    """Translates, and remembers what it translated. ``there`` tells whether ``model`` can be asked, and ``automatic``
    whether prompts are translated before they are generated. Safe to use from several threads."""

    def __init__(
        self,
        model: Model = no_model,
        there: Callable[[], bool] = lambda: False,
        automatic: Callable[[], bool] = lambda: False,
    ) -> None:
        self._model = model
        self._there = there
        self._automatic = automatic
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def has_model(self) -> bool:
        """Whether the model is here."""
        return self._there()

    @property
    def automatic(self) -> bool:
        """Whether prompts are translated before they are generated."""
        return self._automatic()

    def english(self, prompt: str) -> Translated:
        """``prompt`` with its Spanish in English. Weights, tags, LoRAs, wildcards and the rest of the syntax stay as
        they are, and so does every word that nobody knows. The model is asked only for phrases that the dictionary
        does not know whole."""
        parts = _parts(prompt)
        known = {place: _by_dictionary(part) for place, part in enumerate(parts) if place % 2 == 0}
        hard = [place for place, phrase in known.items() if phrase.spanish and not phrase.whole]
        asked = [place for place in hard if len(parts[place]) <= MOST_LETTERS][:MOST_PHRASES]
        found = self._model([parts[place].strip() for place in asked]) if asked else []
        texts = {place: phrase.text for place, phrase in known.items()}
        done = dict(zip(asked, found or (), strict=False))
        for place, english in done.items():
            texts[place] = _fitted(parts[place], english) or texts[place]
        text = "".join(texts.get(place, part) for place, part in enumerate(parts))
        if text != prompt:
            self._keep(text, prompt)
        return Translated(text, len(done) == len(hard))

    def of(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` as it is generated: with its prompts in English where they are translated by themselves, and with
        the originals of those that somebody translated here."""
        if self.automatic:
            prompt, negative = (self.english(text).text for text in (request.prompt, request.negative_prompt))
            request = replace(request, prompt=prompt, negative_prompt=negative)
        return replace(
            request,
            original_prompt=self.original(request.prompt),
            original_negative_prompt=self.original(request.negative_prompt),
        )

    def original(self, english: str) -> str:
        """What ``english`` was translated from, "" for what nobody translated here."""
        with self._lock:
            return self._kept.get(english, "")

    def _keep(self, english: str, spanish: str) -> None:
        with self._lock:
            self._kept[english] = self._kept.get(spanish) or spanish
            self._kept.move_to_end(english)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Phrase:
    text: str
    spanish: bool
    whole: bool


@cache
def dictionary() -> Mapping[str, str]:
    """English by Spanish, without accents; the singular leads to the plural too."""
    found: dict[str, str] = {}
    for tag in own_tags():
        for name in tag.spanish:
            found.setdefault(bare(name), tag.name)
    for word, english in [*found.items()]:
        if " " not in word and word[-1:] in "aeiou" and not english.endswith("s"):
            found.setdefault(f"{word}s", f"{english}s")
    return found


def _parts(prompt: str) -> list[str]:
    """Phrases and, between them, what stays as it is."""
    parts, at = [], 0
    for mark in _UNTOUCHED.finditer(prompt):
        parts += [prompt[at : mark.start()], mark[0]]
        at = mark.end()
    return [*parts, prompt[at:]]


def _by_dictionary(text: str) -> _Phrase:
    """The longest known phrases of ``text`` from the left. A text without one known word is not Spanish."""
    words = text.split()
    known, out, place, found, unknown = dictionary(), list[str](), 0, False, 0
    while place < len(words):
        for end in range(min(len(words), place + 6), place, -1):
            english = known.get(bare(" ".join(words[place:end])))
            if english:
                out.append(english)
                found |= english != " ".join(words[place:end])
                break
        else:
            end = place + 1
            out.append(words[place])
            unknown += bare(words[place]) not in _LINKING and not words[place].isdecimal()
        place = end
    linking = sum(bare(word) in _LINKING and bare(word) not in _BOTH for word in words)
    accents = any(map(unicodedata.combining, unicodedata.normalize("NFD", text)))
    if not found:
        return _Phrase(text, accents or linking > 1, whole=not words)
    english = " ".join(_LINKING.get(bare(word), word) for word in out)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return _Phrase(f"{before}{english}{after}", True, unknown == 0)


def _fitted(spanish: str, english: str) -> str:
    """``english`` in the place of ``spanish``: without syntax, with its spaces, capitals and full stop. "" when it is
    no translation: empty, or out of all proportion."""
    plain = " ".join(_SYNTAX.sub(" ", english).split())
    own = spanish.strip()
    if not own.endswith("."):
        plain = plain.rstrip(".")
    if own[:1].islower():
        plain = plain[:1].lower() + plain[1:]
    if not plain or len(plain) > 3 * len(own) + 40:
        return ""
    return spanish.replace(own, plain, 1)
