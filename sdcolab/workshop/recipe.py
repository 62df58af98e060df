"""Merges of several steps, as a TOML file that people can pass around and that is kept in the result's metadata.

Every step is a table ``[[paso]]`` with the options of ``sdcolab mezclar`` under their own names; ``como`` names its
result, which later steps may use as a model. Only the last step is written, and nothing in between ever is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import RecipeAbsent, RecipeUnreadable, SdcolabError
from sdcolab.core.fields import Field, table_of
from sdcolab.core.tensors import read_header
from sdcolab.core.toml_faults import TomlFault, read_toml_text
from sdcolab.core.words import FIELD_WORDS, explain
from sdcolab.core.words import recipe as words
from sdcolab.core.workshop import Merge

STEPS, RESULT = "paso", "como"
OUR_RECIPE = "sdcolab_recipe"
"""Metadata in which the recipe of a model is kept, as it was written."""

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
        raise RecipeUnreadable(path=path, detail=words.TOO_LONG)
    try:
        loaded = read_toml_text(text)
    except TomlFault as error:
        raise RecipeUnreadable(path=path, detail=str(error)) from error
    steps = loaded.get(STEPS)
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS or loaded.keys() != {STEPS}:
        raise RecipeUnreadable(path=path, detail=words.ONLY_STEPS.format(most=MAX_STEPS, table=STEPS))
    found = tuple(_step(raw, number, path) for number, raw in enumerate(steps, 1))
    unnamed = next((number for number, step in enumerate(found[:-1], 1) if not step.result), None)
    if unnamed:
        raise RecipeUnreadable(path=path, detail=words.NO_RESULT.format(number=unnamed, name=RESULT))
    return found


def is_recipe(text: str) -> bool:
    """Whether ``text`` is a recipe, be it a wrong one, and not the name of a model."""
    return "\n" in text or "=" in text or "[[" in text


def recipe_in(path: Path) -> str:
    """The recipe by which the model at ``path`` was made. Raises ``RecipeAbsent`` and as ``read_header``."""
    metadata = read_header(path).metadata if path.suffix.lower() == ".safetensors" else {}
    if text := metadata.get(OUR_RECIPE, ""):
        return text
    raise RecipeAbsent(path=path)


def _step(raw: Any, number: int, path: Path) -> Step:
    if not isinstance(raw, dict):
        raise RecipeUnreadable(path=path, detail=words.NO_TABLE.format(number=number))
    table = table_of(Merge, "merge").items()
    known = {FIELD_WORDS[place].option: field for place, field in table if field.parent == "merge"}
    known.pop("")  # a recipe holds no other
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name == RESULT and isinstance(value, str):
            continue
        if name not in known:
            raise RecipeUnreadable(path=path, detail=words.UNKNOWN_KEY.format(number=number, name=name))
        values[known[name].name] = _value(known[name], value, words.WHERE.format(name=name, number=number), path)
    try:
        return Step(Merge(**values), str(raw.get(RESULT, "")))
    except SdcolabError as error:
        fault = words.STEP_FAULT.format(number=number, fault=explain(error).text)
        raise RecipeUnreadable(path=path, detail=fault) from error


def _value(field: Field, value: Any, where: str, path: Path) -> Any:
    """``value`` as the field holds it. Raises ``RecipeUnreadable``."""
    if field.is_choice:
        choices: Mapping[str, Any] = {choice.value.casefold(): choice for choice in field.kind}
        if isinstance(value, str) and value.casefold() in choices:
            return choices[value.casefold()]
        raise RecipeUnreadable(path=path, detail=words.NO_CHOICE.format(where=where, choices=", ".join(choices)))
    wanted = (int, float) if field.kind is float else field.kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and field.kind is not bool):
        raise RecipeUnreadable(path=path, detail=words.OTHER_KIND.format(where=where))
    return value
