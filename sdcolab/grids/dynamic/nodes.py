"""What a prompt with random parts is made of, and how each part becomes text."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from sdcolab.core.errors import PromptTooDeep, SdcolabError, VariableMissing, WildcardMissing
from sdcolab.core.registry import closest

M = TypeVar("M")

MAX_STEPS = 20_000
"""Parts that one prompt may be made of before what is left stays as it is written."""

MAX_LENGTH = 100_000
"""Characters of one prompt."""

MAX_SAME_WILDCARD = 8
"""How often a wildcard may stand inside of itself."""

MAX_DEPTH = 60
"""How deep parts may lie in each other."""


class Sampler(Enum):
    """How one of several is chosen; the values are the signs in a prompt."""

    DEFAULT = ""
    RANDOM = "~"
    CYCLIC = "@"
    COMBINATORIAL = "!"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a wildcard, itself a prompt, and its weight."""

    weight: float
    node: Node


class Wildcards:
    """Where the values of wildcards come from. This one has none."""

    def entries(self, name: str) -> Sequence[Entry]:  # noqa: ARG002 - it has none
        """The values of every list that ``name`` (or a pattern) means, in order; empty when there is none."""
        return ()

    def names(self) -> Sequence[str]:
        """The names of all lists."""
        return ()


@dataclass(slots=True)
class State:
    """One prompt in the making. ``index`` counts the prompts that are made with it, for cyclic parts."""

    rng: random.Random
    wildcards: Wildcards
    index: int = 0
    steps: int = 0
    depth: int = 0
    open_wildcards: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, SdcolabError] = field(default_factory=dict)

    def warn(self, key: str, warning: SdcolabError) -> None:
        """Remember a warning, once."""
        self.warnings.setdefault(key, warning)

    def spent(self) -> bool:
        """Count a step; whether there were too many."""
        self.steps += 1
        if self.steps <= MAX_STEPS and self.depth <= MAX_DEPTH:
            return False
        self.warn("deep", PromptTooDeep())
        return True


Variables = Mapping[str, "Node"]
Made = tuple[str, Variables]
"""A text and the variables that are set after it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part. ``source`` is how it is written, which stands where it cannot be made."""

    source: str

    def draw(self, state: State, variables: dict[str, Node]) -> str:  # noqa: ARG002 - text needs neither
        """One text, drawn; ``variables`` are changed by what it sets."""
        return self.source

    def every(self, state: State, variables: Variables) -> Iterator[Made]:  # noqa: ARG002
        """Every text that it can be, lazily."""
        yield self.source, variables


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Plain text."""


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """Parts one after another."""

    parts: tuple[Node, ...]

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        return "".join([part.source if type(part) is Text else part.draw(state, variables) for part in self.parts])

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``; the last part changes first."""
        for texts, after in _products(self.parts, state, variables):
            yield "".join(texts), after


@dataclass(frozen=True, slots=True)
class Variants(Node):
    """``low`` to ``high`` of the options, joined by ``joiner``. ``high`` None is as many as there are."""

    options: tuple[Entry, ...]
    low: int = 1
    high: int | None = 1
    joiner: str = ","
    sampler: Sampler = Sampler.DEFAULT

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        if state.spent():
            return self.source
        options = self._options(state)
        state.depth += 1
        if self.sampler is Sampler.CYCLIC:
            chosen: Sequence[Entry] = _nth(_choices(options, self._counts(len(options))), state.index)
        elif self.low == self.high == 1:
            chosen = (_weighted(options, state.rng),) if options else ()
        else:
            chosen = self._sample(options, state.rng)
        text = self._joined([entry.node.draw(state, variables) for entry in chosen])
        state.depth -= 1
        return text

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``. Cyclic and random parts give one text for each that the others make."""
        if state.spent():
            yield self.source, variables
            return
        if self.sampler in (Sampler.CYCLIC, Sampler.RANDOM):
            drawn = dict(variables)
            yield self.draw(state, drawn), drawn
            return
        options, seen, alike = self._options(state), set[str](), None
        for chosen in _choices(options, self._counts(len(options))):
            for texts, after in _deeper(_products([entry.node for entry in chosen], state, variables), state):
                text = self._joined(texts)
                if len(set(texts)) < len(texts):  # options that say the same are one
                    alike = alike or (text, after)
                elif text not in seen:
                    seen.add(text)
                    yield text, after
        if alike and not seen:
            yield alike

    def _joined(self, texts: Sequence[str]) -> str:
        """``texts`` with the joiner between them; an empty one at either end leaves no joiner behind."""
        text = self.joiner.join(texts)
        return text.removeprefix(self.joiner).removesuffix(self.joiner) if len(texts) > 1 else text

    def _options(self, state: State) -> Sequence[Entry]:
        """The options; those of the list itself where the only one is a wildcard and several are wanted."""
        if len(self.options) == 1 and (self.low, self.high) != (1, 1):
            only = self.options[0].node
            if isinstance(only, Chain) and len(only.parts) == 1:
                only = only.parts[0]
            if isinstance(only, Wildcard):
                return only.entries(state, {}) or self.options
        return self.options

    def _counts(self, available: int) -> range:
        high = available if self.high is None else min(self.high, available)
        low = min(self.low, available)
        return range(min(low, high), max(low, high) + 1)

    def _sample(self, options: Sequence[Entry], rng: random.Random) -> Sequence[Entry]:
        """Some of ``options`` in the order in which they were drawn, the heavier ones sooner (Efraimidis and Spirakis
        2006: the largest of u^(1/w))."""
        count = rng.choice(self._counts(len(options)))
        if all(entry.weight == 1 for entry in options):
            return rng.sample(options, count)
        keys = [rng.random() ** (1 / entry.weight) if entry.weight > 0 else -rng.random() for entry in options]
        best = sorted(range(len(options)), key=keys.__getitem__, reverse=True)
        return [options[index] for index in best[:count]]


@dataclass(frozen=True, slots=True)
class PlainVariants(Node):
    """``{a|b|c}`` with nothing but text inside: the usual case, told apart because reading it costs a tenth."""

    def draw(self, state: State, variables: dict[str, Node]) -> str:  # noqa: ARG002 - text needs none
        """See ``Node``."""
        if state.spent():
            return self.source
        options = self.source[1:-1].split("|")
        return options[int(state.rng.random() * len(options))].lstrip()

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        if state.spent():
            yield self.source, variables
            return
        for text in dict.fromkeys(option.lstrip() for option in self.source[1:-1].split("|")):
            yield text, variables


@dataclass(frozen=True, slots=True)
class PlainPrompt(Node):
    """A prompt of text and plain variants, which most are: ``parts`` are in turn text and what stands in braces."""

    parts: tuple[str, ...]

    def draw(self, state: State, variables: dict[str, Node]) -> str:  # noqa: ARG002 - text needs none
        """See ``Node``."""
        made, drawn = list(self.parts), state.rng.random
        for at in range(1, len(made), 2):
            if state.spent():
                made[at] = f"{{{made[at]}}}"
                continue
            options = made[at].split("|")
            made[at] = options[int(drawn() * len(options))].lstrip()
        return "".join(made)

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        nodes = (PlainVariants(f"{{{part}}}") if at % 2 else Text(part) for at, part in enumerate(self.parts))
        return Chain(self.source, tuple(nodes)).every(state, variables)


@dataclass(frozen=True, slots=True)
class Wildcard(Node):
    """A value of the lists that ``name`` means. ``arguments`` are set for it alone; ``quiet``: a missing list is no
    surprise, as inside of the name of a LoRA."""

    name: Node
    arguments: tuple[tuple[str, Node], ...] = ()
    sampler: Sampler = Sampler.DEFAULT
    quiet: bool = False

    def entries(self, state: State, variables: Mapping[str, Node], *, first: bool = False) -> Sequence[Entry]:
        """The values. Warns when there are none. A name with variants is drawn, or the ``first`` that it can be."""
        if type(self.name) is Text:
            name = self.name.source
        elif first:
            name = next(self.name.every(state, variables))[0]
        else:
            name = self.name.draw(state, dict(variables))
        found = state.wildcards.entries(name)
        if not found and not self.quiet:
            near = closest(name, state.wildcards.names())
            state.warn(f"wildcard {name}", WildcardMissing(name=name, suggestions=near))
        return found

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        found = [] if state.spent() else self.entries(state, variables)
        if not found or not self._enter(state):
            return self.source
        entry = found[state.index % len(found)] if self.sampler is Sampler.CYCLIC else _weighted(found, state.rng)
        inner = {**variables, **dict(self.arguments)} if self.arguments else variables
        text = entry.node.draw(state, inner)
        self._leave(state)
        return text

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        if self.sampler in (Sampler.CYCLIC, Sampler.RANDOM):
            yield self.draw(state, dict(variables)), variables
            return
        found = [] if state.spent() else self.entries(state, variables, first=True)
        if not found:
            yield self.source, variables
            return
        inner = {**variables, **dict(self.arguments)}
        for entry in found:
            made = entry.node.every(state, inner)
            while self._enter(state):
                one = next(made, None)
                self._leave(state)
                if one is None:
                    break
                yield one[0], variables if self.arguments else one[1]
            else:
                yield self.source, variables
                return

    def _enter(self, state: State) -> bool:
        times = state.open_wildcards.get(self.source, 0)
        if times >= MAX_SAME_WILDCARD:
            state.warn("deep", PromptTooDeep())
            return False
        state.open_wildcards[self.source] = times + 1
        state.depth += 1
        return True

    def _leave(self, state: State) -> None:
        state.open_wildcards[self.source] -= 1
        state.depth -= 1


@dataclass(frozen=True, slots=True)
class SetVariable(Node):
    """``${name=value}``: nothing is written. ``at_once``: the value is drawn here; ``unless_set``: only if there is
    none yet."""

    name: str
    value: Node
    at_once: bool = False
    unless_set: bool = False

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        if not (self.unless_set and self.name in variables):
            variables[self.name] = Text(self.value.draw(state, variables)) if self.at_once else self.value
        return ""

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        if self.unless_set and self.name in variables:
            yield "", variables
        elif self.at_once:
            for text, after in self.value.every(state, variables):
                yield "", {**after, self.name: Text(text)}
        else:
            yield "", {**variables, self.name: self.value}


@dataclass(frozen=True, slots=True)
class GetVariable(Node):
    """``${name}`` or ``${name:default}``."""

    name: str
    default: Node | None = None

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        value = self._value(state, variables)
        if value is None or state.spent():
            return self.source
        state.depth += 1
        text = value.draw(state, variables)
        state.depth -= 1
        return text

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        value = self._value(state, variables)
        if value is None or state.spent():
            yield self.source, variables
            return
        for text, _ in _deeper(value.every(state, variables), state):
            yield text, variables

    def _value(self, state: State, variables: Variables) -> Node | None:
        value = variables.get(self.name, self.default)
        if value is None:
            state.warn(f"variable {self.name}", VariableMissing(name=self.name))
        return value


@dataclass(frozen=True, slots=True)
class Wrap(Node):
    """``%{template with ... $$ prompt}``: the prompt in place of the first three dots, or after it."""

    template: Node
    inner: Node

    def draw(self, state: State, variables: dict[str, Node]) -> str:
        """See ``Node``."""
        if state.spent():
            return self.source
        template = self.template.draw(state, variables)
        return _wrapped(template, self.inner.draw(state, variables))

    def every(self, state: State, variables: Variables) -> Iterator[Made]:
        """See ``Node``."""
        for template, after in self.template.every(state, variables):
            for text, last in self.inner.every(state, after):
                yield _wrapped(template, text), last


def _wrapped(template: str, inner: str) -> str:
    return template.replace("...", inner, 1)[:MAX_LENGTH] if "..." in template else template + inner


def _weighted(entries: Sequence[Entry], rng: random.Random) -> Entry:
    """One of ``entries`` by weight; all alike where no weight counts."""
    total = 0.0
    for entry in entries:
        total += entry.weight
    if total <= 0:
        return entries[int(rng.random() * len(entries))]
    at = rng.random() * total
    for entry in entries:
        at -= entry.weight
        if at < 0:
            return entry
    return next(entry for entry in reversed(entries) if entry.weight > 0)


def _choices(options: Sequence[Entry], counts: range) -> Iterator[tuple[Entry, ...]]:
    return itertools.chain.from_iterable(itertools.permutations(options, count) for count in counts)


def _nth(choices: Iterator[tuple[Entry, ...]], number: int) -> tuple[Entry, ...]:
    """Number ``number`` of ``choices``, beginning again after the last one."""
    seen: list[tuple[Entry, ...]] = []
    for choice in choices:
        seen.append(choice)
        if len(seen) > number or len(seen) >= MAX_STEPS:
            return choice
    return seen[number % len(seen)] if seen else ()


def _products(nodes: Sequence[Node], state: State, variables: Variables) -> Iterator[tuple[list[str], Variables]]:
    """Every text of each of ``nodes``, all with all, the last one changing first."""
    if not nodes:
        yield [], variables
        return
    texts = [""] * len(nodes)
    running = [nodes[0].every(state, variables)]
    while running:
        one = next(running[-1], None)
        if one is None:
            running.pop()
            continue
        texts[len(running) - 1] = one[0]
        if len(running) == len(nodes):
            yield texts, one[1]
        else:
            running.append(nodes[len(running)].every(state, one[1]))


def _deeper(made: Iterator[M], state: State) -> Iterator[M]:
    """``made``, one level deeper while it works."""
    while True:
        state.depth += 1
        one = next(made, None)
        state.depth -= 1
        if one is None:
            return
        yield one
