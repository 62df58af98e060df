"""What can be said of a request before anything is made of it: what its prompts hold that does nothing, what they name
that is not here or does not go with the model, and sizes that come out badly. The faces say it while the form is being
filled; the work says its own part again, so that it stands beside the pictures too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    ControlFamilyWrong,
    EmbeddingMissing,
    EmbeddingOtherFamily,
    FewStepsTooGuided,
    HypernetworkMissing,
    LoraMissing,
    LoraWrongFamily,
    NetworkStrengthUnread,
    OptionsInPrompt,
    PromptSyntaxError,
    RegionsAlone,
    RegionsAtWork,
    SdcolabError,
    SizeBeyondNative,
    SymbolWithoutScript,
    UnknownName,
)
from sdcolab.core.few_steps import few_steps_for
from sdcolab.core.file_facts import FileFacts, fits
from sdcolab.core.foreign_files import left_out
from sdcolab.core.infotext.flags import MIDJOURNEY, midjourney_options
from sdcolab.core.library import Library, ModelFile, find_lora
from sdcolab.core.prompt import (
    LORA_KINDS,
    extract_networks,
    hypernetwork_multiplier,
    lora_multipliers,
    strip_comments,
    unreadable,
    weight_doubts,
    without_block_weights,
)
from sdcolab.core.prompt.composition import ands_in
from sdcolab.core.prompt.marks import DYNAMIC, idle_marks, words_in
from sdcolab.core.regions import Regions
from sdcolab.core.request import GenerationRequest

TOO_LARGE = 1.5
"""Times a model's own side beyond which bodies repeat: 768 for those of 512, as the guide says."""

TOO_GUIDED = 2
"""Times the CFG that a model of few steps was taught with."""

MANY_LORAS = 300
"""Beyond so many files nobody looks into each for the name that its trainer gave it while somebody types."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form holds of a request that is being written. ``width`` and ``height`` in pixels; ``hires``: whether
    there is a second pass; ``from_picture``: it begins with one; ``script`` is the code of the one chosen, ``controls``
    the names of the control models that will be used, ``regions`` the areas of Latent Couple when it is on."""

    prompt: str = ""
    negative_prompt: str = ""
    checkpoint: str = ""
    width: int = 0
    height: int = 0
    hires: bool = False
    from_picture: bool = False
    script: str = ""
    controls: tuple[str, ...] = ()
    regions: Regions | None = None


class Remarks:
    """``families``: what each embedding of the catalogue was made for, by the word that calls it; ``native_size`` gives
    the side in pixels that a checkpoint was trained at."""

    def __init__(
        self,
        library: Library,
        families: Callable[[], Mapping[str, ModelFamily]],
        native_size: Callable[[ModelFile], int],
    ) -> None:
        self._library = library
        self._families = families
        self._native_size = native_size
        self._facts = library.facts

    def of(self, draft: Draft) -> Iterator[SdcolabError]:
        """What to say of ``draft``, to be shown as warnings. Never raises what a file or a prompt is to blame for."""
        library = self._library.now()
        prompt, negative = strip_comments(draft.prompt), strip_comments(draft.negative_prompt)
        families = self._families()
        yield from _of_regions(prompt, draft)
        if draft.script != DYNAMIC:  # which has yet to write the prompt
            yield from filter(None, map(unreadable, (prompt, negative)))
        yield from said_of_prompts(prompt, negative, draft.checkpoint, library, families, self._facts, draft.script)
        yield from weight_doubts(f"{prompt}\n{negative}", hires=draft.hires)
        yield from self._checkpoint(draft, library)
        yield from self._networks(f"{prompt}\n{negative}", draft, library)
        yield from self._controls(draft, library)
        yield from self._size(draft, library)

    def _checkpoint(self, draft: Draft, library: Library) -> Iterator[SdcolabError]:
        for file in library.files(ModelKind.CHECKPOINT) if draft.checkpoint else ():
            if file.name == draft.checkpoint and (trouble := self._facts.trouble(file.path)):
                yield trouble

    def _networks(self, text: str, draft: Draft, library: Library) -> Iterator[SdcolabError]:
        for tag in extract_networks(text)[1]:
            try:
                if tag.kind in LORA_KINDS and tag.name:
                    lora_multipliers(without_block_weights(tag))
                    if len(library.files(ModelKind.LORA)) > MANY_LORAS:
                        continue
                    yield from self._lora(find_lora(tag.name, library), draft, library)
                elif tag.kind == "hypernet":
                    hypernetwork_multiplier(tag)
                    library.find(ModelKind.HYPERNETWORK, tag.name)
            except PromptSyntaxError:
                yield NetworkStrengthUnread(tag=tag.source)
            except UnknownName as error:
                kind = LoraMissing if tag.kind in LORA_KINDS else HypernetworkMissing
                yield left_out(tag.source, error, kind(tag=tag.source, suggestions=error.suggestions))

    def _lora(self, file: ModelFile, draft: Draft, library: Library) -> Iterator[SdcolabError]:
        family, model = self._family(file), family_of(draft.checkpoint, library, self._facts)
        if not fits(family, model):
            yield LoraWrongFamily(path=file.path, family=family.value, model_family=model.value)

    def _controls(self, draft: Draft, library: Library) -> Iterator[SdcolabError]:
        for file in library.files(ModelKind.CONTROLNET) if draft.controls else ():
            if file.name in draft.controls:
                family, model = self._family(file), family_of(draft.checkpoint, library, self._facts)
                if not fits(family, model):
                    yield ControlFamilyWrong(path=file.path, family=family.value, checkpoint=model.value)

    def _size(self, draft: Draft, library: Library) -> Iterator[SdcolabError]:
        if draft.from_picture or not draft.checkpoint:
            return
        try:
            native = self._native_size(library.find(ModelKind.CHECKPOINT, draft.checkpoint))
        except SdcolabError:
            return  # generating explains what is wrong with it
        yield from size_remark(draft.width, draft.height, native)

    def _family(self, file: ModelFile) -> ModelFamily:
        found = self._facts.of(file.path)
        return found.family if found else ModelFamily.UNKNOWN


def _of_regions(prompt: str, draft: Draft) -> Iterator[SdcolabError]:
    """That Latent Couple is on, which nothing in sight may tell long after it was asked for; and that it has nothing to
    divide, unless a script has yet to write the prompt."""
    areas = draft.regions.areas() if draft.regions else ()
    parts = ands_in(prompt) + 1
    if areas and parts > 1:
        yield RegionsAtWork(zones=min(parts, len(areas)))
    elif areas and draft.script != DYNAMIC:
        yield RegionsAlone(weight=areas[0].weight)


def size_remark(width: int, height: int, native: int) -> Iterator[SdcolabError]:
    """The guide's advice: a picture from text alone that is much larger than the model's own gets deformed."""
    side = max(width, height)
    if side > native * TOO_LARGE:
        yield SizeBeyondNative(side=side, native=native)


def said_of_settings(request: GenerationRequest, library: Library, native: int) -> Iterator[SdcolabError]:
    """What comes out badly of a resolved request whose model was made for pictures of ``native`` pixels: too large ones
    from text alone, and models of few steps under the guidance of the others."""
    if request.init is None:
        yield from size_remark(request.width or 0, request.height or 0, native)
    found = few_steps_for(library, request.checkpoint, request.prompt)
    if found and request.cfg_scale > (most := TOO_GUIDED * found.cfg_scale):
        yield FewStepsTooGuided(
            kind=found.name,
            most=most,
            sampler=found.sampler,
            schedule=found.schedule,
            steps=found.steps,
            wanted=found.cfg_scale,
        )


def said_of_prompts(
    prompt: str,
    negative: str,
    checkpoint: str,
    library: Library,
    families: Mapping[str, ModelFamily],
    facts: FileFacts,
    script: str = "",
) -> Iterator[SdcolabError]:
    """The marks that no script reads, and the embeddings of the catalogue that are named and in no folder. Of other
    names nobody can say whether they are meant as one. ``script``: the one that is on."""
    for mark, reader in idle_marks(prompt) if script != DYNAMIC else ():
        if reader != script:
            yield SymbolWithoutScript(mark=mark, script=reader)
    if options := midjourney_options(prompt):
        yield OptionsInPrompt(options=" ".join(options), program=MIDJOURNEY)
    named = tuple(words_in(families, prompt, negative))
    here = library.files(ModelKind.EMBEDDING) if named else ()
    absent = [name for name in named if not any(file.is_called(name) for file in here)]
    model = family_of(checkpoint, library, facts) if absent else ModelFamily.UNKNOWN
    for name in absent:
        if ModelFamily.UNKNOWN in (model, families[name]) or model is families[name]:
            yield EmbeddingMissing(kind=ModelKind.EMBEDDING, name=name)
        else:
            yield EmbeddingOtherFamily(name=name, family=families[name].value, model_family=model.value)


def family_of(checkpoint: str, library: Library, facts: FileFacts) -> ModelFamily:
    """The family of a checkpoint, as far as it is told without opening a pickle."""
    try:
        file = library.find(ModelKind.CHECKPOINT, checkpoint) if checkpoint else library.default_checkpoint()
    except SdcolabError:
        return ModelFamily.UNKNOWN  # the engine tells what is wrong with it
    found = facts.of(file.path)
    return found.family if found else ModelFamily.UNKNOWN
