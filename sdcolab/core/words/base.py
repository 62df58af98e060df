"""What a sentence and a field's words are, and how numbers read in Spanish."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """Templates: what happened and why, and what to do now."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A ``Sentence`` with its facts filled in, ready to show."""

    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text} {self.advice}".strip()


def counted(count: int, one: str, many: str) -> str:
    """``count`` things: "1 imagen", "2 imágenes". A ``#`` in either stands for the number where it is not the first."""
    text = one if count == 1 else many
    return text.replace("#", str(count)) if "#" in one + many else f"{count} {text}"


class Count(int):
    """A number that templates can write with its noun: ``{count:imagen|imágenes}``, ``{count:falta #|faltan #}``."""

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition("|")
        return counted(self, one, many) if bar else super().__format__(spec)


class Template(str):
    """A ``str.format`` template whose whole numbers are ``Count``."""

    def format(self, *args: object, **facts: object) -> str:
        """As ``str.format``."""
        return super().format(*map(_counting, args), **{name: _counting(value) for name, value in facts.items()})


def _counting(value: object) -> object:
    return Count(value) if type(value) is int else value


@dataclass(frozen=True, slots=True)
class Words:
    """What a field is called: its ``label``, a short ``help`` for whoever meets it, the title of the ``group`` it is
    shown in, and the ``option`` of the command that sets it, without dashes ("": made of the label)."""

    label: str
    help: str = ""
    group: str = ""
    option: str = ""


def human_bytes(count: float) -> str:
    """A number of bytes as people in Spanish read it: "870 MB", "2,1 GB" (powers of 1000, decimal comma)."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB".replace(".", ",")


def human_time(seconds: float) -> str:
    """A duration for a progress bar: "45 s", "3 min 20 s", "1 h 05 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
