"""Jinja2 templates in place of the grammar (hechos/extensiones.md 6), in Jinja2's sandbox with bounds of our own.

The bounds here are for saying what is wrong with a template; those that no template gets around are a process's
(``templates``), so call this only there.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sdcolab.core.errors import TemplateBroken
from sdcolab.core.words import grids as words
from sdcolab.grids.dynamic import drawing
from sdcolab.grids.dynamic.nodes import MAX_LENGTH, Wildcards

MAX_SECONDS = 2.0
"""A template that takes longer is stopped."""

MAX_TURNS = 20_000
MAX_PROMPTS = 10_000
MAX_ALL = 10_000_000
"""Characters of all prompts of a template."""


class _Bounded(ImmutableSandboxedEnvironment):
    """The sandbox, in which texts and numbers cannot be multiplied without end."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An operator of the template. Raises ``SecurityError`` for what would be huge."""
        if operator == "**" and (abs(left) > 1000 or abs(right) > 100):
            raise SecurityError(words.HUGE_NUMBER)
        if operator == "*" and any(isinstance(side, str | list | tuple) for side in (left, right)):
            length, times = (left, right) if isinstance(right, int) else (right, left)
            if not isinstance(times, int) or len(length) * times > MAX_LENGTH:
                raise SecurityError(words.LONG_TEXT)
        if operator == "%" and isinstance(left, str):
            raise SecurityError(words.NO_FORMAT)
        made = super().call_binop(context, operator, left, right)
        if isinstance(made, str | list | tuple) and len(made) > MAX_LENGTH:
            raise SecurityError(words.LONG_TEXT)
        return made


class _Prompts(Extension):
    """``{% prompt %}...{% endprompt %}``: each is a prompt of its own."""

    tags = {"prompt"}  # noqa: RUF012 - as Jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        """The tag as a call of ``_prompt``."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endprompt",), drop_needle=True)
        called = nodes.Call(nodes.Name("_prompt", "load"), [], [], None, None)
        return nodes.CallBlock(called, [], [], body).set_lineno(line)


class _Run:
    """What one run of a template may use and has made."""

    def __init__(self, seed: int, wildcards: Wildcards, clock: Callable[[], float]) -> None:
        self._rng = random.Random(seed)
        self._seed = seed
        self._wildcards = wildcards
        self._clock = clock
        self._until = clock() + MAX_SECONDS
        self._turns = 0
        self._length = 0
        self.prompts: list[str] = []

    def tools(self) -> dict[str, Any]:
        """The functions of a template."""
        return {
            "choice": self.choice,
            "weighted_choice": self.weighted_choice,
            "random": self._rng.random,
            "randint": self._rng.randint,
            "permutations": self.permutations,
            "wildcard": self.wildcard,
            "random_sample": self.random_sample,
            "all_combinations": self.all_combinations,
            "range": self.range,
            "_prompt": self.prompt,
        }

    def tick(self) -> None:
        """Count a turn of a loop. Raises ``SecurityError`` when it is too many or too late."""
        self._turns += 1
        if self._turns > MAX_TURNS or self._clock() > self._until:
            raise SecurityError(words.SLOW_TEMPLATE)

    def range(self, *bounds: int) -> Iterator[int]:
        """Python's, counted."""
        for number in range(*bounds):
            self.tick()
            yield number

    def choice(self, *options: Any) -> Any:
        """One of several, or of one list."""
        found = list(options[0]) if len(options) == 1 and not isinstance(options[0], str) else list(options)
        return self._rng.choice(found) if found else ""

    def weighted_choice(self, *options: Sequence[Any]) -> Any:
        """One of several (value, weight)."""
        values, weights = [option[0] for option in options], [float(option[1]) for option in options]
        return self._rng.choices(values, weights)[0] if values and sum(weights) > 0 else ""

    def permutations(self, items: Sequence[Any], low: int = 1, high: int | None = None) -> list[list[Any]]:
        """Every order of ``low`` to ``high`` of the items."""
        sizes = range(low, (len(items) if high is None else high) + 1)
        found = itertools.chain.from_iterable(itertools.permutations(items, size) for size in sizes)
        return [list(one) for one in itertools.islice(found, MAX_PROMPTS)]

    def wildcard(self, name: str) -> list[str]:
        """The values of a list."""
        return [entry.node.source for entry in self._wildcards.entries(name.strip("_"))]

    def random_sample(self, text: str) -> str:
        """A prompt of the grammar, drawn."""
        return drawing.draw(text, self._rng.getrandbits(32), self._wildcards).text

    def all_combinations(self, text: str) -> list[str]:
        """Every prompt of the grammar."""
        return [one.text for one in itertools.islice(drawing.every(text, self._wildcards), MAX_PROMPTS)]

    def prompt(self, caller: Callable[[], str]) -> str:
        """What stands between ``{% prompt %}`` and its end."""
        self.tick()
        if len(self.prompts) < MAX_PROMPTS:
            self.prompts.append(str(caller()).strip()[:MAX_LENGTH])
            self._length += len(self.prompts[-1])
            if self._length > MAX_ALL:
                raise SecurityError("prompts demasiado largos")
        return ""


def prompts(
    template: str, seed: int, wildcards: Wildcards = drawing.NO_WILDCARDS, clock: Callable[[], float] = time.monotonic
) -> tuple[str, ...]:
    """The prompts that ``template`` makes with ``seed``: those of its ``{% prompt %}`` blocks, or else all its text.

    Raises ``TemplateBroken`` when it cannot be read, does something that it may not, or takes too long.
    """
    run = _Run(seed, wildcards, clock)
    environment = _Bounded(extensions=[_Prompts], trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(run.tools())
    text: list[str] = []
    length = 0
    try:
        for piece in environment.from_string(template).generate():
            run.tick()
            length += len(piece)
            if length > MAX_LENGTH:
                raise SecurityError(words.LONG_TEXT)
            text.append(piece)
    except TemplateError as error:
        raise TemplateBroken(detail=error.message or type(error).__name__) from error
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
        raise TemplateBroken(detail=str(error) or type(error).__name__) from error
    return tuple(run.prompts) or ("".join(text).strip(),)
