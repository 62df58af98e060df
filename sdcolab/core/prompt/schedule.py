"""Prompt editing ``[from:to:when]`` and alternation ``[a|b]``: one prompt that changes over the steps.

A text becomes a schedule of plain texts (hechos/a1111.md 1.5). The language is ambiguity-tolerant: brackets that do not
form one of its constructs are text. Two things cannot be read at all and leave the whole prompt as it is: a ``|``
outside an alternation and a backslash with nothing to escape.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Schedule = tuple[tuple[int, str], ...]
"""``(end_step, text)`` in increasing ``end_step``; see ``active_index`` for which one a denoiser call uses."""

_TOKEN = re.compile(
    r"""
      (?P<text> (?: [^\\\[\]():|] | \\. )+ )
    | (?P<open> [\[(] )
    | (?P<close> [\])] )
    | (?P<separator> [:|] )
    | (?P<bad> \\ )
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_CLOSES = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class _Edit:
    """``[before:after:when]``."""

    before: tuple[_Node, ...]
    after: tuple[_Node, ...]
    when: str


@dataclass(frozen=True, slots=True)
class _Alternation:
    """``[option|option|...]``."""

    options: tuple[tuple[_Node, ...], ...]


_Node = str | _Edit | _Alternation


@dataclass(frozen=True, slots=True)
class _Timeline:
    """How ``when`` numbers of one pass become steps. ``steps`` counts denoiser calls; see ``edit_schedule``."""

    steps: int
    base_calls: int | None
    old: bool

    def step(self, when: str) -> int:
        """The last step with the text before the switch, at most ``steps``; below 1 there is none."""
        number = float(when)
        if self.old:
            number = number * self.steps if number < 1 else number
        elif self.base_calls is None:
            number = number * self.steps if "." in when else number
        else:
            number = (number - 1.0) * self.steps if "." in when else number - self.base_calls
        return int(min(max(number, 0), self.steps))


def expected_calls(steps: int, *, second_order: bool) -> int:
    """Denoiser calls that prompt schedules expect of a pass: twice the steps for second-order samplers."""
    return steps * 2 if second_order else steps


def edit_schedule(
    text: str, steps: int, *, second_order: bool = False, base_calls: int | None = None, old_timeline: bool = False
) -> Schedule:
    """The schedule of ``text`` over a pass of ``steps`` >= 1 sampling steps; at least one entry.

    ``second_order`` doubles the step count. In the hires pass ``base_calls`` is the base pass's ``expected_calls``:
    fractions then run from 1.0 to 2.0 and absolute steps count on from the base pass. ``old_timeline`` is A1111's "Old
    prompt editing timelines": below 1 a fraction, from 1 on a step, and both passes go by the base pass's length.
    """
    calls = expected_calls(steps, second_order=second_order)
    if old_timeline:
        timeline = _Timeline(calls if base_calls is None else base_calls, None, old=True)
    else:
        timeline = _Timeline(calls, base_calls, old=False)
    nodes = _parse(text)
    return tuple((step, _text_at(nodes, step, timeline)) for step in _switch_steps(nodes, timeline))


def active_index(schedule: Sequence[tuple[int, object]], call: int) -> int:
    """Index of the entry that denoiser call number ``call`` (from 0) uses: the first one with ``call <= end_step``.

    So the first entry lasts ``end_step + 1`` calls. A1111's adaptive samplers can make more calls than expected; past
    the last entry it goes back to the first.
    """
    index = bisect_left(schedule, call, key=lambda entry: entry[0])
    return index if index < len(schedule) else 0


def _switch_steps(nodes: Sequence[_Node], timeline: _Timeline) -> list[int]:
    ends = {timeline.steps}
    for node in _walk(nodes):
        if isinstance(node, _Edit):
            ends.add(timeline.step(node.when))
        elif isinstance(node, _Alternation):
            ends.update(range(1, timeline.steps + 1))
    return sorted(end for end in ends if end >= 1)


def _walk(nodes: Iterable[_Node]) -> Iterator[_Node]:
    """Every node, nested ones too. Own stack: nesting must not be limited by Python's."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _Edit):
            pending += node.before + node.after
        elif isinstance(node, _Alternation):
            pending += [child for option in node.options for child in option]


def _text_at(nodes: Sequence[_Node], step: int, timeline: _Timeline) -> str:
    """The plain text at ``step`` >= 1."""
    texts: list[str] = []
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, _Edit):
            pending += reversed(node.before if step <= timeline.step(node.when) else node.after)
        else:
            pending += reversed(node.options[(step - 1) % len(node.options)])
    return "".join(texts)


# --- Parsing ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Frame:
    """An open bracket: where it and its own ``:`` and ``|`` stand in the list of nodes."""

    opener: str
    start: int
    separators: list[int] = field(default_factory=list)


def _parse(text: str) -> tuple[_Node, ...]:
    """Read ``text`` in one pass, keeping the open brackets on a stack.

    A construct holds only balanced constructs. So when a bracket closes badly, those around it can mean nothing either
    and all open ones are text, while the constructs already closed inside them stay.
    """
    nodes: list[_Node] = []
    stack: list[_Frame] = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if kind == "bad":
            return (text,)
        if kind == "open":
            stack.append(_Frame(token, len(nodes)))
        elif kind == "separator" and stack:
            stack[-1].separators.append(len(nodes))
        elif kind == "close":
            frame = stack.pop() if stack and stack[-1].opener == _CLOSES[token] else None
            construct = _construct(frame, nodes) if frame else None
            if frame and construct:
                nodes[frame.start :] = [construct]
                continue
            if not frame or not _is_text(frame, nodes):
                stack.clear()
        nodes.append(token)
    return (text,) if "|" in nodes else tuple(nodes)


def _is_text(frame: _Frame, nodes: list[_Node]) -> bool:
    """Whether a closed bracket is balanced text: ``[...]`` without separators, ``(...)`` with one colon at most."""
    separators = [nodes[index] for index in frame.separators]
    return not separators or (frame.opener == "(" and separators == [":"])


def _construct(frame: _Frame, nodes: list[_Node]) -> _Node | None:
    """The edit or alternation that a closed bracket is, or None."""
    separators = {nodes[index] for index in frame.separators}
    if frame.opener != "[" or len(separators) != 1:
        return None
    parts = [tuple(nodes[before + 1 : end]) for before, end in pairwise((frame.start, *frame.separators, len(nodes)))]
    return _Alternation(tuple(parts)) if separators == {"|"} else _edit(parts)


def _edit(parts: list[tuple[_Node, ...]]) -> _Edit | None:
    *texts, when = parts
    number = _NUMBER.fullmatch(when[0]) if len(when) == 1 and isinstance(when[0], str) else None
    if number is None or len(texts) > 2:
        return None
    return _Edit(before=texts[0] if len(texts) == 2 else (), after=texts[-1], when=number[1])
