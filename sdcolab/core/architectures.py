"""Models of other architectures, so that each is called by its name instead of being taken for a Stable Diffusion one
(hechos/mercado.md 2; the names of blocks are those of the published model files).

A row's ``checkpoint`` signs are parts of tensor names of whole models; ``declared`` is looked for in what a file or
civitai says of itself. LoRAs have a table of their own (``core.lora_families``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class ModelFamily(StrEnum):
    """Which generation of Stable Diffusion, or which other architecture, a file belongs to. Values are shown.

    Some tensors tell no more than two that they may be for, or that it is some diffusion transformer (``OTHER``) or
    language model.
    """

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
    SVD = "Stable Video Diffusion"
    FLUX_OR_CHROMA = "Flux/Chroma"
    FLUX_OR_SD3 = "Flux/SD3"
    LANGUAGE = "LLM"
    OTHER = "DiT"
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
    declared: str = ""


ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(ModelFamily.PLAYGROUND, (("edm_mean",),), r"playground[\s_-]*v?2[._]?5"),
    Architecture(ModelFamily.SVD, (("time_stack", "input_blocks."),), r"\bsvd\b|video.?diffusion"),
    Architecture(ModelFamily.CHROMA, (("distilled_guidance_layer.",),), r"chroma"),
    Architecture(ModelFamily.FLUX2, (("double_stream_modulation_img.",),), r"flux\.?\s*-?2|klein"),
    Architecture(
        ModelFamily.HUNYUAN_VIDEO,
        (("individual_token_refiner",), ("double_blocks.0.img_attn_q",), ("token_refiner.refiner_blocks.",)),
        r"hunyuan.?(?:video|image)",
    ),
    Architecture(
        ModelFamily.AURAFLOW, (("double_layers.0.",), ("joint_transformer_blocks.0.",)), r"auraflow|pony\s?v?7"
    ),
    Architecture(
        ModelFamily.FLUX,
        (("double_blocks.0.",), ("single_transformer_blocks.0.",), ("controlnet_x_embedder.", "context_embedder.")),
        r"flux",
    ),
    Architecture(
        ModelFamily.SD3,
        (("joint_blocks.0.",), ("transformer_blocks.0.norm1_context.", "pos_embed."), ("pos_embed_input.",)),
        r"stable-diffusion-v?3|sd[\s_-]?3",
    ),
    Architecture(ModelFamily.ANIMA, (("llm_adapter.",),), r"anima\b"),
    Architecture(ModelFamily.COSMOS, (("blocks.0.cross_attn.k_proj.",), ("blocks.block0.blocks.0.",)), r"cosmos"),
    Architecture(
        ModelFamily.Z_IMAGE,
        (
            *(("cap_embedder.", f"layers.0.attention.{part}.", "=2560") for part in ("qkv", "to_q")),
            ("control_layers.0.attention.",),
        ),
        r"z[\s_-]?image",
    ),
    Architecture(ModelFamily.OMNIGEN, (("llm.layers.0.", "time_token."), ("ref_image_refiner.",)), r"omnigen"),
    Architecture(ModelFamily.LUMINA, (("cap_embedder.", "layers.0.attention."),), r"lumina"),
    Architecture(
        ModelFamily.QWEN_IMAGE, (("transformer_blocks.0.img_mod.", "transformer_blocks.0.txt_mod."),), r"qwen"
    ),
    Architecture(
        ModelFamily.WAN,
        (
            ("blocks.0.cross_attn.k.", "blocks.0.self_attn.q."),
            ("blocks.0.attn2.add_k_proj.",),
            ("^blocks.0.attn2.to_k.", "scale_shift_table"),
        ),
        r"\bwan\b|wan\s?(?:video|2)",
    ),
    Architecture(ModelFamily.HUNYUAN_DIT, (("mlp_t5.0.", "pooler."),), r"hunyuan.?(?:dit|1)"),
    Architecture(
        ModelFamily.HIDREAM, (("double_stream_blocks.0.", "caption_projection."), ("ff_i.experts.",)), r"hidream"
    ),
    Architecture(
        ModelFamily.PIXART,
        (
            ("blocks.0.cross_attn.kv_linear.",),
            ("transformer_blocks.0.attn2.to_k.", "pos_embed.", "caption_pro"),
        ),
        r"pixart",
    ),
    Architecture(ModelFamily.SANA, (("transformer_blocks.0.ff.conv_inverted.",),), r"\bsana\b"),
    Architecture(
        ModelFamily.LTX,
        (("patchify_proj.", "transformer_blocks.0."), ("adaln_single.", "transformer_blocks.0.attn2.")),
        r"ltx",
    ),
    Architecture(ModelFamily.MOCHI, (("t5_y_embedder.",),), r"mochi"),
    Architecture(
        ModelFamily.COGVIDEO, (("transformer_blocks.0.norm1.linear.", "patch_embed.text_proj."),), r"cogvideo"
    ),
    Architecture(ModelFamily.KOLORS, (("encoder_hid_proj.", "down_blocks.1.attentions."),), r"kolors"),
    Architecture(ModelFamily.CASCADE, (("clip_txt_pooled_mapper.",), ("down_blocks.0.0.channelwise.",)), r"cascade"),
    Architecture(ModelFamily.KANDINSKY, (("visual_transformer_blocks.",),), "kandin"),
    Architecture(ModelFamily.KREA, declared=r"krea"),
    Architecture(ModelFamily.ERNIE, declared=r"ernie"),
    Architecture(ModelFamily.IDEOGRAM, declared=r"ideogram"),
)
"""Tried in order. In a group of signs ``=`` marks the width that a layer reads, and ``^`` the beginning of a name."""

_ALIKE: Mapping[ModelFamily, frozenset[ModelFamily]] = {
    ModelFamily.FLUX: frozenset({ModelFamily.FLUX2, ModelFamily.CHROMA}),
    ModelFamily.FLUX_OR_CHROMA: frozenset({ModelFamily.FLUX, ModelFamily.FLUX2, ModelFamily.CHROMA}),
    ModelFamily.FLUX_OR_SD3: frozenset({ModelFamily.FLUX, ModelFamily.SD3}),
    ModelFamily.QWEN_IMAGE: frozenset({ModelFamily.FLUX, ModelFamily.FLUX2}),
    ModelFamily.ANIMA: frozenset({ModelFamily.COSMOS}),
    ModelFamily.SDXL: frozenset({ModelFamily.KOLORS}),
    ModelFamily.SD1: frozenset({ModelFamily.SD2}),
    ModelFamily.OTHER: frozenset(ModelFamily) - {row.family for row in OWN_FAMILIES},
}
"""Families that a file's layers may be taken for, and those that have layers of the same names and widths: only what
somebody says of the file tells them apart."""


def settled(found: ModelFamily, said: ModelFamily) -> ModelFamily:
    """The family of a file whose tensors tell ``found``, and of which itself or its site says ``said``."""
    doubtful = found is ModelFamily.UNKNOWN or said in _ALIKE.get(found, ())
    return said if doubtful and said is not ModelFamily.UNKNOWN else found


def foreign(names: Iterable[str], widths: Mapping[str, int]) -> ModelFamily | None:
    """The other architecture whose signs are in the tensor ``names`` of a whole model, or None.

    ``widths`` gives the width that those layers read which tell it, by name.
    """
    text = "\n".join(("", *names, ""))
    for row in ARCHITECTURES:
        for signs in row.checkpoint:
            if all(_holds(sign, text, widths) for sign in signs):
                return row.family
    return None


_CONTROLS = (
    *("controlnet_blocks.", "controlnet_mode_embedder.", "control_layers.", "ip_adapter_proj_model."),
    *("redux_up.", "pulid_ca.", "double_blocks.0.processor.ip_adapter_"),
)
"""Begins tensors of what guides transformers (Flux, SD 3, Qwen, Z-Image)."""
_SHIFTS_OF_ANIMA = "lllite_dit_"
"""Begins tensors of the ControlLLLite that is made for a transformer."""
_CONTROLS_FOR_FLUX = ("redux_up.", "pulid_ca.")
_ADAPTED = re.compile(r"(?:ip_adapter\.)?\d+\.(?:processor\.)?to_k_ip\.(?:0\.)?weight")
"""What an IP-Adapter's attention reads of the picture; its second side is as wide as the model's texts."""
_ADAPTED_WIDTHS: Mapping[int, ModelFamily] = {
    1536: ModelFamily.SD3,
    2432: ModelFamily.SD3,
    3072: ModelFamily.FLUX,
}
"""By the width of the model that such an attention belongs to."""


def foreign_control(shapes: Mapping[str, tuple[int, ...]]) -> ModelFamily | None:
    """The other architecture that a control model with tensors of these ``shapes`` guides; None for one of ours."""
    if found := foreign(shapes, {}):
        return found
    if any(name.startswith(_SHIFTS_OF_ANIMA) for name in shapes):
        return ModelFamily.ANIMA
    if any(name.startswith(_CONTROLS) for name in shapes):
        return ModelFamily.FLUX if any(name.startswith(_CONTROLS_FOR_FLUX) for name in shapes) else ModelFamily.OTHER
    adapted = next((shape for name, shape in shapes.items() if len(shape) == 2 and _ADAPTED.fullmatch(name)), None)
    if adapted is None or adapted[1] in FAMILY_OF_WIDTH:
        return None
    return _ADAPTED_WIDTHS.get(adapted[0])


def declared_family(text: str) -> ModelFamily:
    """The family that a file's metadata or civitai's ``baseModel`` names; UNKNOWN when it names none of ours."""
    text = text.casefold()
    rows: tuple[Architecture | OwnFamily, ...] = (*ARCHITECTURES, *OWN_FAMILIES)
    known = (row.family for row in rows if row.declared and re.search(row.declared, text))
    return next(known, ModelFamily.UNKNOWN)


def _holds(sign: str, text: str, widths: Mapping[str, int]) -> bool:
    if sign.startswith("="):
        return int(sign[1:]) in widths.values()
    return sign.replace("^", "\n") in text
