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
