"""Preprocessors: from a picture to the map that a control model reads. One file each, found by name.

``core.preprocessors`` has the names, settings and files of each; a module here has ``detect(asked) -> map``. Modules
are imported when they are first used, because some need packages that not everybody has.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcolab.core.errors import PreprocessorFileMissing, PreprocessorPackageMissing
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSORS, missing_weights, weights_in
from sdcolab.engine.preprocessors.base import Asked, Find, Pixels

_AS_IS = "as_is"
_MODULES: dict[str, str] = {
    "none": _AS_IS,
    "inpaint_only": _AS_IS,
    "inpaint_global_harmonious": _AS_IS,
    "tile_colorfix": _AS_IS,
    "tile_colorfix+sharp": _AS_IS,
    "reference_only": _AS_IS,
    "reference_adain": _AS_IS,
    "reference_adain+attn": _AS_IS,
}
"""Modules of the preprocessors that are not called like theirs."""


def detector(name: str) -> Callable[[Asked], Pixels]:
    """The code of the preprocessor called ``name`` (its own name). Raises ``PreprocessorPackageMissing``."""
    found: Callable[[Asked], Pixels] = part(_MODULES.get(name, name), name).detect
    return found


def part(module: str, name: str) -> Any:
    """The ``module`` of this package that the preprocessor called ``name`` needs. Raises
    ``PreprocessorPackageMissing``.
    """
    try:
        return importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("sdcolab"):
            raise
        raise PreprocessorPackageMissing(preprocessor=name, package=error.name) from error


def finder(folders: Folders, preprocessor: str) -> Find:
    """Finds the weights of ``preprocessor`` by name in ``folders``."""

    def find(name: str) -> Path:
        found = weights_in(folders, name)
        if found is None:
            check_files(folders, preprocessor)
        assert found is not None, "the preprocessor's row names all of its files"
        return found

    return find


def check_files(
    folders: Folders, preprocessor: str, error: type[PreprocessorFileMissing] = PreprocessorFileMissing
) -> None:
    """Raises ``error`` where weights of ``preprocessor`` are not in ``folders``, about all that are missing."""
    if missing := missing_weights(folders, preprocessor):
        files, links = (", ".join(names) for names in zip(*((row.file, row.link) for row in missing), strict=True))
        raise error(preprocessor, files, links, sum(row.size for row in missing))


def run(name: str, asked: Asked) -> Pixels:
    """The map of a picture: at its resolution where the preprocessor has one, else at the picture's size."""
    row = PREPROCESSORS.find(name)
    detect = detector(row.name)
    if not row.resolution:
        return detect(asked)
    found: Pixels = part("resizing", row.name).at_resolution(
        asked.picture, asked.resolution, lambda seen: detect(replace(asked, picture=seen)), padded=row.padded
    )
    return found
