"""From a request to its infotext (hechos/a1111.md 7.2, 4.5 and 5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sdcolab.core.details import SWITCHES
from sdcolab.core.fields import Part, parts_of, value_at
from sdcolab.core.infotext.codecs import CODECS, EngineFacts, Writing
from sdcolab.core.infotext.labels import (
    CONDITION_WEIGHT,
    MODEL_HASH,
    VAE_HASH,
    is_numbered,
    label_order,
    labelled,
    ordinal,
)
from sdcolab.core.infotext.text import Infotext, render, render_fields
from sdcolab.core.prompt import strip_comments
from sdcolab.core.request import GenerationRequest


def describe(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> Infotext:
    """What is written into image ``index`` of a resolved request.

    Missing ``RNG`` means NVIDIA's noise, A1111's default, which our ``NV`` equals. The version carries the program's
    name ("sdcolab 0.1.0") so that A1111 does not take it for one of its own and apply its compatibility rules.

    Raises ``ValueError`` when the request is not resolved.
    """
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    if request.init is not None:
        request = replace(request, hires=None)
    kind: type = type(request)
    writing = Writing(request, facts, index)
    known = dict(_written(writing, request, "")) | {MODEL_HASH: facts.model_hash, VAE_HASH: facts.vae_hash}
    units: dict[str, str] = {}
    for path, part in parts_of(kind).items():
        value = value_at(request, path)
        if part.many:
            for place, unit in enumerate(value):
                if not getattr(unit, "enabled", True):
                    continue
                one = replace(writing, path=f"{path}.{place}")
                units |= _numbered(one, unit, part, place) if is_numbered(part) else _ordered(one, unit, path, place)
        elif value is not None:
            known |= _written(replace(writing, path=path), value, path)
    if facts.inpainting:
        known.setdefault(CONDITION_WEIGHT, "1")  # such checkpoints are told even where nothing is masked
    plain, parts, last = ({label: known.get(label, "") for label in labels} for labels in label_order(kind))
    extra = dict(facts.extra)
    fields = plain | units | parts | extra | last
    fields |= {label: value for label, value in extra.items() if value}
    fields["Version"] = f"sdcolab {facts.version}"
    prompts = strip_comments(request.prompt), strip_comments(request.negative_prompt)
    return Infotext(*prompts, tuple((label, value) for label, value in fields.items() if value))


def write(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> str:
    """The infotext of image ``index`` of a resolved request."""
    return render(describe(request, facts, index))


def units_described(request: GenerationRequest, path: str) -> str:
    """What an infotext says of one part that repeats and is in order ("details"), alone."""
    writing = Writing(request, EngineFacts("", ""))
    said: dict[str, str] = {}
    for place, unit in enumerate(value_at(request, path)):
        said |= _ordered(replace(writing, path=f"{path}.{place}"), unit, path, place)
    return render_fields(said.items())


def _written(writing: Writing, part: Any, path: str) -> Iterator[tuple[str, str]]:
    """Label and text of every recorded field of ``part``, whose table path is ``path``; "" where nothing is said."""
    kind: type = type(writing.request)
    for fields in labelled(kind, path):
        yield fields[0].label, CODECS[fields[0].codec].write(writing, part, fields)


def _numbered(writing: Writing, unit: Any, part: Part, place: int) -> dict[str, str]:
    """One of a part that repeats, all in one value: ``Module: canny, Weight: 1``."""
    written = [(label, text) for label, text in _written(writing, unit, part.path) if text]
    return {part.label.format(place): render_fields(written)}


def _ordered(writing: Writing, unit: Any, path: str, place: int) -> dict[str, str]:
    """One of a part that repeats, each field under its own label, with the switch before those that have one."""
    texts: dict[str, str] = {}
    kind: type = type(writing.request)
    for fields in labelled(kind, path):
        label, name = fields[0].label, fields[0].name
        if text := CODECS[fields[0].codec].write(writing, unit, fields):
            texts |= {SWITCHES[name][0] + ordinal(place): "True"} if name in SWITCHES else {}
            texts[label + ordinal(place)] = text
    return texts
