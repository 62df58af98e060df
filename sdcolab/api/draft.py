"""A payload on its way to become a request: what was given, what is known, and the values read so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sdcolab.api import fields
from sdcolab.api.fields import BadField, Reader
from sdcolab.api.payload import Kind, Row, known_fields, plain_rows, settings
from sdcolab.core import infotext
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import InfotextFieldUnused, RequestError, SdcolabError
from sdcolab.core.fields import parts_of, plain_path, value_at, with_values
from sdcolab.core.infotext import Pasted
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.samplers import SCHEDULES

_TOLD_WHEN_USED = (ModelKind.LORA.value,)
"""Kinds of files that are told as missing when the prompt is read."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a payload leaves open: ``defaults`` are the settings (only those of its fields that are settings in A1111
    count; their class is the kind of request that is made), and ``styles`` those that the user saved. ``warn`` hears
    what of the field ``infotext`` is done otherwise or not at all. ``with_files`` finds the files that it means.
    """

    defaults: GenerationRequest = field(default_factory=GenerationRequest)
    styles: tuple[Style, ...] = ()
    warn: Callable[[SdcolabError], None] = lambda _: None
    with_files: Callable[[Pasted], Pasted] = lambda pasted: pasted


class Values:
    """Values for fields of a request by dotted path ("hires.steps"), and how the payload calls each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def put(self, path: str, name: str, value: Any) -> None:
        self.values[path] = value
        self._names[path] = self._names[plain_path(path)] = name

    def read(self, path: str, name: str, raw: Any, reader: Reader) -> None:
        try:
            self.put(path, name, reader(path, raw))
        except RequestError as error:
            raise BadField(name, error) from error

    def drop(self, part: str) -> None:
        """Forget the values of a part that the request does not have."""
        self.values = {path: value for path, value in self.values.items() if not path.startswith(f"{part}.")}

    def applied_to(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` with these values. Raises ``BadField`` for those that it does not accept."""
        try:
            return with_values(request, self.values)
        except RequestError as error:
            path = str(getattr(error, "field", ""))
            raise BadField(self._names.get(path, path), error) from error


class Draft:
    """``start`` is the request over which ``values`` will be put; ``given`` are the payload's fields that say
    something, ``all`` those and A1111's defaults."""

    def __init__(self, payload: Mapping[str, Any], kind: Kind, context: Context) -> None:
        self.kind = kind
        self.context = context
        self.given = {name: value for name, value in payload.items() if value is not None}
        self.type: type = type(context.defaults)
        self.parts = parts_of(self.type)
        self.known = known_fields(kind, self.type)
        self.defaults = {name: value for name, value in self.known.items() if value is not None}
        self.all = self.defaults | self.given
        self.values = Values()
        self.start = self._starting_point()

    def plain(self) -> tuple[Row, ...]:
        """The fields that are read as they stand; the sampler and its schedule need each other."""
        return tuple(row for row in plain_rows(self.type) if row.path not in ("sampler", "schedule"))

    def take(self, name: str, reader: Reader, otherwise: Any) -> Any:
        """A field that is no field of a request. Raises ``BadField``."""
        if name not in self.given:
            return otherwise
        try:
            return reader(name, self.given[name])
        except RequestError as error:
            raise BadField(name, error) from error

    def read_rows(self, known: Iterable[Row], source: Mapping[str, Any]) -> None:
        """Read those of ``known`` that ``source`` has. Raises ``BadField``."""
        for row in known:
            if row.name in source:
                self.values.read(row.path, row.name, source[row.name], row.read)

    def _starting_point(self) -> GenerationRequest:
        """A1111's defaults over our settings, and the field ``infotext`` over both."""
        ours = self.context.defaults
        values = Values()
        for setting in settings(self.type).values():
            if setting.kept:
                values.put(setting.path, setting.key, value_at(ours, setting.path))
        values.put("sampler", "sampler_index", self.defaults["sampler_index"])
        for row in self.plain():
            if row.name in self.defaults and row.path not in values.values:
                values.read(row.path, row.name, self.defaults[row.name], row.read)
        start: GenerationRequest = values.applied_to(self.type())
        text = self.take("infotext", fields.text, "")
        if not text.strip():
            return start
        said = [row.path for row in self.plain() if row.name in self.given]
        # No checkpoint: as A1111's setting disable_weights_auto_swap, which is on by default.
        pasted = infotext.to_request(infotext.parse(text), SCHEDULES, self.type).without("checkpoint", *said)
        pasted = self.context.with_files(pasted)
        missing = (one for one in pasted.missing if one.kind not in _TOLD_WHEN_USED)
        for warning in (*pasted.warnings, *missing, *(InfotextFieldUnused(*unused) for unused in pasted.unused)):
            self.context.warn(warning)
        return replace(start, **pasted.changes)
