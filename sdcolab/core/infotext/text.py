"""The layout of infotexts: a prompt, a negative prompt and labelled fields, as text and back (hechos/a1111.md 7).

The layout has no escapes for prompts, so a reader loses blanks around their lines, takes a line that begins with
"Negative prompt:" for the beginning of the negative prompt, and a "Prompt:" before the first for a label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sdcolab.core.infotext.copied import (
    NEGATIVE_MARK,
    from_mochi,
    from_one_line,
    tidied,
    unescaped,
    unwrapped,
    without_headings,
)
from sdcolab.core.infotext.translated import WIDE_BLANKS, in_english
from sdcolab.core.infotext.unmarked import with_colons

MIN_FIELDS = 3
"""A line with fewer fields than this is taken for prompt."""

_HIDDEN = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Characters that nobody sees, which pages put where a line may break."""

_TO_QUOTE = re.compile(f"[,\n:{_HIDDEN}{WIDE_BLANKS}]")
_LABEL = rf"\w[\w \-/{WIDE_BLANKS}]{{1,99}}"
_FIELD = re.compile(rf'({_LABEL}):\s*("(?:\\.|[^\\"])+"|-?\d{{1,9}},\d{{1,9}}(?=,|\Z)|[^,]*)(?:,|\Z)')
_EXTRA_LINE = re.compile(rf"({_LABEL}): *(.*)")
_AFTER_VALUE = re.compile(r"\s*(?:,|\Z)")
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Infotext:
    """What a text says. ``fields`` are (label, value) in order, each label once, all values as text."""

    prompt: str = ""
    negative_prompt: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def get(self, label: str) -> str | None:
        """Value of the field called ``label`` (case does not matter), or None."""
        wanted = label.casefold()
        return next((value for name, value in self.fields if name.casefold() == wanted), None)


def render(infotext: Infotext) -> str:
    """The text itself. Characters that UTF-8 cannot hold (halves of surrogate pairs) become ``?``."""
    parts = [infotext.prompt]
    if infotext.negative_prompt:
        parts.append(f"{NEGATIVE_MARK} {infotext.negative_prompt}")
    parts.append(render_fields(infotext.fields))
    return "\n".join(parts).strip().encode("utf-8", "replace").decode("utf-8")


def render_fields(fields: Iterable[tuple[str, str]]) -> str:
    """Labelled values in one line: ``Steps: 20, Sampler: Euler``."""
    return ", ".join(f"{label}: {_quoted(value)}" for label, value in fields)


def parse_fields(line: str) -> tuple[tuple[str, str], ...]:
    """The labelled values of one line, each label once."""
    return _merged(_fields(line))


def _quoted(value: str) -> str:
    """JSON when the bare value would be read as something else (A1111: when it has a comma, newline or colon); so are
    characters that readers drop from bare ones."""
    bare = value and value == value.strip() and value[0] != '"' and not _TO_QUOTE.search(value)
    return value if bare else json.dumps(value, ensure_ascii=False)


def parse(text: str) -> Infotext:
    """Read any text; what has no parameter line is all prompt (hechos/a1111.md 7.4).

    The parameter line is the last one that begins with "Steps:", else the last line of all if one of its labels is one
    that only parameters have: ``(sky:1.2), (sun:1.3), (sea:1.1)`` is a prompt. A quoted value may hold line ends.
    Dynamic Prompts adds lines after it (``Template: ...``), which are fields too. Some sites copy it all in one line,
    or lose the layout in other ways (``copied``); people translate the labels (``translated``).
    """
    text = from_mochi(without_headings(text))
    one = from_one_line(text)
    if one is not text and (found := _with_parameters(one)):
        return found
    return _with_parameters(unescaped(unwrapped(text))) or _with_parameters(text) or Infotext(*_prompts(_lines(text)))


def _with_parameters(text: str) -> Infotext | None:
    """What a text says that holds parameters; None for another."""
    found = _laid_out(text) or _laid_out(tidied(text)) or _laid_out(tidied(in_english(text)))
    if found is None and (marked := with_colons(text)) != text:
        found = _laid_out(tidied(in_english(marked)))
    return found or _telling(in_english(text)) or _telling(text)


def _laid_out(text: str) -> Infotext | None:
    """What a text says that has a line of parameters; None for another."""
    lines = _lines(text)
    at = _steps_line(lines)
    if at is None:
        return _one_line(lines)
    return _read(lines, at)


def _telling(text: str) -> Infotext | None:
    """What a text says whose last line tells of parameters; None for another."""
    lines = _lines(text)
    at = _telling_line(lines)
    return None if at is None else _read(lines, at)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.lstrip("\ufeff").strip().split("\n")]


def _read(lines: list[str], at: int) -> Infotext:
    """What ``lines`` say whose parameters begin at number ``at``."""
    end = _end_of_quotes(lines, at)
    before = _steps_line(lines[:at])
    own = lines[:at] if before is None else lines[_end_of_quotes(lines, before) : at]  # the last of several texts
    after = lines[end:]
    if not any(own) and any(line and not _EXTRA_LINE.fullmatch(line) for line in after):
        own, after = after, []  # the parameters stand first
    fields = _merged([*_fields("\n".join(lines[at:end])), *_extra_lines(after)])
    prompt, negative_prompt = _prompts(_marked(own))
    labels = {label.casefold(): label for label, _ in fields}
    if not prompt and (label := labels.get("prompt")):  # one label a line, in any order
        prompt = dict(fields)[label]
        fields = tuple(pair for pair in fields if pair[0] != label)
    return Infotext(prompt=prompt, negative_prompt=negative_prompt, fields=fields)


def _steps_line(lines: list[str]) -> int | None:
    """Index of the last line that begins with "Steps:" and a number, and has enough fields."""
    steps = [index for index, line in enumerate(lines) if re.match(rf"Steps:[\s{WIDE_BLANKS}]*\d", line)]
    for index in reversed(steps):
        if len(_FIELD.findall(lines[index])) >= MIN_FIELDS:
            return index
    return None


def _telling_line(lines: list[str]) -> int | None:
    """Index of the last line, if it is one of parameters."""
    found = _FIELD.findall(lines[-1])
    telling = any(_tells(label, value) for label, value in found)
    enough = len(found) >= MIN_FIELDS or _FEW_FIELDS.fullmatch(lines[-1])
    return len(lines) - 1 if enough and telling else None


_FEW_FIELDS = re.compile(
    r"(?:(?:(?:(?:Sampling )?Steps|CFG scale|Seed|Denoising strength|Clip skip): *-?\d[\d.]{0,20}|"
    r"Size: *\d{2,5}x\d{2,5}|Version: *[^,:]{1,60})(?:, *|\Z)){1,9}",
    re.IGNORECASE,
)
"""A line of nothing but what no prompt says, as it is written for a program that told little."""


_NUMBERS = frozenset(("steps", "sampling steps", "cfg scale", "seed", "denoising strength", "clip skip"))
"""Labels that stand before a number in no prompt."""

_TELLING = frozenset(("sampler", "model hash", "schedule type", "model"))
"""Labels that stand in no prompt."""


def _tells(label: str, value: str) -> bool:
    name = _plain_blanks(label).strip().casefold()
    if name in _NUMBERS:
        return re.match(r"\s*-?\d", value) is not None
    return name in _TELLING or (name == "size" and re.fullmatch(r"\s*\d{2,5}\s*[xX]\s*\d{2,5}\s*", value) is not None)


_SAMPLING = " Sampling"
"""What some sites say before "Steps"."""


def _one_line(lines: list[str]) -> Infotext | None:
    """All of an infotext in its last line: ``a cat Negative prompt: bad Steps: 20, Sampler: ...``."""
    *before, last = lines
    at = last.rfind(" Steps: ")
    at -= len(_SAMPLING) if last[:at].endswith(_SAMPLING) else 0
    found = _FIELD.findall(last, at + 1) if at >= 0 else []
    if len(found) < MIN_FIELDS or not re.match(r"\s*\d", found[0][1]):
        return None
    if (first := _FIELD.match(last)) and _tells(first[1], first[2]):
        return None  # all of the line is parameters, and the steps are not the first of them
    prompt, mark, negative = last[:at].partition(NEGATIVE_MARK)
    texts = _prompts([*before, prompt.strip(), *([f"{mark} {negative.strip()}"] if mark else [])])
    return Infotext(*texts, _merged(_fields(last[at + 1 :])))


def _end_of_quotes(lines: list[str], at: int) -> int:
    """Index behind the parameter line that begins at ``at``: a quote that it opens may close some lines below, and one
    that a mail or a page has wrapped goes on after its comma."""
    opened = _quotes(lines[at]) % 2
    if not opened:
        end = at + 1
        while end < len(lines) and lines[end - 1].endswith(",") and _FIELD.match(lines[end]):
            end += 1
        return end
    return next((index + 1 for index in range(at + 1, len(lines)) if _quotes(lines[index]) % 2), at + 1)


def _quotes(line: str) -> int:
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', line))


def _plain_blanks(line: str) -> str:
    """``line`` with plain blanks and nothing that cannot be seen."""
    return re.sub(f"[{_HIDDEN}]", "", re.sub(f"[{WIDE_BLANKS}]", " ", line))


def _fields(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    while match := _FIELD.search(line, at):
        start = match.start(2)
        end = _end_of_json(line, start)
        yield _plain_blanks(match[1]).strip(), _unquoted(match[2].strip()) if end is None else line[start:end]
        at = match.end() if end is None else end


def _end_of_json(line: str, start: int) -> int | None:
    """Where the JSON list or object that begins at ``start`` ends, if there is one: civitai writes them unquoted."""
    if line[start : start + 1] not in ("[", "{"):
        return None
    try:
        _, end = _JSON.raw_decode(line, start)
    except (ValueError, RecursionError):
        return None
    return end if _AFTER_VALUE.match(line, end) else None


def _extra_lines(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _EXTRA_LINE.fullmatch(line)
        if match:
            yield match[1].strip(), match[2]


def _merged(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Each label once: the last value in the first place."""
    return tuple(dict(fields).items())


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return _plain_blanks(value).strip()
    try:
        return str(json.loads(value, strict=False))  # line ends as they are, too
    except ValueError:
        return value


_OTHER_MARK = re.compile(r"negative(?:[ _]prompt)?[ \t]*:", re.IGNORECASE)
_POSITIVE_MARK = re.compile(r"\A(?:Positive(?:[ _][Pp]rompt)?|P(?:rompt|ROMPT)):[ \t]*")


def _marked(lines: list[str]) -> list[str]:
    """``lines`` with A1111's mark where the negative prompt begins, if somebody wrote it in another way or in the same
    line, and without a word for the prompt itself."""
    if not any(line.startswith(NEGATIVE_MARK) for line in lines):
        at = next((index for index, line in enumerate(lines) if _OTHER_MARK.match(line)), None)
        inside = next((index for index, line in enumerate(lines) if f" {NEGATIVE_MARK} " in line), None)
        if at is not None:
            lines = [*lines[:at], _OTHER_MARK.sub(NEGATIVE_MARK, lines[at], count=1), *lines[at + 1 :]]
        elif inside is not None:
            prompt, _, negative = lines[inside].partition(f" {NEGATIVE_MARK} ")
            lines = [*lines[:inside], prompt, f"{NEGATIVE_MARK} {negative}", *lines[inside + 1 :]]
        else:
            return lines
    first = next((index for index, line in enumerate(lines) if line), 0)
    return [_POSITIVE_MARK.sub("", line, count=1) if index == first else line for index, line in enumerate(lines)]


def _prompts(lines: Iterable[str]) -> tuple[str, str]:
    positive: list[str] = []
    negative: list[str] = []
    current = positive
    for line in lines:
        if line.startswith(NEGATIVE_MARK):
            current = negative
            line = line[len(NEGATIVE_MARK) :].strip()
        if line or current:  # lines before the first text do not count
            current.append(line)
    return "\n".join(positive), "\n".join(negative)
