"""Which of the user's model files an infotext means (hechos/a1111.md 7.4, 7.6 and 15)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ForeignFile, InfotextFileForeign, InfotextFileMissing, UnknownFile
from sdcolab.core.fields import table_of
from sdcolab.core.hashes import FileDigests, with_hash
from sdcolab.core.infotext.pasting import Pasted
from sdcolab.core.library import Library, ModelFile, lora_alias
from sdcolab.core.prompt import extract_networks
from sdcolab.core.request import AUTOMATIC, INSIDE, SAME

LORA_TAGS = ("lora", "lyco")

KINDS: Mapping[str, ModelKind] = {
    "checkpoints": ModelKind.CHECKPOINT,
    "vaes": ModelKind.VAE,
    "loras": ModelKind.LORA,
    "controlnets": ModelKind.CONTROLNET,
    "hypernetworks": ModelKind.HYPERNETWORK,
    "detectors": ModelKind.DETECTOR,
}
"""What the lists that fields are chosen from hold, where they hold files."""


def with_files(pasted: Pasted, library: Library, digests: FileDigests | None = None) -> Pasted:
    """The same with the library's names for models, and ``missing`` for those that are not there.

    A file is known by its hash before its name: people rename files, and names are reused for new versions. Files whose
    hash nobody knows yet are read for it only when the name is not there either. ``digests`` None looks at names, at
    what civitai says of files, and at the old hash that takes no time. LoRAs under another name here are renamed in the
    prompts. A missing model is left out of the changes: a hires pass uses the first one's, a refiner is dropped, and so
    is one of several units.
    """
    finder = _Finder(library, digests)
    changes = dict(pasted.changes)
    if digest := pasted.hashes.get("checkpoint", changes.get("checkpoint")):
        changes |= finder.found("checkpoint", ModelKind.CHECKPOINT, changes.pop("checkpoint", digest), pasted.hashes)
    if changes.get("vae", AUTOMATIC) not in (AUTOMATIC, INSIDE):
        changes |= {"vae": AUTOMATIC} | finder.found("vae", ModelKind.VAE, changes["vae"], pasted.hashes)
    hires, refiner = changes.get("hires"), changes.get("refiner")
    if hires and hires.checkpoint:
        found = finder.found("hires.checkpoint", ModelKind.CHECKPOINT, hires.checkpoint, pasted.hashes)
        changes["hires"] = replace(hires, **({"checkpoint": SAME} | found))
    if refiner:
        found = finder.found("refiner.checkpoint", ModelKind.CHECKPOINT, refiner.checkpoint, pasted.hashes)
        changes["refiner"] = replace(refiner, **found) if found else None
    for name, units in changes.items():
        if isinstance(units, tuple):
            changes[name] = tuple(finder.units(name, units, pasted.hashes))
    if "prompt" in changes:
        changes["prompt"] = finder.with_loras("prompt", changes["prompt"], pasted.hashes)
    if hires and hires.prompt:
        prompt = finder.with_loras("hires.prompt", hires.prompt, pasted.hashes)
        changes["hires"] = replace(changes["hires"], prompt=prompt)
    finder.embeddings(pasted.hashes)
    return replace(pasted, changes=changes, missing=tuple(finder.missing))


class _Finder:
    def __init__(self, library: Library, digests: FileDigests | None) -> None:
        self._library = library
        self._digests = digests
        self.missing: list[InfotextFileMissing] = []

    def found(self, path: str, kind: ModelKind, name: str, hashes: Mapping[str, str]) -> dict[str, Any]:
        """``{field: name here}`` of the file called ``name``; nothing when it is missing, which is noted."""
        file = self._find(kind, name, hashes.get(path, ""))
        if file is None:
            digest = hashes.get(path, "")
            self._miss(path, kind, name, "" if digest == name else digest)
            return {}
        return {path.rpartition(".")[2]: file.name}

    def units(self, path: str, units: Iterable[Any], hashes: Mapping[str, str]) -> Iterator[Any]:
        """``units``, the parts that repeat at ``path``, with the names that their models have here."""
        for place, unit in enumerate(units):
            named = {
                name: KINDS[field.choices] for name, field in table_of(type(unit)).items() if field.choices in KINDS
            }
            found = {}
            for name, kind in named.items():
                if value := getattr(unit, name):
                    found[name] = self.found(f"{path}.{place}.{name}", kind, value, hashes)
            if all(found.values()):
                yield replace(unit, **{name: file for files in found.values() for name, file in files.items()})

    def with_loras(self, path: str, prompt: str, hashes: Mapping[str, str]) -> str:
        """``prompt`` with the names that its LoRAs have here."""
        names = dict.fromkeys(tag.name for tag in extract_networks(prompt)[1] if tag.kind in LORA_TAGS)
        for name in names:
            digest = hashes.get(f"lora:{name.replace(':', '').replace(',', '')}", "")
            file = self._find(ModelKind.LORA, name, digest)
            if file is None:
                if not any(lora_alias(file.path) == name for file in self._library.files(ModelKind.LORA)):
                    self._miss(path, ModelKind.LORA, name, digest)
            elif not file.is_called(name):
                prompt = _renamed(prompt, name, file.path.stem)
        return prompt

    def embeddings(self, hashes: Mapping[str, str]) -> None:
        """Note the embeddings that the text was made with and that are not here."""
        for key, digest in hashes.items():
            word, _, name = key.partition(":")
            if word == "embed" and self._find(ModelKind.EMBEDDING, name, digest) is None:
                self._miss("prompt", ModelKind.EMBEDDING, name, digest)

    def _miss(self, path: str, kind: ModelKind, name: str, digest: str) -> None:
        try:
            self._library.find(kind, name)
        except ForeignFile as error:
            foreign = InfotextFileForeign(path, kind.value, name, digest, error.path, error.reason)
            self.missing.append(foreign)
        except UnknownFile:
            self.missing.append(InfotextFileMissing(path, kind.value, name, digest))

    def _find(self, kind: ModelKind, name: str, digest: str) -> ModelFile | None:
        try:
            named = self._library.find(kind, name)
        except UnknownFile:
            named = None
        same = with_hash(self._library.files(kind), digest, self._digests, read=named is None)
        return named if named in same or not same else same[0]


def _renamed(prompt: str, old: str, new: str) -> str:
    """``prompt`` with the LoRA ``old`` called ``new`` in its tags."""
    return re.sub(rf"<({'|'.join(LORA_TAGS)}):{re.escape(old)}(?=[:>])", lambda tag: f"<{tag[1]}:{new}", prompt)
