"""Which layer of the model a tensor of a LoRA file belongs to. Pure functions over names; torch is not needed.

Trainers name layers in several ways: kohya's (``lora_unet_down_blocks_0_...``, ``lora_te_text_model_...``), CompVis'
(``lora_unet_input_blocks_1_1_...``), diffusers' and peft's (``unet.down_blocks.0....lora_A.weight``). All are brought
to kohya's form, a *layer key*; ``unet_layer_keys`` and ``text_layer_keys`` give the keys that a model's layer answers
to (hechos/a1111.md 10.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

UNET_KEY = "lora_unet_"
TEXT_KEYS = ("lora_te_", "lora_te1_")
"""diffusers' exporter writes ``lora_te1_`` also for models with one text encoder."""
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

_DOTTED_PREFIXES = (
    ("model.diffusion_model.", UNET_KEY),
    ("diffusion_model.", UNET_KEY),
    ("unet.", UNET_KEY),
    ("text_encoder_2.", "lora_te2_"),
    ("text_encoder.", "lora_te_"),
    ("text_model.", "lora_te_text_model_"),
    ("oft_unet_", UNET_KEY),
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
    """The layer's name in kohya's form."""
    layer = layer.removeprefix("base_model.model.")
    for prefix, key in _DOTTED_PREFIXES:
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


def text_layer_keys(path: str) -> Iterator[str]:
    """Keys of the text encoder's module at ``path`` (below transformers' text model)."""
    for prefix in TEXT_KEYS:
        yield f"{prefix}text_model_{path.replace('.', '_')}"


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
