"""From an error to its sentence and advice."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.errors import (
    ForeignFile,
    ForeignLeftOut,
    ForeignReplaced,
    InfotextFileForeign,
    ModelUnreadable,
    SdcolabError,
    StorageError,
)
from sdcolab.core.words import (
    at_home,
    borrowed,
    control,
    details,
    downloads,
    fleet,
    gallery,
    gates,
    grids,
    guide,
    host,
    launching,
    machine,
    models,
    request,
    storage,
    training,
    web,
    workshop,
)
from sdcolab.core.words.base import Count, Explanation, Sentence, counted, human_bytes, human_time
from sdcolab.core.words.fields import label_of
from sdcolab.core.words.grids import SCRIPT_NAMES
from sdcolab.core.words.labels import (
    KIND_LABELS,
    KIND_WITH_ARTICLE,
    SYSTEM_REASONS,
    UNKNOWN_FAMILY,
    UNREACHABLE_REASONS,
    UNREADABLE_REASONS,
    UNREADABLE_REMEDIES,
    VALUE_KINDS,
)

_AREAS = (
    borrowed,
    control,
    details,
    downloads,
    fleet,
    gallery,
    gates,
    grids,
    guide,
    host,
    launching,
    machine,
    models,
    request,
    storage,
    training,
    web,
    workshop,
)

CATALOGUE: Mapping[str, Sentence] = {
    "cancelled": Sentence("Se interrumpió el trabajo.", "Lo que ya estaba terminado queda guardado."),
    "unexpected": Sentence(
        "Ocurrió un error inesperado ({kind}).",
        "Vuelve a intentarlo; si se repite, guarda el informe y pide ayuda con él. Detalle: {detail}.",
    ),
    **{code: sentence for area in _AREAS for code, sentence in area.SENTENCES.items()},
}
"""Every code of ``core.errors`` with its sentence."""


_UNUSABLE = (ModelUnreadable, ForeignFile, ForeignLeftOut, ForeignReplaced, InfotextFileForeign)
"""Errors of files, whose reason says what to do with them."""

COLAB_VARIABLE = "COLAB_RELEASE_TAG"
"""Set by every Colab machine (hechos/lanzadores.md 5c)."""


def explain(
    error: SdcolabError, elsewhere: Mapping[str, str] = MappingProxyType({}), in_colab: bool | None = None
) -> Explanation:
    """The sentence and the advice for ``error``, in Spanish. ``elsewhere`` has by code the advice of readers who have
    no page in front of them (``core.words.console``, ``core.words.client``); ``in_colab`` says whose words the others
    read (None: this machine's)."""
    sentence = CATALOGUE[error.code]
    advice = elsewhere.get(error.code) or advice_of(
        error.code, COLAB_VARIABLE in os.environ if in_colab is None else in_colab
    )
    if isinstance(error, _UNUSABLE):
        advice = UNREADABLE_REMEDIES.get(error.reason, advice)
    shown = {name: _show(name, value) for name, value in error.facts().items()}
    if isinstance(error, StorageError):  # where on the disk matters here, not only the file's name
        shown |= {name: str(value) for name, value in error.facts().items() if isinstance(value, Path)}
    return Explanation(text=sentence.text.format_map(shown).strip(), advice=advice.format_map(shown).strip())


def advice_of(code: str, in_colab: bool) -> str:
    """The advice of an error by its code, as a template, for who has the page or the panel in front."""
    return CATALOGUE[code].advice if in_colab else at_home.ADVICE.get(code, CATALOGUE[code].advice)


def _show_suggestions(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return f"¿Querías decir {_listed(names, 'o')}? "


def _listed(names: tuple[str, ...], joined: str) -> str:
    *others, last = (f"«{name}»" for name in names)
    return f"{', '.join(others)} {joined} {last}" if others else last


def _numbers(units: tuple[int, ...]) -> str:
    *others, last = map(str, units)
    return f"{', '.join(others)} y {last}" if others else last


def _show_kind(kind: str) -> str:
    return KIND_LABELS.get(kind, kind)


_SHOW_FACT: Mapping[str, Callable[[object], str]] = {
    "detail": lambda value: str(value).strip().rstrip(".") or "ninguno",
    "why": lambda why: launching.REASONS.get(str(why), str(why)),
    "field": lambda value: label_of(str(value)),
    "script": lambda value: SCRIPT_NAMES.get(str(value), str(value)),
    "extension": lambda value: guide.EXTENSIONS.get(str(value), str(value)),
    "kind": lambda value: _show_kind(str(value)),
    "expected": lambda value: {**KIND_WITH_ARTICLE, **VALUE_KINDS}.get(str(value), str(value)),
    "found": lambda value: KIND_WITH_ARTICLE.get(str(value), str(value)),
    "reason": lambda value: (UNREADABLE_REASONS | UNREACHABLE_REASONS | SYSTEM_REASONS).get(str(value), str(value)),
    "position": lambda value: str(int(str(value)) + 1),  # people count from 1
    "needed": lambda value: human_bytes(float(str(value))) if value else "más",
    "family": lambda value: UNKNOWN_FAMILY if value == ModelFamily.UNKNOWN else str(value),
    "sort": lambda value: control.CONTROL_KIND_LABELS.get(str(value), str(value)),
    "free": lambda value: human_bytes(float(str(value))),
    "size": lambda value: human_bytes(float(str(value))),
    "pending": lambda value: counted(int(str(value)), "archivo", "archivos"),
    "received": lambda value: human_bytes(float(str(value))),
    "total": lambda value: "un total desconocido" if value is None else human_bytes(float(str(value))),
    "seconds": lambda value: "un rato" if value is None else human_time(float(str(value))),
    "digest": lambda value: f" ({value if ':' in str(value) else f'hash {value}'})" if value else "",
    "saving": lambda value: training.SAVINGS.get(str(value), str(value)),
    "until": lambda value: f"hasta el {value:%d/%m/%Y}" if isinstance(value, datetime.datetime) else "todavía",
}


def _show(name: str, value: object) -> str | Count:
    """One fact as a sentence shows it; whole numbers, with the noun that its template gives them."""
    if name == "suggestions" and isinstance(value, tuple):
        return _show_suggestions(value)
    if name == "units" and isinstance(value, tuple):
        return _numbers(value)
    if isinstance(value, tuple):
        return _listed(value, "y") if value else ""
    if name in _SHOW_FACT:
        return _SHOW_FACT[name](value)
    if isinstance(value, Path):
        return str(Path(*value.parts[-2:])) if name == "folder" else value.name or str(value)
    if isinstance(value, datetime.datetime):
        return f"{value:%d/%m/%Y %H:%M}"
    if isinstance(value, float):
        return f"{value:g}"
    return Count(value) if type(value) is int else str(value)
