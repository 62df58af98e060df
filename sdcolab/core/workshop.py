"""The workshop as asked for: converting and merging checkpoints, and the pure rules of which tensor is treated how.

Behaviour of AUTOMATIC1111's Checkpoint Merger (hechos/a1111.md 10.6) and of the Model Converter that the guide uses
(hechos/extensiones.md 7). Nothing here needs torch; ``sdcolab.workshop`` does the work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from sdcolab.core.errors import BlockWeightsWrong, DiscardPatternWrong
from sdcolab.core.fields import check, fact
from sdcolab.core.infotext.text import render_fields
from sdcolab.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest


class FileFormat(StrEnum):
    """What a checkpoint is written as."""

    SAFETENSORS = "safetensors"
    CKPT = "ckpt"


# --- Converting ---------------------------------------------------------------------------------------------------


class Precision(StrEnum):
    """The type of the numbers, in the Model Converter's words. ``FULL`` leaves them as they are, and so does ``FP32``,
    which that program makes of nothing narrower."""

    FULL = "full"
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8_E4M3 = "float8_e4m3fn"
    FP8_E5M2 = "float8_e5m2"


class Pruning(StrEnum):
    """Which of the two sets of weights that training leaves is kept: everything, the weights themselves, or their
    moving average (EMA)."""

    DISABLED = "disabled"
    NO_EMA = "no-ema"
    EMA_ONLY = "ema-only"


class PartAction(StrEnum):
    """What becomes of one part of a checkpoint."""

    CONVERT = "convert"
    COPY = "copy"
    DELETE = "delete"


class CheckpointPart(StrEnum):
    """The parts of a checkpoint, by the names of their tensors."""

    UNET = "unet"
    TEXT = "text_encoder"
    VAE = "vae"
    OTHER = "others"


_PART_PREFIXES = (
    ("model.diffusion_model", CheckpointPart.UNET),
    ("first_stage_model", CheckpointPart.VAE),
    ("cond_stage_model", CheckpointPart.TEXT),
    ("conditioner.embedders", CheckpointPart.TEXT),
)

POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
EMA_PREFIX = "model_ema."
_JUNK_PREFIXES = ("embedding_manager.embedder.", "lora_te_text_model", "control_model.")
_OLD_TEXT = re.compile(r"cond_stage_model\.transformer\.(?=embeddings|encoder|final_layer_norm)")


@dataclass(frozen=True, slots=True)
class Convert:
    """Write ``checkpoint`` anew: other numbers, fewer tensors, another format; its file is never touched.

    ``vae`` takes the place of the one inside. ``fix_clip`` rebuilds the text encoder's position ids, which old merges
    have spoiled; ``whole_positions`` only rounds them to whole numbers. ``drop_junk`` leaves out what training programs
    forgot in the file. ``name`` without extension; "" makes one of the checkpoint's and of what was done.
    """

    code: ClassVar[str] = "convert"

    checkpoint: str = fact("", choices="checkpoints")
    precision: Precision = Precision.FP16
    pruning: Pruning = Pruning.NO_EMA
    file_format: FileFormat = FileFormat.SAFETENSORS
    name: str = ""
    vae: str = fact("", choices="vae_files")
    unet: PartAction = PartAction.CONVERT
    text_encoder: PartAction = PartAction.CONVERT
    vae_part: PartAction = PartAction.CONVERT
    others: PartAction = PartAction.CONVERT
    fix_clip: bool = False
    whole_positions: bool = True
    drop_junk: bool = False

    def __post_init__(self) -> None:
        check(self, "convert")

    def action(self, name: str) -> PartAction:
        """What becomes of the tensor called ``name``."""
        part = part_of(name)
        return {
            CheckpointPart.UNET: self.unet,
            CheckpointPart.TEXT: self.text_encoder,
            CheckpointPart.VAE: self.vae_part,
            CheckpointPart.OTHER: self.others,
        }[part]

    def file_stem(self, own: str) -> str:
        """The new file's name without extension, for a checkpoint whose file is called ``own`` (without extension)."""
        if self.name.strip():
            return self.name.strip()
        pruning = "" if self.pruning is Pruning.DISABLED else f"-{self.pruning}"
        return f"{own}-{self.precision}{pruning}{'-clip-fix' if self.fix_clip else ''}"


def part_of(name: str) -> CheckpointPart:
    """The part of a checkpoint that the tensor called ``name`` belongs to."""
    return next((part for prefix, part in _PART_PREFIXES if name.startswith(prefix)), CheckpointPart.OTHER)


def is_junk(name: str) -> bool:
    """Whether the tensor called ``name`` is something that a training program forgot in a checkpoint."""
    return name.startswith(_JUNK_PREFIXES)


def modern_name(name: str) -> str:
    """The name of a text encoder's tensor as it is written today; NovelAI's first model left a word out."""
    return _OLD_TEXT.sub("cond_stage_model.transformer.text_model.", name)


def ema_twin(name: str) -> str:
    """Where the moving average of the tensor called ``name`` stands."""
    return EMA_PREFIX + name.removeprefix("model.").replace(".", "")


# --- Merging ------------------------------------------------------------------------------------------------------


class MergeMethod(StrEnum):
    """How models are merged: A1111's three ways under its names, and two for models A and B that were both trained
    from C. TIES: Yadav et al. 2023 (arXiv:2306.01708). DARE: Yu et al. 2023 (arXiv:2311.03099)."""

    WEIGHTED = "Weighted sum"
    DIFFERENCE = "Add difference"
    NONE = "No interpolation"
    TIES = "TIES"
    DARE = "DARE"

    @property
    def models(self) -> int:
        """How many models it needs."""
        return {MergeMethod.NONE: 1, MergeMethod.WEIGHTED: 2}.get(self, 3)


@dataclass(frozen=True, slots=True)
class Trial:
    """The pictures that show what a merge is like before it is written."""

    prompt: str = fact("", control="prompt")
    negative_prompt: str = fact("", control="prompt")
    steps: int = fact(20, low=1, high=150)
    seed: int = fact(RANDOM_SEED, low=RANDOM_SEED, high=MAX_SEED, control="seed")
    count: int = fact(1, low=1, high=8)

    def __post_init__(self) -> None:
        check(self, "merge.trial")

    def request(self) -> GenerationRequest:
        """What is to be made; with the checkpoint's own size and the rest as a new form has it."""
        return GenerationRequest(
            self.prompt, self.negative_prompt, steps=self.steps, seed=self.seed, batch_count=self.count
        )


@dataclass(frozen=True, slots=True)
class Merge:
    """Merge checkpoints A (``primary``), B and C into a new one.

    ``multiplier`` M: A (1 - M) + B M; A + (B - C) M; for TIES and DARE the changes of A and B from C count 1 - M and M.
    ``blocks`` gives M block by block instead (``block_multipliers``). ``density``: the share of each change that TIES
    and DARE keep; ``seed`` of what DARE drops. ``half`` saves 32 bit numbers in 16. ``loras`` as prompts write them
    ("<lora:name:0.8>"): they are baked in after merging. ``discard``: a regular expression; tensors whose names it
    finds are left out. ``metadata_json``: an object whose entries are written in the file. ``name`` without extension;
    "" is made as A1111 does. ``recipe``: the text of a recipe of several steps (``sdcolab.workshop.recipe``), or the
    name of a model that was made by one; then nothing else counts. ``trial`` is only for ``TryMerge``.
    """

    code: ClassVar[str] = "merge"

    primary: str = fact("", choices="checkpoints")
    secondary: str = fact("", choices="checkpoints")
    tertiary: str = fact("", choices="checkpoints")
    method: MergeMethod = MergeMethod.WEIGHTED
    multiplier: float = fact(0.3, low=0, high=1, step=0.05)
    blocks: str = ""
    density: float = fact(0.2, low=0, high=1, step=0.05)
    seed: int = fact(0, low=0, high=2**32 - 1, control="number")
    name: str = ""
    file_format: FileFormat = FileFormat.SAFETENSORS
    half: bool = False
    vae: str = fact("", choices="vae_files")
    loras: str = ""
    discard: str = ""
    save_metadata: bool = True
    add_recipe: bool = True
    copy_metadata: bool = True
    metadata_json: str = "{}"
    recipe: str = fact("", control="lines")
    trial: Trial = field(default_factory=Trial)

    def __post_init__(self) -> None:
        check(self, "merge")

    @property
    def ingredients(self) -> tuple[str, ...]:
        """The names of A, B and C, as far as the method uses them; "" where none is given."""
        return (self.primary, self.secondary, self.tertiary)[: self.method.models]

    def described(self, result: str = "") -> str:
        """What is merged and how, for infotexts. ``result``: what later steps of a recipe call it."""
        models = {f"Model {letter}": name for letter, name in zip("ABC", self.ingredients, strict=False)}
        said = {"Method": self.method.value} | models
        if self.method.models > 1:
            said |= {"Multiplier": f"{self.multiplier:g}", "Block weights": self.blocks}
        if self.method in (MergeMethod.TIES, MergeMethod.DARE):
            said["Density"] = f"{self.density:g}"
        if self.method is MergeMethod.DARE:
            said["Seed"] = str(self.seed)
        said |= {"LoRAs": self.loras, "VAE": self.vae, "Discarded": self.discard, "Result": result}
        return render_fields((label, text) for label, text in said.items() if text)

    def file_stem(self, names: Sequence[str], suffix: str = "") -> str:
        """The new file's name without extension, as A1111 makes it of the stems A, B and C. ``suffix`` tells a special
        kind of model (".inpainting")."""
        return (self.name.strip() or self._formula(names)) + suffix

    def _formula(self, names: Sequence[str]) -> str:
        share = round(self.multiplier, 2)
        if self.method is MergeMethod.NONE:
            return names[0]
        if self.method is MergeMethod.WEIGHTED:
            return f"{round(1 - self.multiplier, 2)}({names[0]}) + {share}({names[1]})"
        if self.method is MergeMethod.DIFFERENCE:
            return f"{names[0]} + {share}({names[1]} - {names[2]})"
        return f"{self.method}({names[0]}, {names[1]}; {names[2]})"


@dataclass(frozen=True, slots=True)
class TryMerge:
    """Make the pictures of the trial of ``merge`` without writing any model."""

    code: ClassVar[str] = "try_merge"

    merge: Merge


def is_merged(name: str) -> bool:
    """Whether merging touches the tensor called ``name`` at all (hechos/a1111.md 10.6)."""
    return "model" in name and name != POSITION_IDS


def discards(pattern: str) -> Callable[[str], bool]:
    """Whether a tensor's name is to be left out. Raises ``DiscardPatternWrong``."""
    if not pattern:
        return lambda _name: False
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise DiscardPatternWrong(pattern=pattern, detail=str(error)) from error
    return lambda name: compiled.search(name) is not None


# --- Extracting ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extract:
    """Write what ``tuned`` has that ``base`` lacks as a LoRA of ``rank``; ``conv_rank`` of convolutions, 0 for none.
    ``name`` without extension; "" makes one of the model's and the rank."""

    code: ClassVar[str] = "extract"

    tuned: str = fact("", choices="checkpoints")
    base: str = fact("", choices="checkpoints")
    rank: int = fact(32, low=1, high=320)
    conv_rank: int = fact(0, low=0, high=320)
    text_encoder: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        check(self, "extract")

    def file_stem(self, own: str) -> str:
        """The new file's name without extension, for a model whose file is called ``own`` (without extension)."""
        return self.name.strip() or f"{own}-lora{self.rank}"


# --- LoRA files ---------------------------------------------------------------------------------------------------


class LoraPrecision(StrEnum):
    """The type of a LoRA's numbers, in the trainer's words."""

    FP16 = "fp16"
    BF16 = "bf16"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class CombineLoras:
    """Write a LoRA anew with a ``rank`` of at most this: ``first`` alone, made smaller, or the sum of it and the others
    that are named, each times its weight. ``name`` without extension; "" makes one of theirs."""

    code: ClassVar[str] = "combine"

    first: str = fact("", choices="loras")
    first_weight: float = fact(1, low=-2, high=2, step=0.05)
    second: str = fact("", choices="loras")
    second_weight: float = fact(1, low=-2, high=2, step=0.05)
    third: str = fact("", choices="loras")
    third_weight: float = fact(1, low=-2, high=2, step=0.05)
    rank: int = fact(16, low=1, high=320)
    name: str = ""
    precision: LoraPrecision = LoraPrecision.FP16

    def __post_init__(self) -> None:
        check(self, "combine")

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """Each LoRA named, and its weight."""
        asked = (
            (self.first, self.first_weight),
            (self.second, self.second_weight),
            (self.third, self.third_weight),
        )
        return tuple((name, weight) for name, weight in asked if name.strip())

    def file_stem(self, own: Sequence[str]) -> str:
        """The new file's name without extension, for LoRAs whose files are called ``own`` (without extension)."""
        return self.name.strip() or ("-".join(own) if len(own) > 1 else f"{own[0]}-dim{self.rank}")


# --- Block weights ------------------------------------------------------------------------------------------------

_SIDE = 12
"""Blocks on each side of the UNet of SD 1 and 2; SDXL has 9."""
_BLOCKS = 2 * _SIDE + 1
_INPUT, _MIDDLE, _OUTPUT = (re.compile(rf"\.{side}_blocks?\.(\d+)\.") for side in ("input", "middle", "output"))


def _smoothstep(x: float) -> float:
    return 3 * x**2 - 2 * x**3


def _ends(blocks: int) -> tuple[float, ...]:
    """1 in this many blocks, half at each end of the UNet."""
    return tuple(float(place < blocks // 2 or place >= _BLOCKS - blocks // 2) for place in range(_BLOCKS))


_PLACES = tuple(place / (_BLOCKS - 1) for place in range(_BLOCKS))

BLOCK_PRESETS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "GRAD_V": tuple(abs(place - _SIDE) / _SIDE for place in range(_BLOCKS)),
        "GRAD_A": tuple(1 - abs(place - _SIDE) / _SIDE for place in range(_BLOCKS)),
        "FLAT_25": (0.25,) * _BLOCKS,
        "FLAT_50": (0.5,) * _BLOCKS,
        "FLAT_75": (0.75,) * _BLOCKS,
        **{f"WRAP{blocks:02}": _ends(blocks) for blocks in (8, 12, 14, 16)},
        "OUT07": tuple(float(place >= _BLOCKS - 7) for place in range(_BLOCKS)),
        "OUT12": tuple(float(place >= _BLOCKS - 12) for place in range(_BLOCKS)),
        "SMOOTHSTEP": tuple(map(_smoothstep, _PLACES)),
        "REVERSE-SMOOTHSTEP": tuple(_smoothstep(1 - x) for x in _PLACES),
        "COSINE": tuple((1 + math.cos(math.pi * x)) / 2 for x in _PLACES),
        "REVERSE_COSINE": tuple((1 - math.cos(math.pi * x)) / 2 for x in _PLACES),
    }
)
"""Block weights that people pass around, by their usual names: 12 input blocks, the middle, 12 output blocks. The rest
of the model takes the multiplier."""


def block_multipliers(text: str, multiplier: float) -> Callable[[str], float]:
    """The multiplier of the tensor called so, for block weights as people write them: a preset's name; 26 numbers (the
    rest of the model, IN00 to IN11, M00, OUT00 to OUT11), 20 for SDXL, or without the first one, 25 and 19, which is
    then ``multiplier``. "" means ``multiplier`` everywhere.

    What stands before the first block counts as IN00 and what stands behind the last one as the last output block, as
    in merge-block-weighted. Raises ``BlockWeightsWrong``.
    """
    if not text.strip():
        return lambda _name: multiplier
    base, blocks = _block_weights(text, multiplier)
    side = len(blocks) // 2

    def weight(name: str) -> float:
        if "model.diffusion_model." not in name:
            return base
        if found := _INPUT.search(name):
            return blocks[min(int(found[1]), side - 1)]
        if _MIDDLE.search(name):
            return blocks[side]
        if found := _OUTPUT.search(name):
            return blocks[side + 1 + min(int(found[1]), side - 1)]
        if ".out." in name:
            return blocks[-1]
        return blocks[0] if "time_embed" in name or "label_emb" in name else base

    return weight


def _block_weights(text: str, multiplier: float) -> tuple[float, tuple[float, ...]]:
    preset = BLOCK_PRESETS.get(text.strip().upper())
    if preset:
        return multiplier, preset
    try:
        numbers = tuple(float(word) for word in re.split(r"[\s,;]+", text.strip(" \t\n,;")))
    except ValueError as error:
        raise BlockWeightsWrong(text=text[:80], count=0) from error
    if not all(math.isfinite(number) for number in numbers) or len(numbers) not in (19, 20, 25, 26):
        raise BlockWeightsWrong(text=text[:80], count=len(numbers))
    return (multiplier, numbers) if len(numbers) % 2 else (numbers[0], numbers[1:])
