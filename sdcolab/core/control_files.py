"""What sort of control model a file is, told by the names and shapes of its tensors, tried in the order of
hechos/extensiones.md 3 ("Telling control files apart").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdcolab.core.architectures import FAMILY_OF_WIDTH, ModelFamily, foreign_control
from sdcolab.core.control import ControlType
from sdcolab.core.detect import UNET_PREFIX, detect, text_width
from sdcolab.core.errors import ControlFamilyWrong, ControlSizeWrong
from sdcolab.core.lora_families import own_lora, shifted_layers
from sdcolab.core.tensors import TensorHeader


class ControlKind(StrEnum):
    """Sorts of control models. The values are keys of ``core.words.control.CONTROL_KIND_LABELS``."""

    CONTROLNET = "controlnet"
    UNION = "union"
    CONTROL_LORA = "control_lora"
    T2I_ADAPTER = "t2i_adapter"
    T2I_STYLE = "t2i_style"
    LLLITE = "lllite"
    IP_ADAPTER = "ip_adapter"
    SPARSE = "sparse"
    INSTANT_ID = "instant_id"
    FACE_ID = "face_id"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


UNSERVED = frozenset(
    {
        ControlKind.T2I_STYLE,
        ControlKind.SPARSE,
        ControlKind.INSTANT_ID,
        ControlKind.FACE_ID,
        ControlKind.FOREIGN,
        ControlKind.UNKNOWN,
    }
)
"""Told by name, not run."""

DIFFERENCE_KEY = "difference"
"""A tensor of this name says that the others are differences from the checkpoint's."""

FACE_VECTOR = 512
"""Channels of what InsightFace makes of a face."""


class UnionType(StrEnum):
    """What a union model can follow, in the order of its task embedding (xinsir's controlnet-union)."""

    OPENPOSE = "openpose"
    DEPTH = "depth"
    SOFT_EDGE = "soft_edge"
    HARD_EDGE = "hard_edge"
    NORMAL = "normal"
    SEGMENT = "segment"
    TILE = "tile"
    INPAINT = "inpaint"


UNION_ORDER = tuple(UnionType)


@dataclass(frozen=True, slots=True)
class ControlFile:
    """What a control file is. ``diffusers``: its tensors have diffusers' names. ``difference``: as ``DIFFERENCE_KEY``.
    ``union_types``: how many of ``UNION_ORDER`` a union knows (6, or 8 in "promax"). ``context_width``: channels of the
    text that its cross-attention reads; 0 where it reads none. ``width``: channels that it gives the UNet's first
    level; 0 where nothing tells.
    """

    kind: ControlKind
    family: ModelFamily
    diffusers: bool = False
    difference: bool = False
    union_types: int = 0
    context_width: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class Guided:
    """What a control file has to fit of a checkpoint: its family, the channels of the text that it reads and those of
    its UNet's first level; 0 where nobody knows."""

    family: ModelFamily = ModelFamily.UNKNOWN
    context_width: int = 0
    width: int = 0


def guided(checkpoint: TensorHeader) -> Guided:
    """That of the checkpoint with this header."""
    first = checkpoint.shape(f"{UNET_PREFIX}input_blocks.0.0.weight")
    return Guided(detect(checkpoint).family, text_width(checkpoint) or 0, first[0] if first else 0)


def fits(info: ControlFile, checkpoint: Guided) -> bool:
    """Whether a control file and a checkpoint belong together; so it is where neither tells."""
    return _of_a_family(info, checkpoint) and _of_a_size(info, checkpoint)


def check_fits(path: Path, info: ControlFile, checkpoint: Guided) -> None:
    """Raises ``ControlFamilyWrong``, or ``ControlSizeWrong`` where no family is to blame."""
    if fits(info, checkpoint):
        return
    if info.family in (ModelFamily.UNKNOWN, checkpoint.family) or checkpoint.family is ModelFamily.UNKNOWN:
        raise ControlSizeWrong(path=path)
    raise ControlFamilyWrong(path=path, family=info.family.value, checkpoint=checkpoint.family.value)


def _of_a_family(info: ControlFile, checkpoint: Guided) -> bool:
    if info.context_width and checkpoint.context_width:
        return info.context_width == checkpoint.context_width
    return ModelFamily.UNKNOWN in (info.family, checkpoint.family) or info.family is checkpoint.family


def _of_a_size(info: ControlFile, checkpoint: Guided) -> bool:
    return not info.width or not checkpoint.width or info.width == checkpoint.width


def sniff(header: TensorHeader, name: str = "") -> ControlFile:
    """What the file with this header is; ``name`` is its file name, which alone tells InstantID's. Never fails."""
    names = header.tensors.keys()
    stem = name.casefold()
    if family := foreign_control({key: info.shape for key, info in header.tensors.items()}):
        return ControlFile(ControlKind.FOREIGN, family)
    if "lora_controlnet" in names:
        width = _width(header)
        xl = not width and "input_blocks.11.0.in_layers.0.weight" not in names
        family = ModelFamily.SDXL if xl else _by_width(width)
        return ControlFile(ControlKind.CONTROL_LORA, family, context_width=width)
    if any(key.startswith("down_blocks.0.motion_modules.") for key in names):
        return ControlFile(ControlKind.SPARSE, _by_width(_width(header)))
    if any("lllite" in key for key in names):
        return _lllite(header)
    if any(key.startswith("image_proj.") for key in names) and any(key.startswith("ip_adapter.") for key in names):
        width = _ip_width(header)
        kind = ControlKind.FACE_ID if _reads_faces(header) else ControlKind.IP_ADAPTER
        return ControlFile(kind, _by_width(width), context_width=width)
    if "controlnet_cond_embedding.conv_in.weight" in names or "control_add_embedding.linear_1.bias" in names:
        return _controlnet(header, stem, diffusers="controlnet_cond_embedding.conv_in.weight" in names)
    plain = {key.removeprefix("control_model.").removeprefix("adapter."): key for key in names}
    if "body.0.resnets.0.block1.weight" in plain:
        return _adapter(header, plain, diffusers=True)
    if any(key.endswith("style_embedding") for key in names):
        return ControlFile(ControlKind.T2I_STYLE, ModelFamily.SD1)
    if "input_hint_block.0.weight" in plain:
        return _controlnet(header, stem, diffusers=False)
    if (
        "conv_in.weight" in plain and any(key.startswith("body.") for key in plain)
    ) or "body.0.in_conv.weight" in plain:
        return _adapter(header, plain, diffusers=False)
    return ControlFile(ControlKind.UNKNOWN, ModelFamily.UNKNOWN)


def _lllite(header: TensorHeader) -> ControlFile:
    """Of few layers, its family may be open; opening it compares all widths."""
    layers = shifted_layers(header)
    width = next((one.writes for one in layers if one.key.startswith("lora_unet_input_blocks_1_1_")), 0)
    return ControlFile(ControlKind.LLLITE, own_lora(layers), width=width)


def _controlnet(header: TensorHeader, stem: str, *, diffusers: bool) -> ControlFile:
    tasks = header.shape("task_embedding") or header.shape("control_model.task_embedding")
    width = _width(header)
    told_sizes = any(
        key.removeprefix("control_model.").startswith(("label_emb.", "add_embedding.")) for key in header.tensors
    )
    kind = ControlKind.UNION if tasks else ControlKind.CONTROLNET
    if re.search(r"instant_?id", stem):
        kind = ControlKind.INSTANT_ID
    return ControlFile(
        kind,
        ModelFamily.SDXL if told_sizes else _by_width(width),
        diffusers=diffusers,
        difference=DIFFERENCE_KEY in header.tensors,
        union_types=tasks[0] if tasks else 0,
        context_width=width,
        width=_first(header, ("conv_in.weight", "control_model.input_blocks.0.0.weight", "input_blocks.0.0.weight")),
    )


def _first(header: TensorHeader, names: Iterable[str]) -> int:
    """Channels that come out of the first of the tensors called ``names`` that is there; 0 without any."""
    return next((shape[0] for name in names if (shape := header.shape(name))), 0)


def _width(header: TensorHeader) -> int:
    """Channels of the text that the file's cross-attention reads."""
    for key, info in header.tensors.items():
        if re.search(r"attn2\.to_k\.(weight|down)$", key) and len(info.shape) == 2:
            return info.shape[1]
    return 0


def _by_width(width: int) -> ModelFamily:
    return FAMILY_OF_WIDTH.get(width, ModelFamily.UNKNOWN)


def _ip_width(header: TensorHeader) -> int:
    keys = (
        info.shape for key, info in header.tensors.items() if re.fullmatch(r"ip_adapter\.\d+\.to_k_ip\.weight", key)
    )
    return next((shape[1] for shape in keys if len(shape) == 2), 0)


def _reads_faces(header: TensorHeader) -> bool:
    """Whether an IP-Adapter reads what InsightFace makes of a face: FaceID's, and InstantID's own."""
    first = (header.shape(f"image_proj.{name}.weight") for name in ("proj_in", "proj.0"))
    vector = any(shape and shape[1] == FACE_VECTOR for shape in first)
    return vector or any(
        key.startswith("image_proj.perceiver_resampler.") or ".to_q_lora." in key for key in header.tensors
    )


def _adapter(header: TensorHeader, plain: Mapping[str, str], *, diffusers: bool) -> ControlFile:
    family, firsts = _adapter_family(header, plain), ("conv_in.weight", "body.0.out_conv.weight")
    width = _first(header, (plain[name] for name in firsts if name in plain))
    return ControlFile(ControlKind.T2I_ADAPTER, family, diffusers=diffusers, width=width)


def _adapter_family(header: TensorHeader, plain: Mapping[str, str]) -> ModelFamily:
    """Channels times the pixels of a block that the adapter folds: 8x8 for SD 1, 16x16 for SDXL."""
    first = plain.get("conv_in.weight") or plain.get("body.0.in_conv.weight")
    shape = header.shape(first) if first else None
    return ModelFamily.SDXL if shape and shape[1] in (256, 768) else ModelFamily.SD1


_TYPES_BY_MODULE = (
    (re.compile(r"pose|densepose"), UnionType.OPENPOSE),
    (re.compile(r"depth"), UnionType.DEPTH),
    (re.compile(r"hed|pidi|scribble|ted|teed|softedge"), UnionType.SOFT_EDGE),
    (re.compile(r"canny|lineart|mlsd|anyline|invert|threshold"), UnionType.HARD_EDGE),
    (re.compile(r"normal"), UnionType.NORMAL),
    (re.compile(r"seg"), UnionType.SEGMENT),
    (re.compile(r"tile|blur"), UnionType.TILE),
    (re.compile(r"inpaint"), UnionType.INPAINT),
)


_TYPES_BY_KIND: Mapping[ControlType, UnionType] = {
    ControlType.OPENPOSE: UnionType.OPENPOSE,
    ControlType.DEPTH: UnionType.DEPTH,
    ControlType.SOFT_EDGE: UnionType.SOFT_EDGE,
    ControlType.SCRIBBLE: UnionType.SOFT_EDGE,
    ControlType.NORMAL: UnionType.NORMAL,
    ControlType.SEGMENTATION: UnionType.SEGMENT,
    ControlType.TILE: UnionType.TILE,
    ControlType.INPAINT: UnionType.INPAINT,
}


def union_type(module: str, kind: ControlType = ControlType.ALL) -> UnionType:
    """What a union model should take the map of the preprocessor ``module`` for; of a map from elsewhere ``kind``
    tells, and without it hard edges are meant."""
    low = module.casefold()
    told = _TYPES_BY_KIND.get(kind, UnionType.HARD_EDGE)
    return next((found for pattern, found in _TYPES_BY_MODULE if pattern.search(low)), told)
