"""What is typed in the gallery's search box, as a condition of SQL.

Words are looked for in prompt, negative prompt, model and file name, from the beginning of a word and without minding
case or accents; words that follow one another must all be there. ``y`` / ``and``, ``o`` / ``or``, ``no`` / ``not`` /
``-``, parentheses and quotes work as everybody expects. ``campo:valor`` looks in one place, and numbers, sizes, stars
and dates compare: ``pasos>20``, ``tamaño:512x768``, ``fecha>=2026-03``, ``estrellas>=4``, ``favorita``.

Reading is total: what makes no sense as an operator is a word to look for (hechos/extensiones.md 2).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_QUERY = 1000
"""Characters of a search that are read."""

MAX_TERMS = 40
"""Terms of a search that are read."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over the table ``pictures``, with the values of its placeholders.

    One that only asks for words is kept as an expression of FTS5 in ``match`` (``without`` says that they must not be
    there), because the full-text index answers a whole expression much faster than SQL puts several answers together.
    """

    sql: str = "1"
    values: tuple[object, ...] = ()
    match: str = ""
    without: bool = False

    @classmethod
    def of_words(cls, match: str, *, without: bool = False) -> Condition:
        """What the full-text expression ``match`` finds, or what it does not find."""
        word = "NOT IN" if without else "IN"
        return cls(f"id {word} (SELECT rowid FROM words WHERE words MATCH ?)", (match,), match, without)

    def joined(self, word: str, other: Condition) -> Condition:
        """This one AND or OR the ``other``."""
        if self.match and other.match:
            if self.without == other.without:
                joint = word if not self.without else {"AND": "OR", "OR": "AND"}[word]
                return Condition.of_words(f"({self.match} {joint} {other.match})", without=self.without)
            if word == "AND":
                there, away = (other, self) if self.without else (self, other)
                return Condition.of_words(f"({there.match} NOT {away.match})")
        return Condition(f"({self.sql} {word} {other.sql})", (*self.values, *other.values))

    def negated(self) -> Condition:
        """The opposite."""
        if self.match:
            return Condition.of_words(self.match, without=not self.without)
        return Condition(f"(NOT coalesce({self.sql}, 0))", self.values)


TEXT_COLUMNS: Mapping[str, str] = {
    "prompt": "prompt",
    "negativo": "negative",
    "negative": "negative",
    "modelo": "model",
    "model": "model",
    "sampler": "sampler",
    "archivo": "name",
    "file": "name",
    "lora": "lora",
}
"""Where a word may be looked for alone, by what is typed before the colon."""

NUMBERS: Mapping[str, str] = {
    "pasos": "+steps",
    "steps": "+steps",
    "cfg": "+cfg",
    "ancho": "+width",
    "width": "+width",
    "alto": "+height",
    "height": "+height",
    "estrellas": "+stars",
    "stars": "+stars",
    "semilla": "seed",
    "seed": "seed",
}
"""Columns with numbers. "+" keeps SQLite from their indexes, which are for sorting: many pictures share a value, and
going along the dates, whose index holds all of these, finds them sooner."""

_DATES = frozenset({"fecha", "date"})
_SIZES = frozenset({"tamaño", "tamano", "size"})
_FAVOURITES = frozenset({"favorita", "favoritas", "favorite", "favorites"})
_AND, _OR, _NOT = frozenset({"y", "and"}), frozenset({"o", "or"}), frozenset({"no", "not"})

_TOKEN = re.compile(
    r"""(?P<open>\() | (?P<close>\)) | (?P<minus>-(?=[\w"(<]))
      | (?:(?P<field>[^\W\d]\w*)(?P<sign>>=|<=|[:=<>]))?(?:"(?P<quoted>[^"]*)"?|(?P<bare>[^\s()"]+))""",
    re.VERBOSE,
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?\Z")
_SIZE = re.compile(r"(\d+)[x×](\d+)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    field: str = ""
    sign: str = ""
    text: str = ""


def read_query(text: str) -> Condition:
    """The condition that ``text`` means; every picture for an empty one."""
    return _Reader(_tokens(text[:MAX_QUERY])).whole()


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        if match["open"] or match["close"] or match["minus"]:
            found.append(_Token(match[0]))
            continue
        word = match["quoted"] if match["quoted"] is not None else match["bare"]
        field = (match["field"] or "").casefold()
        if match["quoted"] is None and not field:
            kind = {**dict.fromkeys(_AND, "&"), **dict.fromkeys(_OR, "|"), **dict.fromkeys(_NOT, "-")}.get(
                word.casefold(), "term"
            )
            found.append(_Token(kind, text=word))
        else:
            found.append(_Token("term", field, match["sign"] or "", word))
    return found[: 4 * MAX_TERMS]


class _Reader:
    """Recursive descent: alternatives of sequences of factors."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._terms = 0

    def whole(self) -> Condition:
        found: Condition | None = None
        while self._at < len(self._tokens):  # a stray ")" ends nothing
            found = _and(found, self._alternatives())
            self._take(")")
        return found or Condition()

    def _alternatives(self) -> Condition | None:
        found = self._sequence()
        while self._take("|"):
            other = self._sequence()
            found = found.joined("OR", other) if found and other else found or other
        return found

    def _sequence(self) -> Condition | None:
        found: Condition | None = None
        while self._at < len(self._tokens) and self._tokens[self._at].kind not in ("|", ")"):
            if not self._take("&"):
                found = _and(found, self._factor())
        return found

    def _factor(self) -> Condition | None:
        odd = False
        while self._take("-"):
            odd = not odd
        inner = self._one()
        return inner.negated() if odd and inner else inner

    def _one(self) -> Condition | None:
        if self._take("("):
            inner = self._alternatives()
            self._take(")")
            return inner
        if self._at >= len(self._tokens) or self._tokens[self._at].kind != "term":
            return None
        token = self._tokens[self._at]
        self._at += 1
        self._terms += 1
        return term(token.field, token.sign, token.text) if self._terms <= MAX_TERMS else None

    def _take(self, kind: str) -> bool:
        here = self._at < len(self._tokens) and self._tokens[self._at].kind == kind
        self._at += here
        return here


def _and(one: Condition | None, other: Condition | None) -> Condition | None:
    return one.joined("AND", other) if one and other else one or other


def term(field: str, sign: str, text: str) -> Condition | None:
    """One thing to look for; None when there is nothing to look for in it."""
    if not field:
        return Condition("favourite") if text.casefold() in _FAVOURITES else _words("", text)
    if field in TEXT_COLUMNS:
        return _words(TEXT_COLUMNS[field], text)
    known = _number(field, sign, text) or _date(field, sign, text) or _size(field, text)
    return known or _words("", f"{field}{sign}{text}")


def _words(column: str, text: str) -> Condition | None:
    """The words of ``text`` one after the other, the last one perhaps unfinished, in a column or in all."""
    words = re.findall(r"\w+", text.replace('"', " "))
    if not words:
        return None
    phrase = f'"{" ".join(words)}" *'
    return Condition.of_words(f"({column} : {phrase})" if column else phrase)


def _number(field: str, sign: str, text: str) -> Condition | None:
    if field not in NUMBERS:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return Condition(f"{NUMBERS[field]} {'=' if sign == ':' else sign} ?", (value,))


def _size(field: str, text: str) -> Condition | None:
    match = _SIZE.match(text)
    if field not in _SIZES or not match:
        return None
    return Condition("(+width = ? AND +height = ?)", (int(match[1][:9]), int(match[2][:9])))


def _date(field: str, sign: str, text: str) -> Condition | None:
    """A year, a month or a day in local time, as a span: ``>`` begins after it, ``>=`` with it."""
    match = _DATE.match(text)
    if field not in _DATES or not match:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = datetime.datetime(year or 1, month or 1, day or 1)
        if day:
            after = first + datetime.timedelta(days=1)
        elif month:
            after = datetime.datetime(first.year + month // 12, month % 12 + 1, 1)
        else:
            after = datetime.datetime(first.year + 1, 1, 1)
        begin, end = first.timestamp(), after.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    spans = {">": ("made >= ?", (end,)), ">=": ("made >= ?", (begin,)), "<": ("made < ?", (begin,))}
    spans["<="] = ("made < ?", (end,))
    return Condition(*spans.get(sign, ("(made >= ? AND made < ?)", (begin, end))))
