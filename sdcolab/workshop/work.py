"""The workshop's work, from names of files to a new file among the models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, DiskFull, SdcolabError
from sdcolab.core.events import CancelToken, FileMade, Listener, Phase, PhaseStarted, Warned
from sdcolab.core.file_names import free_names, safe_name
from sdcolab.core.files import create_new, free_bytes, system_reason
from sdcolab.core.hashes import FileDigests, old_hash
from sdcolab.core.library import LORA_ALIAS_KEY, Library, ModelFile
from sdcolab.core.prompt import extract_networks
from sdcolab.core.result import Unwritten
from sdcolab.core.tensors import read_header
from sdcolab.core.words import FIELD_WORDS
from sdcolab.core.workshop import Convert, Extract, FileFormat, Merge
from sdcolab.workshop.converting import converted, with_vae
from sdcolab.workshop.merging import Merged, merged
from sdcolab.workshop.metadata import Ingredient, merge_metadata
from sdcolab.workshop.model import Model, check_kind, open_model
from sdcolab.workshop.recipe import OUR_RECIPE, Step, is_recipe, read_recipe, recipe_in
from sdcolab.workshop.writing import size_of, write_ckpt, write_safetensors


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where models are found and written, and who hears of it. ``digests`` remembers hashes of files."""

    library: Library
    folder: Path
    digests: FileDigests
    listener: Listener
    cancel: CancelToken

    def convert(self, wanted: Convert) -> Path:
        """Write a checkpoint anew. Returns the new file's path; none is ever overwritten.

        Raises ``UnknownFile``, ``ModelError``, ``WorkshopError``, ``StorageError`` or ``Cancelled``.
        """
        file = self._checkpoint(wanted.checkpoint)
        self._reading(file)
        with open_model(file.path) as source, self._vae(wanted.vae) as vae:
            check_kind(source)
            model = converted(with_vae(source, vae) if vae else source, wanted)
            metadata = {"format": "pt", **model.metadata}
            return self._write(model, wanted.file_stem(file.path.stem), wanted.file_format, metadata)

    def extract(self, wanted: Extract) -> Path:
        """Write a LoRA of what a model differs by from its base. Returns and raises as ``convert``."""
        from sdcolab.workshop.extracting import extracted

        tuned, base = self._checkpoint(wanted.tuned), self._checkpoint(wanted.base)
        self._reading(tuned)
        with open_model(tuned.path) as one, open_model(base.path) as other:
            for model in (one, other):
                check_kind(model)
            stem = wanted.file_stem(tuned.path.stem)
            metadata = {
                "ss_network_module": "networks.lora",
                "ss_network_dim": str(wanted.rank),
                "ss_network_alpha": str(wanted.rank),
                LORA_ALIAS_KEY: stem,
            }
            return self._write(extracted(one, other, wanted), stem, FileFormat.SAFETENSORS, metadata)

    def steps(self, wanted: Merge) -> tuple[tuple[Step, ...], str]:
        """What ``wanted`` asks for, and the text of its recipe: "" when it is one merge. Raises ``UnknownFile``,
        ``RecipeAbsent`` and ``RecipeUnreadable``."""
        text = wanted.recipe.strip()
        if not text:
            return (Step(wanted),), ""
        if not is_recipe(text):
            text = recipe_in(self._checkpoint(text).path)
        return read_recipe(text, Path(FIELD_WORDS["merge.recipe"].label)), text

    def merge(self, *steps: Step, recipe: str = "") -> Path:
        """Write a merge of checkpoints: of the last of ``steps``, which may use the results of those before it.
        ``recipe`` is their text, for the metadata. Returns and raises as ``convert``, and ``PromptSyntaxError`` for the
        LoRAs."""
        wanted = steps[-1].merge
        with self._merged(*steps) as (result, used, stem):
            metadata = self._metadata(wanted, used, result.special)
            if recipe and metadata:
                metadata[OUR_RECIPE] = recipe
            return self._write(result.model, stem, wanted.file_format, metadata)

    @contextmanager
    def unwritten(self, *steps: Step) -> Iterator[Unwritten]:
        """The same merge before it is written, as long as the block lasts: its tensors are computed one by one, when
        they are asked for. Raises as ``merge``."""
        with self._merged(*steps) as (result, _, stem):
            name = f"{safe_name(stem, fallback='modelo')}.{FileFormat.SAFETENSORS}"
            model = replace(result.model, path=self.folder / name)
            labels = ["Merge"] if len(steps) == 1 else [f"Merge {number}" for number in range(1, len(steps) + 1)]
            described = (step.merge.described(step.result) for step in steps)
            yield Unwritten(name, model.weights(), tuple(zip(labels, described, strict=True)))

    @contextmanager
    def _merged(self, *steps: Step) -> Iterator[tuple[Merged, dict[str, ModelFile], str]]:
        """The last of ``steps``, the files that all need, by the names that asked for them, and its file's stem."""
        wanted, made, used = steps[-1].merge, dict[str, Model](), dict[str, ModelFile]()
        with ExitStack() as stack:
            for step in steps:
                result = stack.enter_context(self._merging(step.merge, made, used))
                made[step.result] = result.model
            yield result, used, wanted.file_stem(_stems(wanted, used), result.suffix)

    @contextmanager
    def _merging(self, wanted: Merge, made: Mapping[str, Model], used: dict[str, ModelFile]) -> Iterator[Merged]:
        """One merge of files and of the models ``made`` before. Nothing is computed before its tensors are asked for.
        The files that it needs are added to ``used``, by the name that asked for them."""
        with ExitStack() as stack:
            models = [self._model(name, made, used, stack) for name in wanted.ingredients if name]
            check_kind(models[0])
            result = merged(wanted, *models)
            vae = stack.enter_context(self._vae(wanted.vae))
            model = with_vae(result.model, vae, wanted.half) if vae else result.model
            if wanted.loras.strip():
                model = stack.enter_context(self._with_loras(model, wanted.loras))
            yield replace(result, model=model)

    def _model(self, name: str, made: Mapping[str, Model], used: dict[str, ModelFile], stack: ExitStack) -> Model:
        if name in made:
            return made[name]
        file = self._checkpoint(name)
        self._reading(file)
        used.setdefault(name, file)
        return stack.enter_context(open_model(file.path))

    @contextmanager
    def _with_loras(self, model: Model, tags: str) -> Iterator[Model]:
        from sdcolab.engine.lora_tags import loras_in
        from sdcolab.workshop.loras import with_loras

        with ExitStack() as stack:
            uses = loras_in(extract_networks(tags)[1], self.library, self._warn)
            opened = [(stack.enter_context(open_model(use.file.path)), use.strength) for use in uses]
            yield with_loras(model, opened, self._warn)

    @contextmanager
    def _vae(self, name: str) -> Iterator[Model | None]:
        """The VAE called so, without what its training left in the file; None for none."""
        if not name:
            yield None
            return
        with open_model(self.library.find(ModelKind.VAE, name).path) as vae:
            kept = {name: one for name, one in vae.outline.items() if not name.startswith(("loss", "model_ema."))}
            yield replace(vae, outline=kept)

    def _checkpoint(self, name: str) -> ModelFile:
        return self.library.find(ModelKind.CHECKPOINT, name)

    def _metadata(self, wanted: Merge, used: Mapping[str, ModelFile], special: str) -> dict[str, str]:
        if not wanted.save_metadata:
            return {}
        known = {name: self._ingredient(file) for name, file in used.items()}
        names = [name for name in wanted.ingredients if name]
        earlier = [one for name, one in known.items() if name not in names]
        return merge_metadata(wanted, [known.get(name) for name in names], special, self._warn, earlier)

    def _ingredient(self, file: ModelFile) -> Ingredient:
        sha256 = self.digests.digest(file.path, after_header=False, read=True)
        try:
            legacy = old_hash(file.path)
        except OSError as error:
            raise CannotRead(path=file.path, reason=system_reason(error)) from error
        metadata: Mapping[str, str] = {}
        if file.path.suffix.lower() == ".safetensors":
            metadata = read_header(file.path).metadata
        folder = self.library.folders.models(ModelKind.CHECKPOINT)
        inside = file.path.is_relative_to(folder)
        name = file.path.relative_to(folder).as_posix() if inside else file.path.name
        return Ingredient(name, sha256 or "", legacy, metadata)

    def _write(self, model: Model, stem: str, file_format: FileFormat, metadata: Mapping[str, str]) -> Path:
        """A new file with ``model``, whose header has been read again."""
        name = f"{safe_name(stem, fallback='modelo')}.{file_format}"
        needed, free = size_of(model), free_bytes(self.folder)
        if needed > free:  # before minutes of work, not after
            raise DiskFull(folder=self.folder, needed=needed, free=free)
        self.listener(PhaseStarted(Phase.SAVING, name))

        def save(file: BinaryIO) -> None:
            if file_format is FileFormat.SAFETENSORS:
                write_safetensors(file, model, metadata, self.listener, self.cancel)
            else:
                write_ckpt(file, model, self.folder / f".{name[:80]}.{os.getpid()}.tmp", self.listener, self.cancel)

        path = create_new((self.folder / one for one in free_names(name)), save)
        if file_format is FileFormat.SAFETENSORS:
            read_header(path)
        self.listener(FileMade(path))
        return path

    def _reading(self, file: ModelFile) -> None:
        self.listener(PhaseStarted(Phase.LOADING_MODEL, file.name))

    def _warn(self, warning: SdcolabError) -> None:
        self.listener(Warned(warning))


def _stems(wanted: Merge, used: Mapping[str, ModelFile]) -> list[str]:
    """What the models of a merge are called: the stems of their files, or the names of the steps that made them."""
    return [used[name].path.stem if name in used else name for name in wanted.ingredients]
