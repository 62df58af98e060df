"""Models of other architectures, so that each is called by its name instead of being taken for a Stable Diffusion one
(hechos/mercado.md 2; the names of blocks are those of the published model files).

A row's signs are parts of tensor names. ``checkpoint`` signs are looked for in whole models, ``lora`` signs in the
layer keys of LoRAs (``core.lora_names``), where dots are underscores; ``declared`` in what a file or civitai says of
itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class ModelFamily(StrEnum):
    """Which generation of Stable Diffusion, or which other architecture, a file belongs to. Values are shown."""

    SD1 = "SD1"
    SD2 = "SD2"
    SDXL = "SDXL"
    SDXL_REFINER = "SDXL Refiner"
    SD3 = "SD3"
    FLUX = "Flux"
    FLUX2 = "Flux 2"
    CHROMA = "Chroma"
    AURAFLOW = "AuraFlow"
    ANIMA = "Anima"
    COSMOS = "Cosmos"
    Z_IMAGE = "Z-Image"
    LUMINA = "Lumina 2"
    QWEN_IMAGE = "Qwen-Image"
    WAN = "Wan"
    LTX = "LTX-Video"
    HUNYUAN_VIDEO = "HunyuanVideo"
    HUNYUAN_DIT = "Hunyuan-DiT"
    HIDREAM = "HiDream"
    PIXART = "PixArt"
    SANA = "Sana"
    KOLORS = "Kolors"
    CASCADE = "Stable Cascade"
    KANDINSKY = "Kandinsky"
    COGVIDEO = "CogVideoX"
    MOCHI = "Mochi"
    OMNIGEN = "OmniGen"
    KREA = "Krea"
    ERNIE = "Ernie Image"
    IDEOGRAM = "Ideogram"
    PLAYGROUND = "Playground v2.5"
    COSXL = "CosXL"
    SVD = "Stable Video Diffusion"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class OwnFamily:
    """How a family that the engine can run is told from the others, before anything is loaded.

    ``side`` in pixels of the square pictures it was trained on. ``text_width``: of the vectors that its
    cross-attention reads. ``texts``: how the names of its text encoder's tensors begin in a checkpoint; where two
    families begin alike the width decides. ``declared``: as in ``Architecture``.
    """

    family: ModelFamily
    side: int
    text_width: int
    texts: tuple[str, ...]
    declared: str = ""


OWN_FAMILIES: tuple[OwnFamily, ...] = (
    OwnFamily(
        ModelFamily.SDXL,
        1024,
        2048,
        ("conditioner.embedders.1.", "conditioner.embedders.0.transformer."),
        r"xl|pony|illustrious|noob|playground",
    ),
    OwnFamily(ModelFamily.SDXL_REFINER, 1024, 1280, ("conditioner.embedders.0.model.",)),
    OwnFamily(
        ModelFamily.SD2,
        768,  # of its two models, of 512 and 768 pixels, nothing in a header tells which one it is
        1024,
        ("cond_stage_model.model.", "conditioner.embedders.0.model."),  # the second in SD-Turbo
        r"stable-diffusion-v2|sd[\s_-]?v?2",
    ),
    OwnFamily(ModelFamily.SD1, 512, 768, ("cond_stage_model.transformer.",), r"stable-diffusion-v1|sd[\s_-]?v?1"),
)
"""One row each, tried in order; their folders are in ``engine.families``."""

RUN_HERE = frozenset(row.family for row in OWN_FAMILIES)
"""Families that the engine can run."""

FAMILY_OF_SIDE: Mapping[int, ModelFamily] = {row.side: row.family for row in reversed(OWN_FAMILIES)}
"""Where two were trained on pictures of one size, the one that comes first in the table."""

FAMILY_OF_WIDTH: Mapping[int, ModelFamily] = {row.text_width: row.family for row in OWN_FAMILIES}


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row; see the module. All of a group of signs must be there; any of the groups is enough."""

    family: ModelFamily
    checkpoint: tuple[tuple[str, ...], ...] = ()
    lora: tuple[tuple[str, ...], ...] = ()
    declared: str = ""


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(ModelFamily.PLAYGROUND, (("edm_mean",),), declared=r"playground[\s_-]*v?2[._]?5"),
    Architecture(ModelFamily.COSXL, (("edm_vpred.sigma",),), declared=r"cosxl"),
    Architecture(ModelFamily.SVD, (("time_stack", "input_blocks."),), declared=r"\bsvd\b|video.?diffusion"),
    Architecture(ModelFamily.CHROMA, (("distilled_guidance_layer.",),), (("distilled_guidance_layer",),), r"chroma"),
    Architecture(
        ModelFamily.FLUX2,
        (("double_stream_modulation_img.",),),
        (
            *(("double_stream_modulation",), ("single_transformer_blocks", "to_qkv_mlp_proj"), ("single_blocks_47_",)),
            *(("double_blocks_0_img_attn_qkv", f"={width}") for width in (4096, 6144)),
        ),
        r"flux\.?\s*-?2|klein",
    ),
    Architecture(
        ModelFamily.HUNYUAN_VIDEO,
        (("individual_token_refiner",), ("double_blocks.0.img_attn_q",), ("token_refiner.refiner_blocks.",)),
        (
            ("individual_token_refiner",),
            ("token_refiner_refiner_blocks",),
            ("double_blocks_0_img_attn_qkv", "txt_attn_proj", "double_blocks_19"),
        ),
        r"hunyuan.?(?:video|image)",
    ),
    Architecture(
        ModelFamily.AURAFLOW,
        (("double_layers.0.",), ("joint_transformer_blocks.0.",)),
        (("double_layers_",), ("joint_transformer_blocks_",)),
        r"auraflow|pony\s?v?7",
    ),
    Architecture(
        ModelFamily.FLUX,
        (("double_blocks.0.",), ("single_transformer_blocks.0.",), ("controlnet_x_embedder.", "context_embedder.")),
        (
            *(("double_blocks_0_",), ("unet_double_blocks_",), ("unet_single_blocks_",)),
            *(("single_transformer_blocks_",), ("transformer_single_",)),
        ),
        r"flux",
    ),
    Architecture(
        ModelFamily.SD3,
        (("joint_blocks.0.",), ("transformer_blocks.0.norm1_context.", "pos_embed."), ("pos_embed_input.",)),
        (
            ("joint_blocks_",),
            ("transformer_blocks_0_attn_add_k", "=1536"),
            ("transformer_blocks_0_attn_add_k", "=2432"),
        ),
        r"stable-diffusion-v?3|sd[\s_-]?3",
    ),
    Architecture(
        ModelFamily.ANIMA,
        (("llm_adapter.",),),
        (("llm_adapter",), ("unet_blocks_0_cross_attn_k_proj",)),
        r"anima\b",
    ),
    Architecture(
        ModelFamily.COSMOS,
        (("blocks.0.cross_attn.k_proj.",), ("blocks.block0.blocks.0.",)),
        (("blocks_0_adaln_modulation_self_attn",),),
        r"cosmos",
    ),
    Architecture(
        ModelFamily.Z_IMAGE,
        (
            *(("cap_embedder.", f"layers.0.attention.{part}.", "=2560") for part in ("qkv", "to_q")),
            ("control_layers.0.attention.",),
        ),
        (
            *(("layers_0_attention_to_q",), ("layers_0_attention_qkv", "=3840"), ("layers_0_feed_forward_", "=3840")),
            ("noise_refiner", "layers_", "z_image"),
        ),
        r"z[\s_-]?image",
    ),
    Architecture(
        ModelFamily.OMNIGEN,
        (("llm.layers.0.", "time_token."), ("ref_image_refiner.",)),
        (("layers_0_attn_to_q", "=2520"), ("ref_image_refiner_",)),
        r"omnigen",
    ),
    Architecture(
        ModelFamily.LUMINA,
        (("cap_embedder.", "layers.0.attention."),),
        (
            *(("layers_0_attention_qkv",), ("noise_refiner",), ("layers_0_attn_to_q",)),
            ("layers_0_feed_forward_", "=2304"),
        ),
        r"lumina",
    ),
    Architecture(
        ModelFamily.QWEN_IMAGE,
        (("transformer_blocks.0.img_mod.", "transformer_blocks.0.txt_mod."),),
        (
            *(
                ("transformer_blocks_0_img_mlp",),
                ("transformer_blocks_0_img_mod",),
                ("transformer_blocks_0_attn_add_",),
            ),
            ("transformer_blocks_59_attn_",),
        ),
        r"qwen",
    ),
    Architecture(
        ModelFamily.WAN,
        (
            ("blocks.0.cross_attn.k.", "blocks.0.self_attn.q."),
            ("blocks.0.attn2.add_k_proj.",),
            ("^blocks.0.attn2.to_k.", "scale_shift_table"),
        ),
        (
            *(("blocks_0_cross_attn_k", "blocks_0_self_attn_q"), ("blocks_0_cross_attn_k_img",)),
            *(("blocks_0_self_attn_q", "blocks_0_ffn_0"), ("blocks_0_attn1_to_q", "blocks_0_ffn_net")),
            *(("transformer_blocks_0_attn2_to_k", "=5120"), ("transformer_blocks_0_attn2_to_k", "=1536")),
            *(("^blocks_0_attn2_to_k",), ("^lora_unet_blocks_0_attn2_to_k",)),
            *((f"blocks_0_{attention}_attn_{part}$",) for attention in ("self", "cross") for part in "qkvo"),
        ),
        r"\bwan\b|wan\s?(?:video|2)",
    ),
    Architecture(
        ModelFamily.HUNYUAN_DIT, (("mlp_t5.0.", "pooler."),), (("blocks_0_attn1_wqkv",),), r"hunyuan.?(?:dit|1)"
    ),
    Architecture(
        ModelFamily.HIDREAM,
        (("double_stream_blocks.0.", "caption_projection."), ("ff_i.experts.",)),
        (("double_stream_blocks_",),),
        r"hidream",
    ),
    Architecture(
        ModelFamily.PIXART,
        (
            ("blocks.0.cross_attn.kv_linear.",),
            ("transformer_blocks.0.attn2.to_k.", "pos_embed.", "caption_pro"),
        ),
        (("blocks_0_cross_attn_kv_linear",), ("transformer_blocks_0_attn2_to_k", "=1152")),
        r"pixart",
    ),
    Architecture(
        ModelFamily.SANA,
        (("transformer_blocks.0.ff.conv_inverted.",),),
        (("transformer_blocks_0_ff_conv_inverted",), ("transformer_blocks_0_attn2_to_k", "=2240")),
        r"\bsana\b",
    ),
    Architecture(
        ModelFamily.LTX,
        (("patchify_proj.", "transformer_blocks.0."), ("adaln_single.", "transformer_blocks.0.attn2.")),
        (("lora_unet_transformer_blocks_0_attn2_",), ("transformer_transformer_blocks_0_attn2_",)),
        r"ltx",
    ),
    Architecture(ModelFamily.MOCHI, (("t5_y_embedder.",),), (("transformer_blocks_0_attn1_add_",),), r"mochi"),
    Architecture(
        ModelFamily.COGVIDEO,
        (("transformer_blocks.0.norm1.linear.", "patch_embed.text_proj."),),
        (("^transformer_blocks_0_attn1_to_",), ("^transformer_transformer_blocks_0_attn1_to_",)),
        r"cogvideo",
    ),
    Architecture(ModelFamily.KOLORS, (("encoder_hid_proj.", "down_blocks.1.attentions."),), declared=r"kolors"),
    Architecture(
        ModelFamily.CASCADE, (("clip_txt_pooled_mapper.",), ("down_blocks.0.0.channelwise.",)), declared=r"cascade"
    ),
    Architecture(
        ModelFamily.KANDINSKY, (("visual_transformer_blocks.",),), (("visual_transformer_blocks_",),), "kandin"
    ),
    Architecture(ModelFamily.KREA, declared=r"krea"),
    Architecture(ModelFamily.ERNIE, declared=r"ernie"),
    Architecture(ModelFamily.IDEOGRAM, declared=r"ideogram"),
)
"""Tried in order. In a group of signs ``=`` marks the width that a layer reads, ``^`` the beginning of a name and ``$``
its end."""


def foreign(names: Iterable[str], widths: Mapping[str, int], *, lora: bool) -> ModelFamily | None:
    """The other architecture whose signs are in ``names`` (layer keys for a ``lora``), or None.

    ``widths`` gives the width that those layers read which tell it, by name.
    """
    text = "\n".join(("", *names, ""))
    for row in ARCHITECTURES:
        for signs in row.lora if lora else row.checkpoint:
            if all(_holds(sign, text, widths) for sign in signs):
                return row.family
    return None


def declared_family(text: str) -> ModelFamily:
    """The family that a file's metadata or civitai's ``baseModel`` names; UNKNOWN when it names none of ours."""
    text = text.casefold()
    rows: tuple[Architecture | OwnFamily, ...] = (*ARCHITECTURES, *OWN_FAMILIES)
    known = (row.family for row in rows if row.declared and re.search(row.declared, text))
    return next(known, ModelFamily.UNKNOWN)


def _holds(sign: str, text: str, widths: Mapping[str, int]) -> bool:
    if sign.startswith("="):
        return int(sign[1:]) in widths.values()
    return sign.replace("^", "\n").replace("$", "\n") in text
