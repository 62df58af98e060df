"""The root of the tree, and what every area shares."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False)
class SdcolabError(Exception):
    """Root of the tree. Subclasses with a ``code`` of their own can be raised; the others only group them."""

    code: ClassVar[str] = ""

    def facts(self) -> dict[str, object]:
        """The values its sentence may mention, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def supersedes(self, told: SdcolabError) -> bool:
        """Whether, as a warning, it says all that ``told`` said before, which needs to be shown no more."""
        del told
        return False

    def __str__(self) -> str:
        known = ", ".join(f"{name}={value!r}" for name, value in self.facts().items())
        return f"{self.code}: {known}" if known else self.code


class Cancelled(SdcolabError):
    """The user stopped the job. Not a failure: edges report it calmly."""

    code: ClassVar[str] = "cancelled"


@dataclass(eq=False)
class Unexpected(SdcolabError):
    """A bug. Edges wrap what they did not foresee in this so that the user still reads a sentence; the traceback is
    logged. ``kind`` is the exception's class name."""

    code: ClassVar[str] = "unexpected"
    kind: str
    detail: str


def leaf_errors() -> tuple[type[SdcolabError], ...]:
    """Every error class that has a code of its own, in order of definition. For the catalogue's exhaustiveness test."""

    def walk(cls: type[SdcolabError]) -> list[type[SdcolabError]]:
        own = [cls] if cls.__dict__.get("code") else []
        return own + [leaf for child in cls.__subclasses__() for leaf in walk(child)]

    return tuple(walk(SdcolabError))
