"""What a model file is, told by the names and shapes of its tensors alone (hechos/lanzadores.md 4d, extensiones.md 3).

Works on a header read from disk or, before a download, on one read by HTTP Range. ``KIND_RULES`` is tried in order; the
first that matches wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sdcolab.core.architectures import (
    FAMILY_OF_WIDTH,
    OWN_FAMILIES,
    ModelFamily,
    declared_family,
    foreign,
    foreign_control,
    settled,
)
from sdcolab.core.lora_families import foreign_lora, likely_lora, lora_layers, own_lora, shifted_layers
from sdcolab.core.lora_names import LORA_SIGNS, layers_of
from sdcolab.core.tensors import TensorHeader

__all__ = ["Detected", "ModelFamily", "ModelKind", "Prediction", "declared_size", "detect"]


class ModelKind(StrEnum):
    """What a file is for. Each kind has its folder (``core.folders``) and Spanish label (``core.words``)."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    VAE = "vae"
    EMBEDDING = "embedding"
    CONTROLNET = "controlnet"
    UPSCALER = "upscaler"
    HYPERNETWORK = "hypernetwork"
    TEXT_ENCODER = "text_encoder"
    UNET = "unet"
    ANNOTATOR = "annotator"
    CLIP_VISION = "clip_vision"
    DETECTOR = "detector"
    FACES = "faces"
    TINY_VAE = "tiny_vae"
    MOTION = "motion"
    OTHER = "other"


class Prediction(StrEnum):
    """What a UNet was trained to predict (hechos/a1111.md 3.2): the noise, or v = sqrt(abar) noise - sqrt(1 - abar)
    image (Salimans & Ho 2022, arXiv:2202.00512)."""

    EPSILON = "epsilon"
    V = "v"


NATIVE_SIZES = {
    **dict.fromkeys(ModelFamily, 1024),
    ModelFamily.UNKNOWN: 512,
    **{row.family: row.side for row in OWN_FAMILIES},
}
"""Side in pixels of the square images each family was trained on. Which of SD 2's two models a file is, the engine
finds out when it loads it.
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
    header = _without_common_prefix(header)
    kind = next((kind for kind, matches in KIND_RULES if matches(header)), ModelKind.OTHER)
    family = _FAMILY_OF_KIND.get(kind, _unknown_family)(header)
    return Detected(kind=kind, family=family, native_size=_native_size(header, family))


def _without_common_prefix(header: TensorHeader) -> TensorHeader:
    names = header.tensors.keys()
    prefix = next((one for one in _TRAINERS_PREFIXES if names and all(name.startswith(one) for name in names)), "")
    if not prefix or _is_motion(header):
        return header
    return replace(header, tensors={name.removeprefix(prefix): info for name, info in header.tensors.items()})


# --- Kinds --------------------------------------------------------------------------------------------------------

_LORA_PREFIXES = (
    *("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_transformer_", "oft_unet_", "lycoris_"),
    *("lora_A.", "lora_B.", "base_model.model."),
)
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
    *("controlnet_blocks.", "controlnet_mode_embedder.", "control_layers.", "ip_adapter_proj_model."),
    *("redux_up.", "pulid_ca."),
)
"""ControlNet in both namings, and of other architectures, T2I-Adapter, Control-LoRA, IP-Adapter and ControlLLLite: all
go where ControlNets go."""
_UPSCALER_NAMES = (
    *("conv_first.weight", "model.0.weight", "RRDB_trunk.0.RDB1.conv1.weight", "m_head.0.weight"),
    *("conv_1.sk.weight", "block_1.c1_r.sk.weight"),  # SPAN
    *("feats.0.weight", "feats.1.channe_mixer.0.weight"),  # PLKSR, RealPLKSR
    "residual_layer.0.residual_layer.0.layer.0.fn.0.weight",  # OmniSR
    *("head.0.weight", "tail.0.weight", "tail.0.0.weight"),  # EDSR, RCAN
    *("unet1.conv1.conv.0.weight", "feats.0.eval_conv.weight"),  # Real-CUGAN, SPANPlus
    *("to_feat.weight", "to_feat.0.weight", "gblocks.0.weight", "in_to_dim.weight", "sft.weight"),
)
_TRAINERS_PREFIXES = ("module.", "netG.", "generator.")
"""What training programs put before every name: of a model on several cards, or of one of two networks."""
_HYPERNETWORK = re.compile(r"(320|640|768|1024|1280)\.[01]\.")
"""A dict keyed by context width, of pairs of networks."""
SDXL_EMBEDDINGS = (("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1"))
"""What the vectors for SDXL's two text encoders are called: by A1111, and by diffusers' trainer."""
_CLIP_EMBEDDING_NAMES = {"emb_params", *(name for pair in SDXL_EMBEDDINGS for name in pair)}
UNET_PREFIX = "model.diffusion_model."
_TEXT_SIGNS = ("text_model.encoder.layers.", "encoder.layers.", "transformer.resblocks.", "encoder.block.0.layer.")
_T5_DECODER = "decoder.block.0.layer."
_LANGUAGE_MODEL = re.compile(r"(?:^|\.)model\.(?:language_model\.)?layers\.0\.self_attn\.q_proj\.")
"""Qwen, Gemma, Llama and Mistral, which read the prompts of architectures after 2024."""
_UMT5 = frozenset({"token_embedding.weight", "blocks.0.attn.q.weight", "blocks.0.ffn.fc1.weight"})
"""In Wan's own names."""


def _any_starts(header: TensorHeader, prefixes: tuple[str, ...]) -> bool:
    return any(name.startswith(prefixes) for name in header.tensors)


_XLABS = re.compile(r"_lora\d\.(?:down|up)\.weight$")
"""XLabs' LoRAs for Flux, which keep theirs in processors of attention."""


def _is_lora(header: TensorHeader) -> bool:
    if _any_starts(header, (UNET_PREFIX,)) and not _any_starts(header, _LORA_PREFIXES):
        return any(".lora_" in name for name in header.tensors)
    layers = layers_of(header.tensors)
    return any(LORA_SIGNS & tensors.keys() for tensors in layers.values()) or any(map(_XLABS.search, header.tensors))


def _is_controlnet(header: TensorHeader) -> bool:
    if _any_starts(header, _CONTROL_PREFIXES):
        return True
    if {"body.0.in_conv.weight", "style_embedding"} & header.tensors.keys():  # T2I-Adapter's light ones, and style
        return True
    t2i_adapter = "conv_in.weight" in header.tensors and _any_starts(header, ("body.",))
    return t2i_adapter and not _any_starts(header, ("decoder.",))


def _is_clip_vision(header: TensorHeader) -> bool:
    """What IP-Adapters read pictures with, in transformers' names."""
    return "vision_model.embeddings.patch_embedding.weight" in header.tensors and not _any_starts(
        header, ("text_model.",)
    )


def _is_checkpoint(header: TensorHeader) -> bool:
    return _any_starts(header, (UNET_PREFIX,)) or _other_architecture(header) is not None


def _is_bare_unet(header: TensorHeader) -> bool:
    """A UNet of Stable Diffusion alone, with neither text encoder nor VAE: in its own names, with or without their
    place in a checkpoint, or in diffusers'."""
    diffusers = "conv_in.weight" in header.tensors and _any_starts(header, ("down_blocks.",))
    own = _any_starts(header, ("input_blocks.", f"{UNET_PREFIX}input_blocks."))
    rest = ("cond_stage_model.", "conditioner.", "first_stage_model.", "text_encoders.", "vae.", "decoder.")
    return (diffusers or own) and not _any_starts(header, rest) and _other_architecture(header) is None


def _is_text_encoder(header: TensorHeader) -> bool:
    """CLIP, T5 or a language model alone. T5's own decoder is no VAE's."""
    if header.tensors.keys() >= _UMT5 or any(map(_LANGUAGE_MODEL.search, header.tensors)):
        return True
    return _any_starts(header, (*_TEXT_SIGNS, _T5_DECODER))


def _is_vae(header: TensorHeader) -> bool:
    """With an encoder and a decoder; those with a codebook for faces (RestoreFormer) are none."""
    return (
        not _is_t5(header)
        and not _any_starts(header, ("quantize.",))
        and _any_starts(header, ("decoder.", "first_stage_model.decoder."))
        and _any_starts(header, ("encoder.", "first_stage_model.encoder.", "quant_conv.", "post_quant_conv."))
    )


def _is_t5(header: TensorHeader) -> bool:
    return _any_starts(header, (_T5_DECODER, "encoder.block.0.layer.")) or "shared.weight" in header.tensors


def _is_tiny_vae(header: TensorHeader) -> bool:
    """TAESD, in its author's names or in those of diffusers (hechos/a1111.md 6)."""
    names = header.tensors.keys()
    return bool({"1.conv.0.weight", "3.conv.0.weight"} & names) or _any_starts(
        header, ("encoder.layers.1.conv.", "decoder.layers.2.conv.")
    )


def _is_motion(header: TensorHeader) -> bool:
    """AnimateDiff: what makes a model draw videos, and LoRAs for it."""
    names = [name.removeprefix("module.") for name in header.tensors]
    return bool(names) and all("motion_module" in name for name in names)


def _is_upscaler(header: TensorHeader) -> bool:
    compact = (header.shape("body.0.weight") or ())[1:] == (3, 3, 3)
    return compact or any(name in header.tensors for name in _UPSCALER_NAMES) or _any_starts(header, ("body.0.rdb1.",))


def is_ldsr(header: TensorHeader) -> bool:
    """Whether this is LDSR, which enlarges pictures: a latent diffusion model that sees the small picture beside
    latents of a codebook (hechos/extensiones.md 8)."""
    codes = header.shape("first_stage_model.quantize.embedding.weight") or ()
    seen = _second_side(header, f"{UNET_PREFIX}input_blocks.0.0.weight")
    return len(codes) == 2 and seen == 2 * codes[1]


def _is_hypernetwork(header: TensorHeader) -> bool:
    return any(_HYPERNETWORK.match(name) for name in header.tensors)


def _is_embedding(header: TensorHeader) -> bool:
    if _CLIP_EMBEDDING_NAMES & header.tensors.keys() or _any_starts(header, ("string_to_param.",)):
        return True
    shapes = [info.shape for info in header.tensors.values()]
    few = 0 < len(shapes) <= _MOST_VECTORS and not _is_text_encoder(header)
    return few and all(_is_vector(shape) for shape in shapes)


_MOST_VECTORS = 8
"""More tensors than this are no embedding in pieces."""


def _is_vector(shape: tuple[int, ...]) -> bool:
    """Text vectors [n, width] or one of [width]."""
    return shape[-1:] in {(768,), (1024,), (1280,)} and len(shape) <= 2


KIND_RULES: tuple[tuple[ModelKind, Callable[[TensorHeader], bool]], ...] = (
    (ModelKind.UPSCALER, is_ldsr),
    (ModelKind.CONTROLNET, _is_controlnet),
    (ModelKind.MOTION, _is_motion),
    (ModelKind.TINY_VAE, _is_tiny_vae),
    (ModelKind.LORA, _is_lora),
    (ModelKind.UNET, _is_bare_unet),
    (ModelKind.CHECKPOINT, _is_checkpoint),
    (ModelKind.VAE, _is_vae),
    (ModelKind.CLIP_VISION, _is_clip_vision),
    (ModelKind.TEXT_ENCODER, _is_t5),
    (ModelKind.UPSCALER, _is_upscaler),
    (ModelKind.HYPERNETWORK, _is_hypernetwork),
    (ModelKind.EMBEDDING, _is_embedding),
    (ModelKind.TEXT_ENCODER, _is_text_encoder),
)

# --- Families -----------------------------------------------------------------------------------------------------


def _unknown_family(_header: TensorHeader) -> ModelFamily:
    return ModelFamily.UNKNOWN


def _checkpoint_family(header: TensorHeader) -> ModelFamily:
    other = _other_architecture(header)
    if other is not None:
        return other
    width = text_width(header, UNET_PREFIX)
    begins = [row for row in OWN_FAMILIES if _any_starts(header, row.texts)]
    if not begins:
        return _family_by_width(width)
    return next((row for row in begins if row.text_width == width), begins[0]).family


def _other_architecture(header: TensorHeader) -> ModelFamily | None:
    widths = {name: info.shape[-1] for name, info in header.tensors.items() if "cap_embedder." in name and info.shape}
    return foreign(header.tensors, widths)


def _unet_family(header: TensorHeader) -> ModelFamily:
    width = text_width(header, "")
    return _family_by_width(width)


def _vae_family(header: TensorHeader) -> ModelFamily:
    """By what reads the latents. VAEs of 4 channels do not tell their family; those that convolve over time are
    videos', or of a family that took theirs."""
    name = next((name for name in _READING_LATENTS if len(header.shape(name) or ()) >= _FLAT), "")
    shape = header.shape(name) or ()
    channels = shape[1] if shape else _LATENT_CHANNELS
    if len(shape) > _FLAT:
        return _VIDEO_VAES.get((name, channels), ModelFamily.WAN)
    if channels == _LATENT_CHANNELS:
        return ModelFamily.UNKNOWN
    return (
        ModelFamily.SANA if _any_starts(header, ("decoder.stages.",)) else _FLAT_VAES.get(channels, ModelFamily.OTHER)
    )


_READING_LATENTS = (
    *("decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight"),
    *("decoder.conv1.weight", "decoder.conv_in.conv.weight"),
    *("decoder.layers.0.weight", "1.weight"),  # TAESD; an encoder has no such layer with four sides
)
_FLAT = 4
"""Sides of the weight of a convolution that does not look at the pictures before."""

_VIDEO_VAES: Mapping[tuple[str, int], ModelFamily] = {
    ("decoder.conv_in.conv.weight", 16): ModelFamily.HUNYUAN_VIDEO,
    ("decoder.conv_in.conv.weight", 128): ModelFamily.LTX,
}
_FLAT_VAES: Mapping[int, ModelFamily] = {16: ModelFamily.FLUX, 32: ModelFamily.FLUX2}
"""By latent channels; others took Flux's over."""

_LATENT_CHANNELS = 4
"""Of every Stable Diffusion up to SDXL."""


def text_width(header: TensorHeader, prefix: str = UNET_PREFIX) -> int | None:
    """Width of the text vectors that cross-attention reads: second dimension of any ``attn2.to_k``."""
    for name, info in header.tensors.items():
        if name.startswith(prefix) and name.endswith("attn2.to_k.weight") and len(info.shape) == 2:
            return info.shape[1]
    return None


def _family_by_width(width: int | None) -> ModelFamily:
    return FAMILY_OF_WIDTH.get(width or 0, ModelFamily.UNKNOWN)


_SAID_KEYS = ("modelspec.architecture", "ss_base_model_version", "ss_network_module", "ss_sd_model_name")
"""Metadata in which trainers write what a LoRA was made for."""


def _lora_family(header: TensorHeader) -> ModelFamily:
    said = declared_family(" ".join(header.metadata.get(key, "") for key in _SAID_KEYS))
    layers = lora_layers(header)
    if not layers:  # those of XLabs are for Flux
        return ModelFamily.FLUX
    found = settled(foreign_lora(layers) or own_lora(layers), said)
    return likely_lora(layers) if found is ModelFamily.UNKNOWN else found


def _controlnet_family(header: TensorHeader) -> ModelFamily:
    other = foreign_control({name: info.shape for name, info in header.tensors.items()})
    if other is not None:
        return other
    if _any_starts(header, ("control_model.label_emb.", "label_emb.", "add_embedding.", "control_add_embedding.")):
        return ModelFamily.SDXL
    firsts = ("conv_in.weight", "adapter.conv_in.weight", "body.0.in_conv.weight")
    adapter = next(filter(None, (_second_side(header, name) for name in firsts)), None)
    if "style_embedding" in header.tensors:
        return ModelFamily.SD1  # the only one that there is
    if adapter and _any_starts(header, ("body.", "adapter.body.")):
        # Channels times the pixels of a block: 8x8 for SD1, 16x16 for SDXL (hechos/extensiones.md 3).
        return ModelFamily.SDXL if adapter in (256, 768) else ModelFamily.SD1
    if _any_starts(header, ("lllite_unet_",)):
        layers = shifted_layers(header)
        found = own_lora(layers)
        return likely_lora(layers) if found is ModelFamily.UNKNOWN else found
    adapted = next((name for name in header.tensors if name.endswith(".to_k_ip.weight")), "")
    return _family_by_width(_second_side(header, adapted) if adapted else text_width(header, ""))


def _second_side(header: TensorHeader, name: str) -> int | None:
    """Second dimension of tensor ``name``, or None."""
    return next(iter((header.shape(name) or ())[1:2]), None)


def _embedding_family(header: TensorHeader) -> ModelFamily:
    if any(header.tensors.keys() >= set(pair) for pair in SDXL_EMBEDDINGS):
        return ModelFamily.SDXL
    widths = {info.shape[-1] for info in header.tensors.values() if info.shape}
    return _family_by_width(widths.pop()) if len(widths) == 1 else ModelFamily.UNKNOWN


_FAMILY_OF_KIND: dict[ModelKind, Callable[[TensorHeader], ModelFamily]] = {
    ModelKind.CHECKPOINT: _checkpoint_family,
    ModelKind.LORA: _lora_family,
    ModelKind.CONTROLNET: _controlnet_family,
    ModelKind.EMBEDDING: _embedding_family,
    ModelKind.UNET: _unet_family,
    ModelKind.VAE: _vae_family,
    ModelKind.TINY_VAE: _vae_family,
}


def declared_size(header: TensorHeader) -> int | None:
    """Native size in pixels that the file's own metadata state, if they do."""
    declared = re.fullmatch(r"(\d{2,4})x(\d{2,4})", header.metadata.get(RESOLUTION_KEY, ""))
    return int(declared[1]) if declared else None


def _native_size(header: TensorHeader, family: ModelFamily) -> int:
    return declared_size(header) or NATIVE_SIZES[family]
