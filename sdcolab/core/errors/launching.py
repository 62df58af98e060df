"""What can go wrong with the options that the program is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class LaunchError(SdcolabError):
    """The program cannot be started with these options."""


@dataclass(eq=False)
class LaunchOptionRefused(LaunchError):
    """An option of A1111 that would not do here what was meant; ``why`` is a word of ``core.launching.Why``."""

    code: ClassVar[str] = "launch.option_refused"
    option: str
    why: str


@dataclass(eq=False)
class LaunchOptionValueMissing(LaunchError):
    """An option of A1111 without the value that it needs."""

    code: ClassVar[str] = "launch.value_missing"
    option: str


@dataclass(eq=False)
class LaunchOptionsUnreadable(LaunchError):
    """A line of options has a quote that does not end."""

    code: ClassVar[str] = "launch.unreadable"
    text: str
