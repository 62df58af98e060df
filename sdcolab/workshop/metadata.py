"""What a merge writes in its file's metadata, in A1111's words (hechos/a1111.md 10.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdcolab.core.errors import MergeMetadataUnreadable, SdcolabError
from sdcolab.core.untrusted import parse_json
from sdcolab.core.workshop import Merge, MergeMethod

NO_FILE = "None"
"""No VAE, in A1111's word."""

RECIPE, MODELS = "sd_merge_recipe", "sd_merge_models"


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A checkpoint of a merge: its ``name`` below the models' folder, SHA-256, A1111's first hash, and metadata."""

    name: str
    sha256: str
    legacy_hash: str
    metadata: Mapping[str, str]


def merge_metadata(
    wanted: Merge,
    ingredients: Sequence[Ingredient | None],
    special: str,
    warn: Callable[[SdcolabError], None],
    earlier: Sequence[Ingredient] = (),
) -> dict[str, str]:
    """The metadata of the merge of ``ingredients`` (A, B, C; None for one that is no file but a merge of the files
    ``earlier``). ``special`` as ``Merged.special``."""
    if not wanted.save_metadata:
        return {}
    files = [*earlier, *(ingredient for ingredient in ingredients if ingredient)]
    found: dict[str, str] = {}
    if wanted.copy_metadata:
        for file in files:
            found |= file.metadata
    found |= _own(wanted.metadata_json, warn)
    found["format"] = "pt"
    if wanted.add_recipe:
        models: dict[str, Any] = {}
        for file in files:
            models[file.sha256] = {
                "name": file.name,
                "legacy_hash": file.legacy_hash,
                RECIPE: _object(file.metadata.get(RECIPE)),
            }
            models |= _object(file.metadata.get(MODELS)) or {}
        found[RECIPE] = json.dumps(recipe(wanted, ingredients, special))
        found[MODELS] = json.dumps(models)
    return found


def recipe(wanted: Merge, ingredients: Sequence[Ingredient | None], special: str) -> dict[str, Any]:
    """The recipe as A1111 writes it; what it does not know follows only where it was used."""
    hashes = [ingredient.sha256 if ingredient else None for ingredient in (*ingredients, None, None)]
    known: dict[str, Any] = {
        "type": "webui",
        "primary_model_hash": hashes[0],
        "secondary_model_hash": hashes[1],
        "tertiary_model_hash": hashes[2],
        "interp_method": wanted.method.value,
        "multiplier": wanted.multiplier,
        "save_as_half": wanted.half,
        "custom_name": wanted.name,
        "config_source": 0,
        "bake_in_vae": wanted.vae or NO_FILE,
        "discard_weights": wanted.discard,
        "is_inpainting": special == "inpainting",
        "is_instruct_pix2pix": special == "instruct-pix2pix",
    }
    ours: dict[str, Any] = {"block_weights": wanted.blocks, "loras": wanted.loras}
    if wanted.method in (MergeMethod.TIES, MergeMethod.DARE):
        ours |= {"density": wanted.density, "seed": wanted.seed}
    return known | {name: value for name, value in ours.items() if value != ""}


def _own(text: str, warn: Callable[[SdcolabError], None]) -> dict[str, str]:
    """What the user wants in the metadata; values that are no texts are written as JSON."""
    if not text.strip():
        return {}
    try:
        found = parse_json(text)
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except ValueError as error:
        warn(MergeMetadataUnreadable(detail=str(error)))
        return {}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in found.items()
    }


def _object(text: str | None) -> dict[str, Any] | None:
    """The JSON object in a file's metadata, or None."""
    try:
        found = parse_json(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
