"""The form of the last generation: a new session opens as the last one ended, on the page and in the panel."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sdcolab.core.codec import from_json, request_from_json, to_json
from sdcolab.core.errors import CannotRead, SdcolabError
from sdcolab.core.kept import change_kept, peek_kept, read_kept, read_or_aside
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tasks import Task

FILE_NAME = "ultimo_formulario.json"

MOST_PROMPTS = 50
"""Prompts of generations before that are remembered."""


@dataclass(frozen=True, slots=True)
class FilledForm:
    """What the form says, the names of the styles chosen beside it, which are not in its prompts, both prompts of the
    last generations, the newest first, and the settings of its script with their code as ``codec.to_json`` writes
    them, empty without one."""

    request: GenerationRequest
    styles: tuple[str, ...] = ()
    prompts: tuple[tuple[str, str], ...] = ()
    script: Mapping[str, Any] = field(default_factory=dict)


TOOLS_NAME = "ultimas_herramientas.json"
"""Of the tools that remember it, what each was last asked for."""

T = TypeVar("T")


class LastForm:
    """A file in ``folder``, beside the settings, so that it travels to Drive with them. Only a convenience: when it
    cannot be read or written there is just no last form.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._tools = folder / TOOLS_NAME

    def load(self) -> FilledForm | None:
        """The last form; None when there is none or it cannot be read.

        Raises ``SettingsUnreadable`` when it or what tools were asked for is damaged: that is set aside, so that the
        next call goes on without.
        """
        try:
            read_kept(self._tools, dict)
            return read_kept(self.path, _from_json)
        except CannotRead:
            return None

    def peek(self) -> FilledForm | None:
        """The same, None when it is damaged: ``load`` will tell."""
        return peek_kept(self.path, _from_json)

    def save(self, request: GenerationRequest, styles: Sequence[str] = (), script: object = None) -> None:
        """Remember this form, without its pictures; ``script``: the settings of its script."""
        now = (request.prompt, request.negative_prompt)

        def saved(before: FilledForm | None) -> FilledForm:
            prompts = (now, *(both for both in (before.prompts if before else ()) if both != now))
            recent = tuple(both for both in prompts if both[0].strip())[:MOST_PROMPTS]
            return FilledForm(without_pictures(request), tuple(styles), recent, to_json(script) or {})

        with contextlib.suppress(SdcolabError):
            change_kept(self.path, lambda: read_or_aside(self.path, _from_json), saved, to_json)

    def keep_task(self, task: Task) -> None:
        """Remember ``task`` as the last of its kind."""
        with contextlib.suppress(SdcolabError):
            change_kept(
                self._tools,
                lambda: read_or_aside(self._tools, dict) or {},
                lambda known: {**known, task.code: to_json(task)},
            )

    def last_task(self, kind: type[T]) -> T | None:
        """The last task of ``kind`` that was remembered."""
        code = str(getattr(kind, "code", ""))
        return peek_kept(self._tools, lambda raw: from_json(kind, raw[code]))


def without_pictures(request: GenerationRequest) -> GenerationRequest:
    """``request`` as a form remembers it: without its pictures, which may be large and are not settings. A unit of
    ControlNet is turned off with its own, and keeps the rest."""
    units = (replace(unit, enabled=False, images=(), drawing=None, mask=None, region=None) for unit in request.control)
    return replace(request, init=None, control=tuple(units))


def _from_json(raw: Any) -> FilledForm:
    prompts = tuple((str(prompt), str(negative)) for prompt, negative in raw.get("prompts", ()))
    styles = tuple(str(name) for name in raw["styles"])
    return FilledForm(request_from_json(raw["request"]), styles, prompts, dict(raw.get("script") or {}))
