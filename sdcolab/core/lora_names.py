"""Which layer of the model a tensor of a LoRA file belongs to. Pure functions over names; torch is not needed.

Trainers name layers in several ways: kohya's (``lora_unet_down_blocks_0_...``, ``lora_te_text_model_...``; SDXL's
second text encoder is ``lora_te2_...``), CompVis' (``lora_unet_input_blocks_1_1_...``), diffusers' and peft's
(``unet.down_blocks.0....lora_A.weight``), and those of A1111's own modules (``diffusion_model_input_blocks_1_1_...``,
``1_model_transformer_resblocks_0_attn_q_proj``). All are brought to a *layer key* without dots; ``unet_layer_keys`` and
``text_layer_keys`` give the keys that a model's layer answers to (hechos/a1111.md 10.3).

OpenCLIP's text encoders (SD2, the second of SDXL) are loaded into transformers' modules, with query, key and value
apart. Files for them nearly always use transformers' names; those with OpenCLIP's answer to ``attn_q_proj``,
``attn_out_proj``, ``mlp_c_fc``... A file whose part is the fused ``attn_in_proj`` fits no layer here, as in A1111.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

UNET_KEY = "lora_unet_"
BUNDLED_EMBEDDING = "bundle_emb."

_TENSOR_NAMES = {
    "up": r"lora_up(?:\.weight)?|lora_B(?:\.\w+)?\.weight|lora(?:_linear_layer)?\.up\.weight",
    "down": r"lora_down(?:\.weight)?|lora_A(?:\.\w+)?\.weight|lora(?:_linear_layer)?\.down\.weight",
    "mid": r"lora_mid(?:\.weight)?",
    "dora_scale": r"dora_scale|lora_magnitude_vector(?:\.\w+)?(?:\.weight)?",
    **{name: rf"{name}\.weight" for name in ("a1", "a2", "b1", "b2")},
    **{f"hada_{name}": f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f"lokr_{name}": f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **{name: name for name in ("alpha", "scale", "bias", "weight", "on_input", "diff", "diff_b", "w_norm", "b_norm")},
    **{name: name for name in ("oft_blocks", "oft_diag", "rescale")},
}
"""Our name of a tensor within its layer, and the pattern of the names in files."""

LORA_SIGNS = frozenset(
    {"up", "down", "hada_w1_a", "lokr_w1", "lokr_w1_a", "oft_blocks", "oft_diag", "diff", "a1", "on_input", "w_norm"}
)
"""Of these a LoRA of any kind has at least one."""

_TENSOR = re.compile(
    r"(?P<layer>.+?)\.(?:" + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _TENSOR_NAMES.items()) + ")"
)
_OLD_DIFFUSERS = (
    (re.compile(r"\.processor\.to_out_lora\."), ".to_out.0.lora."),
    (re.compile(r"\.processor\.to_(q|k|v)_lora\."), r".to_\1.lora."),
    (re.compile(r"\.self_attn\.to_out_lora\."), ".self_attn.out_proj.lora."),
    (re.compile(r"\.self_attn\.to_(q|k|v)_lora\."), r".self_attn.\1_proj.lora."),
)
"""Names of diffusers before 0.20."""

_PREFIXES = (
    ("model.diffusion_model.", UNET_KEY),
    ("diffusion_model.", UNET_KEY),
    ("diffusion_model_", UNET_KEY),
    ("unet.", UNET_KEY),
    ("text_encoder_2.", "lora_te2_"),
    ("text_encoder.", "lora_te_"),
    ("text_encoders_0.", "lora_te_"),
    ("text_encoders_1.", "lora_te2_"),
    ("text_model.", "lora_te_text_model_"),
    ("conditioner.embedders.", ""),
    ("cond_stage_model.", ""),
    ("oft_unet_", UNET_KEY),
    ("lycoris_", UNET_KEY),
    *((f"{part}.", f"{UNET_KEY}{part}_") for part in ("down_blocks", "up_blocks", "mid_block")),
)


def layers_of(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Layer key -> tensor (a key of ``_TENSOR_NAMES``) -> name in the file, in the file's order.

    Names that are no layer's (metadata, bundled embeddings) are left out.
    """
    layers: dict[str, dict[str, str]] = {}
    for name in names:
        match = None if name.startswith(BUNDLED_EMBEDDING) else _TENSOR.fullmatch(_modern(name))
        if match is not None:
            tensor = next(kind for kind in _TENSOR_NAMES if match[kind] is not None)
            layers.setdefault(layer_key(match["layer"]), {})[tensor] = name
    return layers


def layer_key(layer: str) -> str:
    """The layer's name as a key."""
    layer = layer.removeprefix("base_model.model.")
    for prefix, key in _PREFIXES:
        if layer.startswith(prefix):
            layer = key + layer[len(prefix) :]
            break
    return layer.replace(".", "_")


def _modern(name: str) -> str:
    for pattern, replacement in _OLD_DIFFUSERS:
        name = pattern.sub(replacement, name)
    return name


# --- What a model's layers are called ---------------------------------------------------------------------------------


def unet_layer_keys(path: str, layers: int) -> Iterator[str]:
    """Keys of the UNet module at ``path`` (diffusers' dotted path), for ``layers`` residual blocks a level."""
    yield UNET_KEY + path.replace(".", "_")
    for name in compvis_paths(path, layers):
        yield UNET_KEY + name.replace(".", "_")


@dataclass(frozen=True, slots=True)
class TextNaming:
    """Which text encoder of its model it is, from 0, and whether it is OpenCLIP's. A1111 counts them (``counted``) in
    SDXL and its refiner.
    """

    index: int = 0
    counted: bool = False
    open_clip: bool = False

    @property
    def prefixes(self) -> tuple[str, ...]:
        """How trainers mark it. diffusers' exporter writes ``lora_te1_`` also for models with one text encoder."""
        return ("lora_te_", "lora_te1_") if self.index == 0 else (f"lora_te{self.index + 1}_",)

    @property
    def own_prefix(self) -> str:
        """How A1111 marks its modules."""
        number = f"{self.index}_" if self.counted else ""
        return f"{number}{'model' if self.open_clip else 'transformer_text_model'}_"


def text_layer_keys(path: str, naming: TextNaming) -> Iterator[str]:
    """Keys of the text encoder's module at ``path`` (below transformers' text model)."""
    key = path.replace(".", "_")
    for prefix in naming.prefixes:
        yield f"{prefix}text_model_{key}"
        yield prefix + key  # transformers 5.6 and later have no inner "text_model"
    yield naming.own_prefix + (open_clip_path(path) if naming.open_clip else path).replace(".", "_")


_OPEN_CLIP_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn": "attn",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def open_clip_path(path: str) -> str:
    """OpenCLIP's path for transformers', as if query, key and value were modules of their own there."""
    path = path.replace("encoder.layers.", "transformer.resblocks.")
    for part, own in _OPEN_CLIP_PARTS.items():
        path = path.replace(f".{part}", f".{own}")
    return path


ATTENTION_PARTS = 4
_ATTENTION = re.compile(r"(encoder\.layers\.\d+)\.self_attn\.(?:q|k|v|out)_proj")


def attention_of(path: str, naming: TextNaming) -> tuple[int, str] | None:
    """The attention that the module at ``path`` is a part of, in encoders where a file needs all ``ATTENTION_PARTS``
    parts of it (A1111's OpenCLIP holds them in one matrix); else None.
    """
    match = _ATTENTION.fullmatch(path) if naming.open_clip else None
    return (naming.index, match[1]) if match else None


_RESNET_PARTS: Mapping[str, str] = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ENDS: Mapping[str, str] = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def compvis_paths(path: str, layers: int) -> tuple[str, ...]:
    """CompVis' paths for a diffusers path: the inverse of ``convert.unet_rename``.

    An upsampler has two: it is part 2 of its block where the level has attention and part 1 elsewhere.
    """
    if path in _ENDS:
        return (_ENDS[path],)
    if middle := _MIDDLE.fullmatch(path):
        kind, index, rest = middle.groups()
        attention = kind == "attentions"
        return (f"middle_block.1.{rest}" if attention else f"middle_block.{2 * int(index)}.{_part(rest)}",)
    block = _BLOCK.fullmatch(path)
    if block is None:
        return ()
    side, level, kind, index, rest = block.groups()
    position = layers if kind.endswith("samplers") else int(index)
    number = int(level) * (layers + 1) + position + (1 if side == "down" else 0)
    prefix = f"{'input' if side == 'down' else 'output'}_blocks.{number}"
    if kind == "downsamplers":
        return (f"{prefix}.0.op",)
    if kind == "upsamplers":
        return f"{prefix}.1.{rest}", f"{prefix}.2.{rest}"
    return (f"{prefix}.1.{rest}",) if kind == "attentions" else (f"{prefix}.0.{_part(rest)}",)


def _part(rest: str) -> str:
    return _RESNET_PARTS.get(rest, rest)
