"""Names that scripts check before the first picture is made: models, samplers, styles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sdcolab.core.errors import AxisValueUnknown
from sdcolab.core.prompt import Style
from sdcolab.core.registry import closest

_FILE_ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")


class Names(Protocol):
    """What there is to choose from now."""

    def choices(self, listed: str) -> Sequence[str]:
        """The values of the live list called ``listed`` ("checkpoints", "vaes", "samplers", "loras", ...); empty when
        nobody knows it."""
        ...

    def styles(self) -> Mapping[str, Style]:
        """The saved styles by name."""
        ...


def resolved(value: str, axis: str, choices: Sequence[str], extra: Iterable[str] = ()) -> str:
    """``value`` as ``choices`` write it: case, an ending like ``.safetensors`` and a hash in brackets do not matter,
    and a part of a name that only one of them has is enough, as in A1111. ``extra`` are further values, such as "None".

    Raises ``AxisValueUnknown`` with close names.
    """
    known = {choice.casefold(): choice for choice in (*extra, *choices)}
    wanted = value.casefold()
    if wanted in known:
        return known[wanted]
    bare = _bare(value)
    by_stem = {_bare(choice): choice for choice in choices}
    if bare in by_stem:
        return by_stem[bare]
    containing = [choice for choice in choices if bare and bare in choice.casefold()]
    if len(containing) == 1:
        return containing[0]
    raise AxisValueUnknown(axis=axis, value=value, suggestions=closest(value, (*extra, *choices)))


def _bare(name: str) -> str:
    """A model's name without the hash that A1111 writes after it, its folder and its ending."""
    name = name.casefold().partition(" [")[0].replace("\\", "/").rpartition("/")[2]
    return next((name.removesuffix(ending) for ending in _FILE_ENDINGS if name.endswith(ending)), name)
