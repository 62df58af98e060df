"""The workshop in this process, for commands: models may be paths or names in the library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, NameTaken
from sdcolab.core.events import CancelToken, Listener, Warned
from sdcolab.core.files import atomic_write, system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.result import GenerationResult
from sdcolab.core.workshop import Convert, Extract, Merge
from sdcolab.wiring.engine import build_engine, build_library
from sdcolab.wiring.workshop import tried, workshop

if TYPE_CHECKING:
    from sdcolab.workshop.recipe import Step

CHECKPOINT_SUFFIXES = (".safetensors", ".ckpt")


def convert_here(wanted: Convert, folders: Folders, output: Path | None, listener: Listener) -> Path:
    """Convert a checkpoint, which may be a path or a name, in this thread; the new file is in ``output`` or among the
    models."""
    library = _library(folders, [(ModelKind.CHECKPOINT, wanted.checkpoint), (ModelKind.VAE, wanted.vae)])
    return workshop(library, folders, output, listener, CancelToken()).convert(wanted)


def extract_here(wanted: Extract, folders: Folders, output: Path | None, listener: Listener) -> Path:
    """The same for a LoRA, which is written in ``output`` or among the LoRAs."""
    library = _library(folders, [(ModelKind.CHECKPOINT, wanted.tuned), (ModelKind.CHECKPOINT, wanted.base)])
    return workshop(library, folders, output, listener, CancelToken(), ModelKind.LORA).extract(wanted)


def combine_here(
    files: Sequence[tuple[str, float]], target: Path, rank: int, precision: str, folders: Folders, listener: Listener
) -> Path:
    """Make a LoRA smaller, or one of several, which may be paths or names, and write it at ``target``. Raises as
    ``combined``, and ``NameTaken`` where ``target`` is one of them."""
    from sdcolab.training.loras import combined

    library = _library(folders, [(ModelKind.LORA, name) for name, _ in files])
    found = [(library.find(ModelKind.LORA, name).path, weight) for name, weight in files]
    if any(target.absolute() == path for path, _ in found):
        raise NameTaken(name=target.name)
    data = combined(found, rank, lambda warning: listener(Warned(warning))).encoded(target.stem, precision)
    with atomic_write(target) as file:
        file.write(data)
    return target


def merge_here(wanted: Merge, folders: Folders, output: Path | None, listener: Listener) -> Path:
    """The same for a merge."""
    from sdcolab.workshop.recipe import Step

    library = _library(folders, _named(wanted))
    return workshop(library, folders, output, listener, CancelToken()).merge(Step(wanted))


def merge_recipe_here(recipe: Path, folders: Folders, output: Path | None, listener: Listener) -> Path:
    """The same for a merge of several steps. Raises ``CannotRead`` or ``RecipeUnreadable`` too."""
    text, steps = _recipe(recipe)
    library = _library(folders, [one for step in steps for one in _named(step.merge)])
    return workshop(library, folders, output, listener, CancelToken()).merge(*steps, recipe=text)


def try_merge_here(
    wanted: Merge, recipe: Path | None, folders: Folders, output: Path | None, listener: Listener
) -> GenerationResult:
    """Pictures of the trial of ``wanted``, with the merge that it, or else the file ``recipe``, asks for; no model is
    written. Pictures are saved in ``output`` or where generated ones are. Raises as ``merge_recipe_here``."""
    from sdcolab.workshop.recipe import Step

    steps = [Step(wanted)] if recipe is None else _recipe(recipe)[1]
    library = _library(folders, [one for step in steps for one in _named(step.merge)])
    store = None if output is None else ImageStore(output, today=None)
    shop = workshop(library, folders, None, listener, CancelToken())
    return tried(shop, build_engine(folders, library, store), wanted.trial.request(), *steps)


def _recipe(path: Path) -> tuple[str, tuple[Step, ...]]:
    """The text of the recipe at ``path``, or in the model there, and its steps. Raises ``CannotRead``, ``RecipeAbsent``
    or ``RecipeUnreadable``."""
    from sdcolab.workshop.recipe import read_recipe, recipe_in

    try:
        model = path.suffix.lower() in CHECKPOINT_SUFFIXES
        text = recipe_in(path) if model else path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return text, read_recipe(text, path)


def checkpoints_named(names: Iterable[str]) -> list[str]:
    """``names``, with those of folders replaced by the checkpoints that lie in them, in alphabetical order."""
    found: list[str] = []
    for name in names:
        folder = Path(name).expanduser()
        if folder.is_dir():
            found += sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in CHECKPOINT_SUFFIXES)
        else:
            found.append(name)
    return found


def _named(wanted: Merge) -> Iterator[tuple[ModelKind, str]]:
    for name in (wanted.primary, wanted.secondary, wanted.tertiary):
        yield ModelKind.CHECKPOINT, name
    yield ModelKind.VAE, wanted.vae


def _library(folders: Folders, named: Iterable[tuple[ModelKind, str]]) -> Library:
    """The user's models, and the files that were named by their path, which keep it as their name."""
    paths = [(kind, name) for kind, name in dict.fromkeys(named) if name]
    files = (ModelFile(kind, name, Path(name).expanduser().absolute()) for kind, name in paths)
    return build_library(folders, *(file for file in files if file.path.is_file()))
