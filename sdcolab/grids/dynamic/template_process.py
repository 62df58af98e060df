"""The process that ``templates`` starts: a line of JSON in for each template, a line with its prompts out.

While a template is made, this side asks for the lists that it names, and the other one answers.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sdcolab.core.errors import TemplateBroken
from sdcolab.grids.dynamic import jinja
from sdcolab.grids.dynamic.grammar import parse
from sdcolab.grids.dynamic.nodes import Entry, Wildcards

MEMORY_BYTES = 1 << 30
"""Addresses that the process may use; it begins with a tenth of that."""

CPU_SECONDS = 10
"""Of each template, also when nobody is left to stop it."""


class _Asked(Wildcards):
    """The lists of the other side, each asked for once."""

    def __init__(self) -> None:
        self._lists: dict[str, Sequence[Entry]] = {}

    def entries(self, name: str) -> Sequence[Entry]:
        """See ``Wildcards``."""
        if name not in self._lists:
            found = _ask({"list": name})["entries"]
            self._lists[name] = [Entry(weight, parse(source)) for weight, source in found]
        return self._lists[name]

    def names(self) -> Sequence[str]:
        """See ``Wildcards``."""
        return [str(name) for name in _ask({"names": True})["names"]]


def _ask(question: Mapping[str, Any]) -> Mapping[str, Any]:
    _say(question)
    answer: Mapping[str, Any] = json.loads(sys.stdin.buffer.readline())
    return answer


def _say(said: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(said).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def _limit() -> None:
    """Where the system can: little memory, and ``CPU_SECONDS`` from now on."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, until)):
        with contextlib.suppress(ValueError, OSError):  # a system that has no such limit, or a lower one
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def main() -> None:
    """Make templates until the other side has no more."""
    wildcards = _Asked()
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        _limit()
        try:
            said: Mapping[str, Any] = {"prompts": jinja.prompts(asked["template"], asked["seed"], wildcards)}
        except TemplateBroken as error:
            said = {"broken": error.detail}
        _say(said)


if __name__ == "__main__":
    main()
