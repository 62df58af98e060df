"""What a model file is, told by the names and shapes of its tensors alone (hechos/lanzadores.md 4d, extensiones.md 3).

Works on a header read from disk or, before a download, on one read by HTTP Range. ``KIND_RULES`` is tried in order; the
first that matches wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sdcolab.core.tensors import TensorHeader


class ModelKind(StrEnum):
    """What a file is for. Each kind has its folder (``core.folders``) and Spanish label (``core.words``)."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    VAE = "vae"
    EMBEDDING = "embedding"
    CONTROLNET = "controlnet"
    UPSCALER = "upscaler"
    HYPERNETWORK = "hypernetwork"
    OTHER = "other"


class ModelFamily(StrEnum):
    """Which generation of Stable Diffusion a file belongs to."""

    SD1 = "SD1"
    SD2 = "SD2"
    SDXL = "SDXL"
    SDXL_REFINER = "SDXL Refiner"
    SD3 = "SD3"
    FLUX = "Flux"
    UNKNOWN = "?"


class Prediction(StrEnum):
    """What a UNet was trained to predict (hechos/a1111.md 3.2): the noise, or v = sqrt(abar) noise - sqrt(1 - abar)
    image (Salimans & Ho 2022, arXiv:2202.00512)."""

    EPSILON = "epsilon"
    V = "v"


NATIVE_SIZES = {
    ModelFamily.SD1: 512,
    ModelFamily.SD2: 768,
    ModelFamily.SDXL: 1024,
    ModelFamily.SDXL_REFINER: 1024,
    ModelFamily.SD3: 1024,
    ModelFamily.FLUX: 1024,
    ModelFamily.UNKNOWN: 512,
}
"""Side in pixels of the square images each family was trained on. SD 2 has two models, of 512 and 768 pixels, and
nothing in a header tells which one it is: the engine finds out when it loads the file.
"""

RESOLUTION_KEY = "modelspec.resolution"
"""ModelSpec metadata "WIDTHxHEIGHT" (github.com/Stability-AI/ModelSpec); overrides the family's native size."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file is. ``native_size`` in pixels is meaningful for checkpoints only."""

    kind: ModelKind
    family: ModelFamily
    native_size: int


def detect(header: TensorHeader) -> Detected:
    """Tell kind, family and native size from a header. Never fails: what is not known is OTHER and UNKNOWN."""
    kind = next((kind for kind, matches in KIND_RULES if matches(header)), ModelKind.OTHER)
    family = _FAMILY_OF_KIND.get(kind, _unknown_family)(header)
    return Detected(kind=kind, family=family, native_size=_native_size(header, family))


# --- Kinds --------------------------------------------------------------------------------------------------------

_LORA_SUFFIX = re.compile(
    r"\.(lora_up|lora_down|lora_mid|lora_A|lora_B|lora\.up|lora\.down|processor\.to_\w+_lora\.(?:up|down)|hada_w1_a|lokr_w1|lokr_w1_a|oft_blocks|oft_diag"
    r"|diff|diff_b|on_input|dora_scale|a1|b1)(\.weight)?$"
)
_LORA_PREFIXES = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_transformer_", "oft_unet_", "lycoris_")
_CONTROL_PREFIXES = (
    "control_model.",
    "controlnet_cond_embedding.",
    "input_hint_block.",
    "zero_convs.",
    "adapter.body.",
    "lora_controlnet",
    "image_proj.",
    "ip_adapter.",
    "lllite_",
)
"""ControlNet in both namings, T2I-Adapter, Control-LoRA, IP-Adapter and ControlLLLite: all go where ControlNets go."""
_UPSCALER_NAMES = ("conv_first.weight", "model.0.weight", "RRDB_trunk.0.RDB1.conv1.weight", "m_head.0.weight")
_HYPERNETWORK = re.compile(r"(320|640|768|1024|1280)\.[01]\.")
"""A dict keyed by context width, of pairs of networks."""
_CLIP_EMBEDDING_NAMES = {"emb_params", "clip_l", "clip_g"}
_UNET_PREFIX = "model.diffusion_model."
_DIT_BLOCKS = ("joint_blocks.0.", "double_blocks.0.")


def _any_starts(header: TensorHeader, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefixes) for name in header.tensors)


def _is_lora(header: TensorHeader) -> bool:
    if _any_starts(header, _LORA_PREFIXES):
        return True
    return not _any_starts(header, (_UNET_PREFIX,)) and any(_LORA_SUFFIX.search(name) for name in header.tensors)


def _is_controlnet(header: TensorHeader) -> bool:
    if _any_starts(header, _CONTROL_PREFIXES):
        return True
    t2i_adapter = "conv_in.weight" in header.tensors and _any_starts(header, ("body.",))
    return t2i_adapter and not _any_starts(header, ("decoder.",))


def _is_checkpoint(header: TensorHeader) -> bool:
    return _any_starts(header, (_UNET_PREFIX, *_DIT_BLOCKS))


def _is_vae(header: TensorHeader) -> bool:
    return _any_starts(header, ("decoder.", "first_stage_model.decoder.")) and _any_starts(
        header, ("encoder.", "first_stage_model.encoder.", "quant_conv.", "post_quant_conv.")
    )


def _is_upscaler(header: TensorHeader) -> bool:
    compact = (header.shape("body.0.weight") or ())[1:] == (3, 3, 3)
    return compact or any(name in header.tensors for name in _UPSCALER_NAMES) or _any_starts(header, ("body.0.rdb1.",))


def _is_hypernetwork(header: TensorHeader) -> bool:
    return any(_HYPERNETWORK.match(name) for name in header.tensors)


def _is_embedding(header: TensorHeader) -> bool:
    if _CLIP_EMBEDDING_NAMES & header.tensors.keys() or _any_starts(header, ("string_to_param.",)):
        return True
    only = next(iter(header.tensors.values())) if len(header.tensors) == 1 else None
    return only is not None and only.shape[-1:] in {(768,), (1024,), (1280,)} and len(only.shape) <= 2


KIND_RULES: tuple[tuple[ModelKind, Callable[[TensorHeader], bool]], ...] = (
    (ModelKind.CONTROLNET, _is_controlnet),
    (ModelKind.LORA, _is_lora),
    (ModelKind.CHECKPOINT, _is_checkpoint),
    (ModelKind.VAE, _is_vae),
    (ModelKind.UPSCALER, _is_upscaler),
    (ModelKind.HYPERNETWORK, _is_hypernetwork),
    (ModelKind.EMBEDDING, _is_embedding),
)

# --- Families -----------------------------------------------------------------------------------------------------


def _unknown_family(_header: TensorHeader) -> ModelFamily:
    return ModelFamily.UNKNOWN


def _checkpoint_family(header: TensorHeader) -> ModelFamily:
    if _any_starts(header, ("joint_blocks.0.", _UNET_PREFIX + "joint_blocks.0.")):
        return ModelFamily.SD3
    if _any_starts(header, ("double_blocks.0.", _UNET_PREFIX + "double_blocks.0.")):
        return ModelFamily.FLUX
    if _any_starts(header, ("conditioner.embedders.1.",)) or _any_starts(
        header, ("conditioner.embedders.0.transformer.",)
    ):
        return ModelFamily.SDXL
    if _any_starts(header, ("conditioner.embedders.0.model.",)):  # SDXL's refiner, and SD-Turbo, which is an SD 2
        width = _text_width(header, _UNET_PREFIX)
        return ModelFamily.SD2 if width == _SD2_TEXT_WIDTH else ModelFamily.SDXL_REFINER
    if _any_starts(header, ("cond_stage_model.model.",)):
        return ModelFamily.SD2
    if _any_starts(header, ("cond_stage_model.transformer.",)):
        return ModelFamily.SD1
    return _family_by_width(_text_width(header, _UNET_PREFIX))


def _text_width(header: TensorHeader, prefix: str) -> int | None:
    """Width of the text vectors that cross-attention reads: second dimension of any ``attn2.to_k``."""
    for name, info in header.tensors.items():
        if name.startswith(prefix) and name.endswith("attn2.to_k.weight") and len(info.shape) == 2:
            return info.shape[1]
    return None


_SD2_TEXT_WIDTH = 1024


def _family_by_width(width: int | None) -> ModelFamily:
    return {
        768: ModelFamily.SD1,
        _SD2_TEXT_WIDTH: ModelFamily.SD2,
        1280: ModelFamily.SDXL_REFINER,
        2048: ModelFamily.SDXL,
    }.get(width or 0, ModelFamily.UNKNOWN)


_LORA_INPUT = re.compile(
    r"attn2[._](?:processor[.])?to_k(?:\.lora_down\.weight|\.lora_A\.weight|[._]lora\.down\.weight|\.hada_w1_b)$"
)
"""The matrix of a LoRA (or LoHa) that reads the text vectors; its second dimension is their width."""

_LORA_NAME_FAMILIES = (
    (("lora_te1_", "lora_te2_", "lora_unet_input_blocks_", "text_encoder_2."), ModelFamily.SDXL),
    (
        (
            "lora_unet_double_blocks_",
            "lora_unet_single_blocks_",
            "lora_transformer_single_",
            "transformer.single_",
            "diffusion_model.double_blocks.",
            "diffusion_model.single_blocks.",
        ),
        ModelFamily.FLUX,
    ),
    (("lora_unet_joint_blocks_", "diffusion_model.joint_blocks."), ModelFamily.SD3),
)
"""Layers that only one family has, in kohya's, diffusers' and the models' own names."""

_DECLARED_FAMILIES = (
    (re.compile(r"xl|pony|illustrious"), ModelFamily.SDXL),
    (re.compile(r"flux"), ModelFamily.FLUX),
    (re.compile(r"stable-diffusion-v?3|sd_?3"), ModelFamily.SD3),
    (re.compile(r"stable-diffusion-v2|sd_v2"), ModelFamily.SD2),
    (re.compile(r"stable-diffusion-v1|sd_v1"), ModelFamily.SD1),
)
"""What ``modelspec.architecture`` and kohya's ``ss_base_model_version`` say, tried in order."""

_TEXT_LORA = "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"


def _lora_family(header: TensorHeader) -> ModelFamily:
    for name, info in header.tensors.items():
        if _LORA_INPUT.search(name) and len(info.shape) >= 2:
            return _family_by_width(info.shape[1])
    for prefixes, family in _LORA_NAME_FAMILIES:
        if _any_starts(header, prefixes):
            return family
    declared = " ".join(header.metadata.get(key, "") for key in ("modelspec.architecture", "ss_base_model_version"))
    for pattern, family in _DECLARED_FAMILIES:
        if pattern.search(declared.lower()):
            return family
    return _family_by_width(_second_side(header, _TEXT_LORA))


def _controlnet_family(header: TensorHeader) -> ModelFamily:
    if _any_starts(header, ("control_model.label_emb.", "label_emb.", "add_embedding.", "control_add_embedding.")):
        return ModelFamily.SDXL
    adapter = _second_side(header, "conv_in.weight") or _second_side(header, "adapter.conv_in.weight")
    if adapter and _any_starts(header, ("body.", "adapter.body.")):
        # Channels times the pixels of a block: 8x8 for SD1, 16x16 for SDXL (hechos/extensiones.md 3).
        return ModelFamily.SDXL if adapter in (256, 768) else ModelFamily.SD1
    return _family_by_width(_text_width(header, ""))


def _second_side(header: TensorHeader, name: str) -> int | None:
    """Second dimension of tensor ``name``, or None."""
    return next(iter((header.shape(name) or ())[1:2]), None)


def _embedding_family(header: TensorHeader) -> ModelFamily:
    if {"clip_l", "clip_g"} <= header.tensors.keys():
        return ModelFamily.SDXL
    widths = {info.shape[-1] for info in header.tensors.values() if info.shape}
    return _family_by_width(widths.pop()) if len(widths) == 1 else ModelFamily.UNKNOWN


_FAMILY_OF_KIND: dict[ModelKind, Callable[[TensorHeader], ModelFamily]] = {
    ModelKind.CHECKPOINT: _checkpoint_family,
    ModelKind.LORA: _lora_family,
    ModelKind.CONTROLNET: _controlnet_family,
    ModelKind.EMBEDDING: _embedding_family,
}


def declared_size(header: TensorHeader) -> int | None:
    """Native size in pixels that the file's own metadata state, if they do."""
    declared = re.fullmatch(r"(\d{2,4})x(\d{2,4})", header.metadata.get(RESOLUTION_KEY, ""))
    return int(declared[1]) if declared else None


def _native_size(header: TensorHeader, family: ModelFamily) -> int:
    return declared_size(header) or NATIVE_SIZES[family]
