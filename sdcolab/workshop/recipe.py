"""Merges of several steps, as a TOML file that people can pass around and that is kept in the result's metadata.

Every step is a table ``[[paso]]`` with the options of ``sdcolab mezclar`` under their own names; ``como`` names its
result, which later steps may use as a model. Only the last step is written, and nothing in between ever is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import RecipeUnreadable, SdcolabError
from sdcolab.core.fields import Field, table_of
from sdcolab.core.words import FIELD_WORDS, explain
from sdcolab.core.workshop import Merge

STEPS, RESULT = "paso", "como"
MAX_STEPS = 50
MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """A merge, and what later steps call its result ("" for the last one)."""

    merge: Merge
    result: str = ""


def read_recipe(text: str, path: Path = Path("receta.toml")) -> tuple[Step, ...]:
    """The steps of a recipe; ``path`` names it in complaints. Raises ``RecipeUnreadable``."""
    if len(text) > MAX_BYTES:
        raise RecipeUnreadable(path=path, detail="es demasiado larga")
    try:
        loaded = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeUnreadable(path=path, detail=str(error)) from error
    steps = loaded.get(STEPS)
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS or loaded.keys() != {STEPS}:
        raise RecipeUnreadable(path=path, detail=f"debe tener de 1 a {MAX_STEPS} pasos [[{STEPS}]] y nada más")
    found = tuple(_step(raw, number, path) for number, raw in enumerate(steps, 1))
    unnamed = next((number for number, step in enumerate(found[:-1], 1) if not step.result), None)
    if unnamed:
        raise RecipeUnreadable(path=path, detail=f"al paso {unnamed} le falta «{RESULT}», el nombre de su resultado")
    return found


def _step(raw: Any, number: int, path: Path) -> Step:
    if not isinstance(raw, dict):
        raise RecipeUnreadable(path=path, detail=f"el paso {number} no es una tabla")
    known = {FIELD_WORDS[place].option: field for place, field in table_of(Merge, "merge").items()}
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name == RESULT and isinstance(value, str):
            continue
        if name not in known:
            raise RecipeUnreadable(path=path, detail=f"el paso {number} tiene «{name}», que no existe")
        values[known[name].name] = _value(known[name], value, f"«{name}» del paso {number}", path)
    try:
        return Step(Merge(**values), str(raw.get(RESULT, "")))
    except SdcolabError as error:
        raise RecipeUnreadable(path=path, detail=f"paso {number}: {explain(error).text}") from error


def _value(field: Field, value: Any, where: str, path: Path) -> Any:
    """``value`` as the field holds it. Raises ``RecipeUnreadable``."""
    if field.is_choice:
        words: Mapping[str, Any] = {word.value.casefold(): word for word in field.kind}
        if isinstance(value, str) and value.casefold() in words:
            return words[value.casefold()]
        raise RecipeUnreadable(path=path, detail=f"{where} no es ninguna de: {', '.join(words)}")
    wanted = (int, float) if field.kind is float else field.kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and field.kind is not bool):
        raise RecipeUnreadable(path=path, detail=f"{where} tiene un valor de otro tipo")
    return value
