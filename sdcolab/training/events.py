"""What a training tells while it runs: typed events, as JSON lines between its process and ours. No torch."""

from __future__ import annotations

import base64
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sdcolab.core.errors import SdcolabError, Unexpected, leaf_errors


@dataclass(frozen=True, slots=True)
class StageBegan:
    """The training entered a stage: "dataset", "model", "latents", "text", "training", "saving"; ``done`` of
    ``total``.
    """

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class TrainingBegan:
    """Everything is ready: what is going to be trained. ``first`` is the step to go on from (0: from the beginning)."""

    steps: int
    epochs: int
    per_epoch: int
    pictures: int
    parameters: int
    device: str
    precision: str
    first: int = 0


@dataclass(frozen=True, slots=True)
class StepTrained:
    """An optimiser step is done: its ``loss``, the ``average`` of the last epoch's worth, the UNet's ``rate``, and the
    ``seconds`` that a step takes.
    """

    step: int
    total: int
    epoch: int
    loss: float
    average: float
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LearntBefore:
    """What a training that goes on had learnt when it was cut off: the loss and the UNet's rate of every step so far,
    of ``total``."""

    losses: tuple[float, ...]
    rates: tuple[float, ...]
    total: int


@dataclass(frozen=True, slots=True)
class LoraSaved:
    """A LoRA file of ``epoch`` was written; ``last``: the finished one."""

    path: Path
    epoch: int
    step: int
    last: bool = False


@dataclass(frozen=True, slots=True)
class StateSaved:
    """The training can go on from ``folder``."""

    folder: Path
    step: int


@dataclass(frozen=True, slots=True)
class SampleMade:
    """A picture of the LoRA as it is at ``epoch``, with its infotext inside."""

    path: Path
    epoch: int
    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The training waits (``waiting``) or goes on."""

    waiting: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the user should know and that did not stop the training."""

    warning: SdcolabError


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """The training is over: ``error`` None when it went well, ``Cancelled`` when somebody stopped it."""

    error: SdcolabError | None = None


TrainingEvent = (
    StageBegan
    | TrainingBegan
    | LearntBefore
    | StepTrained
    | LoraSaved
    | StateSaved
    | SampleMade
    | Paused
    | Told
    | TrainingEnded
)
Hear = Callable[[TrainingEvent], None]

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in typing.get_args(TrainingEvent)}


def to_line(event: TrainingEvent) -> str:
    """An event as one line of JSON."""
    values = {field.name: _encoded(getattr(event, field.name)) for field in fields(event)}
    return json.dumps({"event": type(event).__name__, **values}, ensure_ascii=False)


def from_line(line: str) -> TrainingEvent | None:
    """The event that a line tells, or None where it is none of ours."""
    try:
        raw = json.loads(line)
        kind = _KINDS[raw.pop("event")]
        hints = typing.get_type_hints(kind)
        event: TrainingEvent = kind(**{name: _decoded(hints[name], value) for name, value in raw.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return event


def _encoded(value: object) -> Any:
    if isinstance(value, SdcolabError):
        return {"code": value.code, **{name: _encoded(fact) for name, fact in value.facts().items()}}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def _decoded(kind: Any, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    if isinstance(value, dict) and "code" in value:
        return _error(value)
    return tuple(value) if isinstance(value, list) else value


def _error(raw: dict[str, Any]) -> SdcolabError:
    """The error that a child told; one that we do not know is told as it is."""
    code = raw.pop("code")
    kind = next((leaf for leaf in leaf_errors() if leaf.code == code), None)
    if kind is None:
        return Unexpected(kind=str(code), detail=str(raw))
    hints = typing.get_type_hints(kind)
    return kind(**{name: _fact(hints.get(name), value) for name, value in raw.items()})


def _fact(kind: Any, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
