"""The text of a prompt with random parts, read into nodes (hechos/extensiones.md 0 and 6).

Total on any text and linear in its length: one pass over tokens with a stack of what is open. What does not close, or
is no part of the grammar, is text.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from sdcolab.grids.dynamic.nodes import (
    MAX_DEPTH,
    Chain,
    Entry,
    GetVariable,
    Node,
    PlainPrompt,
    PlainVariants,
    Sampler,
    SetVariable,
    Text,
    Variants,
    Wildcard,
    Wrap,
)

MAX_TEXT = 1_000_000
"""Characters of a template; what is beyond stays text."""

_STOP = re.compile(r"[\\{}|$%#<_](?:(?<=\{)(?![~@!])([^\\{}$%#<]*+)\})?")
"""Where something other than text may begin; group 1 is the inside of variants that are nearly sure to be plain."""

_NOT_PLAIN = re.compile(r"__|::|/[/*]")
"""What keeps variants that look plain from being it: wildcards, weights, comments."""

_RICH = ("\\", "$", "%", "#", "<", "__", "::", "//", "/*", "{~", "{@", "{!")
"""What is not in a template of text and plain variants. Looking for each is faster than a pattern of all."""

_PLAIN_BRACES = re.compile(r"\{([^{}]*+)\}")

_TAG = re.compile(r"<\w{1,20}:[^<>{}|$\n#]{1,200}#[^<>{}|\n]{0,200}>")
"""A name, of a LoRA say, with a comment sign in it."""

_REMEMBERED_LENGTH = 20_000
"""Characters of a template that is read once and kept."""

_PAIRS = frozenset(("\\{", "\\}", "__", "${", "$$", "%{"))

_NAME = r"(?:(?!__)[^\n{}|$\#<>()]|\$?\{[^{}\n]{1,100}\}){1,200}?"
_WILDCARD = re.compile(rf"__(?P<sign>[~@!]?)(?P<name>{_NAME})__")
_WILDCARD_CALL = re.compile(rf"__(?P<sign>[~@!]?)(?P<name>{_NAME})\((?P<arguments>[^\n()]{{0,2000}})\)__")
_VARIABLE = re.compile(r"\$\{\s*(?P<name>[\w-]{1,100})\s*(?P<sign>=!|\?=!?|=|:|(?=\}))\s*")
_COUNT = re.compile(r"\s*(?:(?P<exact>\d{1,9})|(?P<low>\d{0,9})\s*-\s*(?P<high>\d{0,9}))\s*")
_WEIGHT = re.compile(r"\s*(?P<weight>\d{1,9}\.|\d{0,9}(?:\.\d{1,9})?)::(?!:)")
_ASIDE = re.compile(r"\s*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)")
_JOINER = re.compile(r"[^${}\n]{1,200}\$\$")
"""What stands after a count where a joiner comes, which may have a bar in it."""

_MOST_PARTS = 16
"""Pieces of text that a joiner may be read as: a bar is one of its own."""

_ARGUMENT = re.compile(r"\s*(?P<name>[\w-]{1,100})\s*=\s*")


class _Kind(Enum):
    VARIANTS = auto()
    VARIABLE = auto()
    WRAP = auto()


@dataclass(slots=True)
class _Frame:
    """Something that is open: where it began, what is in it so far."""

    kind: _Kind
    start: int
    opening: str
    body: int = 0
    sampler: Sampler = Sampler.DEFAULT
    name: str = ""
    sign: str = ""
    count: tuple[int, int | None] | None = None
    joiner: str | None = None
    done: list[list[Node]] = field(default_factory=list)
    now: list[Node] = field(default_factory=list)
    plain_braces: int = 0
    fresh: bool = True
    """Nothing but blanks came since a part began: comments may stand here."""

    split_at: list[str] = field(default_factory=list)
    """What divides ``done``, for putting it back together."""


def parse(template: str) -> Node:
    """``template`` as nodes. Never raises."""
    return _remembered(template) if len(template) <= _REMEMBERED_LENGTH else _parsed(template)


def _parsed(template: str) -> Node:
    if len(template) <= MAX_TEXT:
        return _plain_prompt(template) or _Parser(template).node()
    return Chain(template, (_Parser(template[:MAX_TEXT]).node(), Text(template[MAX_TEXT:])))


_remembered = functools.lru_cache(maxsize=512)(_parsed)


def _plain_prompt(template: str) -> PlainPrompt | None:
    """The usual template, read at once; None for what has more than text and plain variants in it, or none of them."""
    if "{" not in template or any(sign in template for sign in _RICH):
        return None
    parts = _PLAIN_BRACES.split(template)
    if len(parts) == 1 or any("{" in text for text in parts[::2]):  # not closed, or in each other
        return None
    return PlainPrompt(template, tuple(parts))


class _Parser:
    """One pass over a template."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last_aside = max(text.rfind("*/"), text.rfind("//"))
        self._stack: list[_Frame] = [_Frame(_Kind.VARIANTS, 0, "")]

    def node(self) -> Node:
        """What the template is."""
        text, plain, at = self._text, 0, 0
        while stop := _STOP.search(text, at):
            at = stop.start()
            if self._stack[-1].fresh and plain <= self._last_aside:
                after = self._after_asides(plain, len(text))
                if after > at:  # what is in a comment is no token
                    plain = at = after
                    continue
            if (inside := stop[1]) is not None and self._is_plain(inside):
                if plain < at:
                    self._plain(plain, at)
                self._add(PlainVariants(stop[0]))
                plain = at = stop.end()
                continue
            kind = _kind_at(text, at)
            if kind is None:
                at += 1
                continue
            self._plain(plain, at)
            plain = at = self._take(kind, at)
        self._plain(plain, len(text))
        return _sequence(text, self._stack[0].now if len(self._stack) == 1 else list(self._unclosed()))

    def _is_plain(self, inside: str) -> bool:
        return not _NOT_PLAIN.search(inside) and len(self._stack) <= MAX_DEPTH

    def _unclosed(self) -> Iterator[Node]:
        """Everything, with what is still open as text."""
        for frame in self._stack:
            if frame.opening:
                yield Text(frame.opening)
            yield from _contents(frame)

    def _take(self, kind: str, at: int) -> int:
        """Take in what begins at ``at``; where the next one may begin."""
        end = at + len(kind)
        match kind:
            case "{":
                return self._open(_Frame(_Kind.VARIANTS, at, "{"), end)
            case "}":
                self._close(end)
            case "|":
                self._bar(self._stack[-1])
            case "__":
                return self._wildcard(at)
            case "${":
                return self._variable(at)
            case "$$":
                self._dollars(self._stack[-1], at)
            case "%{":
                return self._open(_Frame(_Kind.WRAP, at, "%{"), end)
            case "#":
                return self._comment(at)
            case "<":
                return self._tag(at)
            case _:
                self._add_text(kind[1])
        return end

    def _comment(self, at: int) -> int:
        """A comment to the end of its line leaves a blank, and nothing at the very end."""
        end = self._text.find("\n", at)
        self._add_text("" if end < 0 else " ")
        return len(self._text) if end < 0 else end

    def _tag(self, at: int) -> int:
        tag = _TAG.match(self._text, at)
        written = tag.group() if tag else "<"
        self._add_text(written)
        return at + len(written)

    # --- Text -------------------------------------------------------------------------------------------------------

    def _plain(self, start: int, end: int) -> None:
        """Text between tokens; comments and, in options, blanks at the beginning of a part are left out."""
        top = self._stack[-1]
        if top.fresh and start < end:
            if start <= self._last_aside:
                start = self._after_asides(start, end)
            if top.opening and not top.now:
                start = _after_blanks(self._text, start, end)
        if start < end:
            top.now.append(Text(self._text[start:end]))
            top.fresh = False

    def _after_asides(self, start: int, end: int) -> int:
        while start <= self._last_aside and (aside := _ASIDE.match(self._text, start, end)):
            start = aside.end()
        return start

    def _add_text(self, text: str) -> None:
        top = self._stack[-1]
        if text:
            top.now.append(Text(text))
            top.fresh = False

    def _add(self, node: Node) -> None:
        top = self._stack[-1]
        top.now.append(node)
        top.fresh = True

    # --- Braces -----------------------------------------------------------------------------------------------------

    def _open(self, frame: _Frame, at: int) -> int:
        if len(self._stack) > MAX_DEPTH:
            self._stack[-1].plain_braces += 1
            self._add_text(frame.opening)
            return at
        if frame.kind is _Kind.VARIANTS and at < len(self._text) and self._text[at] in "~@!":
            frame.sampler = Sampler(self._text[at])
            frame.opening += self._text[at]
            at += 1
        frame.body = at
        self._stack.append(frame)
        return at

    def _close(self, end: int) -> None:
        top = self._stack[-1]
        if len(self._stack) == 1 or top.plain_braces:
            top.plain_braces -= bool(top.plain_braces)
            self._add_text("}")
            return
        self._stack.pop()
        self._add(_finished(top, self._text[top.start : end]))

    def _bar(self, top: _Frame) -> None:
        if (
            len(self._stack) == 1
            or top.kind is _Kind.VARIABLE
            or top.plain_braces
            or (top.kind is _Kind.WRAP and top.done)
            or (top.count and top.joiner is None and not top.done and _JOINER.match(self._text, top.body))
        ):
            self._add_text("|")
        else:
            _divide(top, "|")

    def _dollars(self, top: _Frame, at: int) -> None:
        if top.kind is _Kind.WRAP and not top.done:
            _divide(top, "$$")
        elif top.kind is _Kind.VARIANTS and top.opening and not top.done and self._counts(top, at):
            top.opening, top.body = self._text[top.start : at + 2], at + 2
            top.now, top.fresh = [], True
        else:
            self._add_text("$$")

    def _counts(self, top: _Frame, at: int) -> bool:
        """Whether ``$$`` ends a count or, after one, a joiner; it is taken in then."""
        if top.joiner is not None or len(top.now) > _MOST_PARTS or any(type(part) is not Text for part in top.now):
            return False
        written = self._text[top.body : at]
        if top.count is not None:
            top.joiner = written
            return True
        count = _COUNT.fullmatch(written)
        if count is None or not (count["exact"] or count["low"] or count["high"]):
            return False
        top.count = _counted(count)
        return True

    # --- Names ------------------------------------------------------------------------------------------------------

    def _wildcard(self, at: int) -> int:
        found = _WILDCARD.match(self._text, at) or _WILDCARD_CALL.match(self._text, at)
        if found is None:
            self._add_text("__")
            return at + 2
        groups = found.groupdict()
        name = groups["name"]
        arguments = tuple(_arguments(groups.get("arguments") or ""))
        node = Wildcard(
            found.group(),
            parse(name) if "{" in name else Text(name),
            arguments,
            Sampler(groups["sign"]),
            quiet=self._text.rfind("<", max(0, at - 200), at) > self._text.rfind(">", max(0, at - 200), at),
        )
        self._add(node)
        return found.end()

    def _variable(self, at: int) -> int:
        found = _VARIABLE.match(self._text, at)
        if found is None or len(self._stack) > MAX_DEPTH:
            self._add_text("${}" if self._text.startswith("${}", at) else "$")
            return at + 3 if self._text.startswith("${}", at) else at + 1
        frame = _Frame(_Kind.VARIABLE, at, found.group(), name=found["name"], sign=found["sign"])
        self._stack.append(frame)
        return found.end()


def _finished(frame: _Frame, source: str) -> Node:
    """What a frame is, now that it is closed; ``source`` is its text."""
    match frame.kind:
        case _Kind.VARIANTS:
            return _variants(frame, source)
        case _Kind.WRAP if frame.done:
            return Wrap(source, _sequence("", frame.done[0]), _sequence("", frame.now))
        case _Kind.WRAP:
            return Chain(source, (Text("%"), _variants(frame, source[1:])))
        case _Kind.VARIABLE:
            return _variable(frame, source)


def _kind_at(text: str, at: int) -> str | None:
    """What begins at a stop: its sign, or None for text."""
    sign = text[at]
    if sign in "{}|#":
        return sign
    if sign == "<":
        return sign if _TAG.match(text, at) else None
    two = text[at : at + 2]
    return two if two in _PAIRS else None


def _after_blanks(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


# --- Putting together -----------------------------------------------------------------------------------------------


def _divide(frame: _Frame, by: str) -> None:
    frame.done.append(frame.now)
    frame.split_at.append(by)
    frame.now, frame.fresh = [], True


def _contents(frame: _Frame) -> Iterator[Node]:
    """What a frame holds, with what divided it as text."""
    for nodes, by in zip(frame.done, frame.split_at, strict=True):
        yield from nodes
        yield Text(by)
    yield from frame.now


def _sequence(source: str, nodes: list[Node]) -> Node:
    """``nodes`` as one, neighbouring texts joined."""
    plain = [type(node) is Text for node in nodes]
    parts = nodes if (True, True) not in itertools.pairwise(plain) else _with_joined_texts(nodes)
    if not parts:
        return Text("")
    if len(parts) == 1:
        return parts[0]
    return Chain(source or "".join(part.source for part in parts), tuple(parts))


def _with_joined_texts(nodes: list[Node]) -> list[Node]:
    parts: list[Node] = []
    for is_plain, run in itertools.groupby(nodes, lambda node: type(node) is Text):
        found = list(run)
        parts += [Text("".join([text.source for text in found]))] if is_plain else found
    return parts


def _variants(frame: _Frame, source: str) -> Node:
    low, high = frame.count or (1, 1)
    options = tuple(_option(nodes) for nodes in (*frame.done, frame.now))
    joiner = "," if frame.joiner is None else frame.joiner
    return Variants(source, options, low, high, joiner, frame.sampler)


def _option(nodes: list[Node]) -> Entry:
    """An option with its weight."""
    if nodes and type(nodes[0]) is Text:
        written = nodes[0].source
        weight = _WEIGHT.match(written) if "::" in written else None
        if weight and weight["weight"]:
            return Entry(float(weight["weight"]), _sequence("", [Text(written[weight.end() :]), *nodes[1:]]))
    return Entry(1.0, _sequence("", nodes))


def _counted(count: re.Match[str]) -> tuple[int, int | None]:
    """``2``, ``1-3``, ``-3`` (from one) or ``2-`` (to all)."""
    if count["exact"]:
        return int(count["exact"]), int(count["exact"])
    return int(count["low"] or 1), int(count["high"]) if count["high"] else None


def _variable(frame: _Frame, source: str) -> Node:
    value = _sequence("", list(_contents(frame)))
    match frame.sign:
        case "":
            return GetVariable(source, frame.name)
        case ":":
            return GetVariable(source, frame.name, value)
        case sign:
            return SetVariable(source, frame.name, value, at_once="!" in sign, unless_set="?" in sign)


def _arguments(text: str) -> Iterator[tuple[str, Node]]:
    """``a=b, c={d|e}``: names and values; commas inside of braces do not count."""
    depth, start = 0, 0
    for at, character in enumerate(f"{text},"):
        depth += (character == "{") - (character == "}")
        if character == "," and depth <= 0:
            found = _ARGUMENT.match(text, start, at)
            if found:
                yield found["name"], parse(text[found.end() : at].rstrip())
            start = at + 1


def weighted(value: str) -> Entry:
    """A value of a wildcard list: a prompt, with a weight (``3::a``) or without."""
    weight = _WEIGHT.match(value)
    if weight and weight["weight"]:
        return Entry(float(weight["weight"]), parse(value[weight.end() :]))
    return Entry(1.0, parse(value))
