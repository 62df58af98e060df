"""Which family a LoRA was made for, told by any of its layers: what the layer is called, and how wide what it reads and
what it writes is (the modules of the published model files; hechos/mercado.md 2).

People train a few blocks, only the feed-forward layers, or only a text encoder, so no layer can be counted on. Numbers
of blocks are left out of the names; where two architectures share names and widths, how many blocks there are tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sdcolab.core.architectures import FAMILY_OF_WIDTH, ModelFamily
from sdcolab.core.lora_names import layers_of
from sdcolab.core.tensors import TensorHeader


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a LoRA. ``key`` as in ``core.lora_names``; ``path``: the same without what trainers put before it, and
    with ``#`` for the numbers of blocks; ``number``: the first of those, or -1. ``reads`` and ``writes`` in channels, 0
    where the file does not tell. ``sides`` of its first matrix: 4 for convolutions, 0 where it has none.
    """

    key: str
    path: str
    number: int
    reads: int
    writes: int
    sides: int


@dataclass(frozen=True, slots=True)
class _Row:
    """Layers whose path begins like ``pattern``, that read or write one of ``widths`` (any, if empty), and ``reads`` or
    ``writes`` exactly so much where that is told, in a block of at least the number ``least``."""

    family: ModelFamily
    pattern: str
    widths: tuple[int, ...] = ()
    reads: int = 0
    writes: int = 0
    least: int = -1

    def holds(self, layer: Layer) -> bool:
        """Whether ``layer`` is one of these."""
        return (
            (not self.widths or layer.reads in self.widths or layer.writes in self.widths)
            and self.reads in (0, layer.reads)
            and self.writes in (0, layer.writes)
            and layer.number >= self.least
            and re.match(self.pattern, layer.path) is not None
        )


_DOUBLE = r"double_blocks_#_(?:img|txt)_"
_STREAMS = r"(?:double|single)_blocks_#_"
_SINGLE = r"single_transformer_blocks_#_"
_JOINT = r"transformer_blocks_#_(?:attn_|norm1_|ff_context_)"
_BLOCK = r"transformer_blocks_#_"
_LAYER = r"(?:layers|\w+_refiner)_#_"

_ROWS: tuple[_Row, ...] = (
    _Row(ModelFamily.CHROMA, r"distilled_guidance_layer"),
    _Row(ModelFamily.FLUX2, r"(?:double|single)_stream_modulation"),
    _Row(ModelFamily.FLUX2, rf"{_SINGLE}attn_to_(?:qkv_mlp_proj|out$)"),
    _Row(ModelFamily.FLUX2, rf"{_BLOCK}ff_(?:context_)?linear_"),
    # The models of 9 and 32 thousand million parameters; that of 4 is as wide as Flux, but its feed-forward layers are
    # gated.
    _Row(ModelFamily.FLUX2, rf"{_STREAMS}|{_SINGLE}|{_JOINT}", (4096, 6144)),
    _Row(ModelFamily.FLUX2, rf"single_blocks_#_linear1|{_DOUBLE}mlp_0", (18_432, 27_648)),
    _Row(ModelFamily.FLUX2, r"single_blocks_#_linear2", reads=12_288),
    _Row(ModelFamily.FLUX2, rf"{_DOUBLE}mlp_2", reads=9216),
    _Row(ModelFamily.HUNYUAN_VIDEO, r"(?:\w+_)?(?:individual_token_refiner|token_refiner_refiner_blocks)"),
    _Row(ModelFamily.HUNYUAN_VIDEO, rf"{_DOUBLE}(?:attn_[qkv]$|mlp_fc\d|mod_linear)|single_blocks_#_modulation_linear"),
    _Row(ModelFamily.HUNYUAN_VIDEO, rf"{_STREAMS}|{_JOINT}", (2048, 3584)),
    _Row(ModelFamily.FLUX2, r"single_blocks_#_", least=40),
    _Row(ModelFamily.HUNYUAN_VIDEO, r"double_blocks_#_", least=19),  # Flux has 19 and 38
    _Row(ModelFamily.HUNYUAN_VIDEO, rf"single_blocks_#_|{_SINGLE}", (3072,), least=38),
    _Row(
        ModelFamily.AURAFLOW,
        rf"(?:double|single)_layers_#_|joint_transformer_blocks_#_|{_SINGLE}(?:ff_linear_|ff_out_|attn_to_out_)",
    ),
    _Row(ModelFamily.HIDREAM, r"(?:double|single)_stream_blocks_#_"),
    _Row(ModelFamily.SD3, r"joint_blocks_#_"),
    _Row(ModelFamily.MOCHI, rf"{_BLOCK}attn1_add_"),
    _Row(ModelFamily.MOCHI, rf"{_BLOCK}ff_net_", (16_384,), reads=3072),
    _Row(ModelFamily.MOCHI, rf"{_BLOCK}ff_net_", (8192,), writes=3072),
    _Row(ModelFamily.SD3, _BLOCK, (1536, 2432)),
    _Row(ModelFamily.ANIMA, r"llm_adapter"),
    _Row(ModelFamily.COSMOS, r"blocks_#_(?:(?:self|cross)_attn_\w+_proj|adaln_modulation_|mlp_layer)", (5120,)),
    _Row(ModelFamily.ANIMA, r"blocks_#_(?:(?:self|cross)_attn_\w+_proj|adaln_modulation_|mlp_layer)"),
    _Row(ModelFamily.COSMOS, rf"{_BLOCK}", (5120,)),
    _Row(ModelFamily.FLUX, r"(?:double|single)_blocks_#_\w*mod\w*_lin$"),
    _Row(ModelFamily.FLUX, rf"{_SINGLE}norm_linear|{_BLOCK}norm1_context_linear"),
    _Row(ModelFamily.FLUX, rf"{_STREAMS}|{_SINGLE}"),
    _Row(ModelFamily.QWEN_IMAGE, rf"{_BLOCK}(?:img|txt)_m"),
    _Row(ModelFamily.QWEN_IMAGE, rf"{_BLOCK}attn_", least=19),
    _Row(ModelFamily.FLUX, rf"{_BLOCK}(?:norm1_linear|ff_context_)"),
    _Row(ModelFamily.QWEN_IMAGE, rf"{_BLOCK}attn_add_"),
    _Row(ModelFamily.QWEN_IMAGE, rf"{_BLOCK}attn_", (3072,)),
    _Row(ModelFamily.SANA, rf"{_BLOCK}ff_conv_|blocks_#_mlp_(?:inverted|depth|point)_conv"),
    _Row(ModelFamily.SANA, r"(?:transformer_)?blocks_#_", (2240,)),
    _Row(ModelFamily.PIXART, r"blocks_#_cross_attn_(?:q|kv)_linear"),
    _Row(ModelFamily.PIXART, r"(?:transformer_)?blocks_#_", (1152,)),
    _Row(ModelFamily.HUNYUAN_DIT, r"blocks_#_attn\d_(?:wqkv|kv_proj|q_proj|out_proj)"),
    _Row(ModelFamily.HUNYUAN_DIT, r"blocks_#_", (1408,)),
    _Row(ModelFamily.WAN, r"blocks_#_(?:(?:self|cross)_attn_(?:[qkvo]$|k_img|v_img|norm_)|ffn_|attn\d_(?:to|add)_)"),
    _Row(ModelFamily.LTX, r"patchify_proj|(?:\w+_)?audio_|transformer_blocks_#_audio_"),
    _Row(ModelFamily.LTX, rf"{_BLOCK}(?:attn\d|ff)_", (2048, 4096)),
    _Row(ModelFamily.COGVIDEO, rf"{_BLOCK}(?:attn1|ff)_", (1920,)),
    _Row(ModelFamily.COGVIDEO, rf"{_BLOCK}attn1_"),
    _Row(ModelFamily.COGVIDEO, rf"{_BLOCK}ff_net_", least=19),
    _Row(ModelFamily.FLUX, rf"{_BLOCK}ff_net_", (3072,)),
    _Row(ModelFamily.OMNIGEN, rf"{_LAYER}", (2520,)),
    _Row(ModelFamily.OMNIGEN, r"ref_image_refiner_|llm_layers_#_"),
    _Row(ModelFamily.Z_IMAGE, _LAYER, (3840, 10_240, 15_360)),
    _Row(ModelFamily.LUMINA, _LAYER, (2304, 9216)),
    _Row(ModelFamily.Z_IMAGE, r"layers_#_attention_to_"),
    _Row(ModelFamily.LUMINA, r"layers_#_(?:attn_to_|attention_qkv)|\w+_refiner_#_"),
    _Row(ModelFamily.KANDINSKY, r"(?:visual|text)_transformer_blocks_#_"),
    _Row(ModelFamily.CASCADE, r"prior_te_|(?:down|up)_blocks_#_\d+_|clip_txt_"),
    _Row(ModelFamily.KOLORS, r"encoder_hid_proj|(?:\w+_)?self_attention_query_key_value"),
    _Row(ModelFamily.KOLORS, r"add_embedding_linear_1", reads=5632),
    _Row(ModelFamily.SD3, r"text_encoder_3_"),
    _Row(ModelFamily.FLUX_OR_SD3, r"(?:\w+_)?encoder_block_#_layer_#_"),
    _Row(ModelFamily.LANGUAGE, r"(?:\w+_)?layers_#_(?:self_attn|mlp)_\w+_proj"),
    _Row(ModelFamily.OTHER, r"(?:\w+_)?(?:transformer_blocks|blocks|layers)_#_"),
)
"""Tried in order: those that only one architecture has come first."""

_OWN_LAYER = re.compile(
    r"(?:down|up)_blocks_#_(?:resnets|attentions|\w+samplers)_|mid_block_|(?:input|output)_blocks_#_|middle_block_"
)
"""Of Stable Diffusion's UNets."""

_BEFORE = re.compile(
    r"(?:lora_(?:unet|transformer|prior_unet)_|lora_(?=prior_te_)|base_model_model_|diffusion_model_|dit_|unet_)+"
)
_NUMBER = re.compile(r"(blocks?|layers?|refiner)_(\d+)(?=_)")


def lora_layers(header: TensorHeader) -> tuple[Layer, ...]:
    """The layers of a LoRA, in its order."""
    return tuple(_layer(header, key, tensors) for key, tensors in layers_of(header.tensors).items())


def foreign_lora(layers: Iterable[Layer]) -> ModelFamily | None:
    """The other architecture that a LoRA of these layers was made for; None where they may be one of ours."""
    unlike: dict[tuple[str, int, int], Layer] = {}
    own_unet = False
    for layer in layers:
        own_unet = own_unet or _OWN_LAYER.match(layer.path) is not None
        known = unlike.get((layer.path, layer.reads, layer.writes))
        if not _is_own(layer) and (known is None or known.number < layer.number):
            unlike[layer.path, layer.reads, layer.writes] = layer
    found = next((row.family for row in _ROWS if any(row.holds(layer) for layer in unlike.values())), None)
    if found is ModelFamily.OTHER and own_unet:  # blocks that nobody else names so either
        return None
    return ModelFamily.FLUX_OR_CHROMA if found is ModelFamily.FLUX and _may_be_chroma(unlike.values()) else found


def own_lora(layers: Iterable[Layer]) -> ModelFamily:
    """Which Stable Diffusion a LoRA of these layers was made for; UNKNOWN where they fit several alike."""
    told = [family for layer in layers if (family := _told_by(layer))]
    for family in (ModelFamily.SDXL_REFINER, ModelFamily.SDXL, ModelFamily.SD2, ModelFamily.SD1):
        if family in told:
            return family
    return ModelFamily.UNKNOWN


def likely_lora(layers: Sequence[Layer]) -> ModelFamily:
    """The same where no width tells: by where its layers are, and because CompVis' names for layers of the UNet are
    given to LoRAs for SDXL alone."""
    if any(_SD1_LAYER.match(layer.key) for layer in layers):
        return ModelFamily.SD1
    named = any(re.match(r"lora_unet_(?:input|output|middle)_block", layer.key) for layer in layers)
    return ModelFamily.SDXL if named else ModelFamily.UNKNOWN


_SHIFTED = re.compile(r"lllite_(?P<path>unet_.+?)\.(?:up|down)\.0\.weight")


def shifted_layers(header: TensorHeader) -> tuple[Layer, ...]:
    """The layers that a ControlLLLite shifts, which its trainer calls as it calls those of LoRAs. They read as many
    channels as they write."""
    found: dict[str, int] = {}
    for name, info in header.tensors.items():
        if match := _SHIFTED.fullmatch(name):
            found[f"lora_{match['path']}"] = max(info.shape, default=0)  # the other side is narrow
    return tuple(_shifted(key, width) for key, width in found.items())


def _shifted(key: str, width: int) -> Layer:
    path = _NUMBER.sub(r"\1_#", _BEFORE.sub("", key, count=1))
    return Layer(key=key, path=path, number=-1, reads=0, writes=width, sides=_LINEAR)


def _layer(header: TensorHeader, key: str, tensors: Mapping[str, str]) -> Layer:
    bare = _BEFORE.sub("", key, count=1) if _BEFORE.match(key) else key
    if any(name.removeprefix("base_model.model.").startswith("transformer.") for name in tensors.values()):
        bare = bare.removeprefix("transformer_")
    number = _NUMBER.search(bare)
    first = header.shape(next((tensors[name] for name in ("down", "diff", "weight") if name in tensors), "")) or ()
    return Layer(
        key=key,
        path=_NUMBER.sub(r"\1_#", bare),
        number=int(number[2]) if number else -1,
        reads=_width(header, tensors, 1),
        writes=_width(header, tensors, 0),
        sides=len(first),
    )


def _width(header: TensorHeader, tensors: Mapping[str, str], side: int) -> int:
    """Channels that a layer reads (``side`` 1) or writes (0): a side of one of its two matrices, or of all of it; of a
    Kronecker product, those of both its parts multiplied. 0 where the file does not tell."""

    def channels(*names: str) -> int:
        name = next((tensors[name] for name in names if name in tensors), None)
        shape = header.shape(name) if name else None
        return shape[side] if shape and len(shape) >= 2 else 0

    reading = side == 1
    whole = channels("down" if reading else "up", "hada_w1_b" if reading else "hada_w1_a", "diff")
    half = "b" if reading else "a"
    return whole or channels("lokr_w1", f"lokr_w1_{half}") * channels("lokr_w2", f"lokr_w2_{half}")


def _may_be_chroma(layers: Iterable[Layer]) -> bool:
    """Whether a LoRA with Flux's names has all of its blocks and not one of the layers that Chroma lacks: trainers that
    take every layer leave out those alone that are not there."""
    last = {"double": -1, "single": -1}
    for layer in layers:
        stream = layer.path.partition("_")[0]
        if not layer.path.startswith(("double_blocks_#_", "single_blocks_#_")) or "mod" in layer.path:
            return False
        last[stream] = max(last[stream], layer.number)
    return last == {"double": 18, "single": 37}


# --- Stable Diffusion ---------------------------------------------------------------------------------------------

_SDXL_LAYER = re.compile(r"\w+_transformer_blocks_[1-9]_|lora_unet_(?:up_blocks_0_attentions|output_blocks_[012]_1)_")
"""Of the deep blocks, and of the smallest size on the way up, where only SDXL has attention."""
_SD1_LAYER = re.compile(
    r"lora_unet_(?:down_blocks_0_attentions|up_blocks_3|down_blocks_3|down_blocks_2_downsamplers)_"
    r"|lora_unet_(?:input_blocks_[12]_1|input_blocks_(?:9|10|11)|output_blocks_(?:9|10|11))_"
)
"""Of the largest size, where SDXL has no attention, and of a fourth size, which it lacks."""
_UP = re.compile(r"lora_unet_up_blocks_([12])_\w+|lora_unet_output_blocks_([3-8])_[01]_\w+")
_UP_WIDTHS: Mapping[tuple[int, int], ModelFamily] = {
    (1, 1280): ModelFamily.SD1,
    (1, 640): ModelFamily.SDXL,
    (2, 640): ModelFamily.SD1,
    (2, 320): ModelFamily.SDXL,
}
"""By level on the way up, and the channels there."""
_BLOCKS_OF_LEVEL = 3
_GATED = 8
"""Times its level's channels: what the first layer of a feed-forward network writes."""
_REFINER_WIDTHS = (384, 768, 1536)
_ATTENTION_INPUT = re.compile(r"\w+_proj_(?:in|out)|\w+_[12]_proj_(?:in|out)")
_LINEAR = 2
_TEXT = re.compile(r"(?P<which>lora_te\d?_|[01]_model_|0_transformer_|)\w*(?:text_model_encoder_layers|resblocks)_\d+_")


def _is_own(layer: Layer) -> bool:
    return _OWN_LAYER.match(layer.path) is not None or (
        _TEXT.match(layer.key) is not None and not layer.path.startswith("prior_te_")
    )


def _told_by(layer: Layer) -> ModelFamily | None:
    """What one layer tells; None for one that several have alike."""
    if text := _TEXT.match(layer.key):
        return _told_by_text(layer, text["which"])
    if layer.reads and re.search(r"attn2_to_[kv]$", layer.key):
        return FAMILY_OF_WIDTH.get(layer.reads)
    if layer.writes in _REFINER_WIDTHS and _OWN_LAYER.match(layer.path):
        return ModelFamily.SDXL_REFINER
    if _SDXL_LAYER.match(layer.key):
        return ModelFamily.SDXL
    if layer.writes and _SD1_LAYER.match(layer.key):
        linear = _ATTENTION_INPUT.fullmatch(layer.key) and layer.sides == _LINEAR and layer.reads > 1
        return ModelFamily.SD2 if linear else ModelFamily.SD1  # SD 2 has in this place what SD 1 has as a convolution
    if up := _UP.match(layer.key):
        level = int(up[1]) if up[1] else int(up[2]) // _BLOCKS_OF_LEVEL
        channels = layer.writes // _GATED if layer.key.endswith("ff_net_0_proj") else layer.writes
        return _UP_WIDTHS.get((level, channels))
    return None


def _told_by_text(layer: Layer, which: str) -> ModelFamily | None:
    """A layer of CLIP: by its width. That of 768 channels is SDXL's first one too, and Flux's, whose trainers count."""
    if which == "lora_te2_":
        return ModelFamily.SDXL
    width = min((side for side in (layer.reads, layer.writes) if side), default=0)
    counted = which in ("lora_te1_", "0_transformer_")
    return None if counted and FAMILY_OF_WIDTH.get(width) is ModelFamily.SD1 else FAMILY_OF_WIDTH.get(width)
