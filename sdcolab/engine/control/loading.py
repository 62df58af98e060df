"""Opening control files of every sort."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter

from sdcolab.core.control_files import (
    UNSERVED,
    ControlFile,
    ControlKind,
    Guided,
    check_fits,
    fits,
    guided,
    sniff,
)
from sdcolab.core.errors import ControlUnserved, ModelIncomplete
from sdcolab.engine.control.adapters import load_adapter
from sdcolab.engine.control.filling import built, renamed_weights
from sdcolab.engine.control.ip_adapter import IpAdapter, load_ip_adapter
from sdcolab.engine.control.lllite import Shift, load_lllite
from sdcolab.engine.control.names import controlnet_config, controlnet_rename, plain, union_config
from sdcolab.engine.control.sources import base_names, with_difference, with_low_rank
from sdcolab.engine.convert import FamilyLayout, Shapes
from sdcolab.engine.models import LoadedModel
from sdcolab.engine.weights import Weights, open_weights

ControlNet: TypeAlias = ControlNetModel | ControlNetUnionModel


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """An open control file: ``info`` says which of the others it is. ``averages``: its residuals count by their mean
    over the picture and for the prompt alone (shuffle).
    """

    info: ControlFile
    net: ControlNet | T2IAdapter | IpAdapter | tuple[Shift, ...]
    averages: bool = False


def check_served(weights: Weights) -> ControlFile:
    """What the file is. Raises ``ControlUnserved``."""
    info = sniff(weights.header, weights.path.name)
    if info.kind in UNSERVED:
        raise ControlUnserved(path=weights.path, sort=info.kind.value)
    return info


def numbers(weights: Weights) -> int:
    """How many numbers the file holds."""
    return sum(math.prod(shape) for shape in weights.shapes.values())


def numbers_in(weights: Weights, info: ControlFile, base: Weights) -> int:
    """How many numbers the network in ``weights`` has. What is no whole one is filled up from ``base``, the
    checkpoint's file."""
    own = numbers(weights)
    if info.kind is not ControlKind.CONTROL_LORA and not info.difference:
        return own
    return max(own, sum(math.prod(base.shapes[name]) for name in base_names(base).values()))


def is_for(control: Path, checkpoint: Path) -> bool:
    """Whether the control file at ``control`` guides the checkpoint at ``checkpoint``. Raises ``ModelError``."""
    try:
        return fits(check_served(open_weights(control)), guided(open_weights(checkpoint).header))
    except ControlUnserved:
        return False


def load_control(weights: Weights, model: LoadedModel, base: Callable[[], Weights]) -> Control:
    """The control model in ``weights`` for ``model``, on its device and in its type. ``base`` opens the checkpoint's
    file, which differences and low-rank files need. Raises ``ModelError``.
    """
    info = check_served(weights)
    check_fits(weights.path, info, _guided(model))
    device, dtype = model.device, model.dtype
    if info.kind is ControlKind.T2I_ADAPTER:
        return Control(info, load_adapter(weights, device, dtype))
    if info.kind is ControlKind.LLLITE:
        return Control(info, load_lllite(weights, model.unet, device, dtype))
    if info.kind is ControlKind.IP_ADAPTER:
        return Control(info, load_ip_adapter(weights, device, dtype))
    if info.kind is ControlKind.CONTROL_LORA:
        weights = with_low_rank(weights, base())
    elif info.difference:
        weights = with_difference(weights, base())
    averages = "shuffle" in weights.path.name.casefold()
    return Control(info, _load_controlnet(weights, info, model.layout, device, dtype), averages)


def _guided(model: LoadedModel) -> Guided:
    config = model.unet.config
    return Guided(model.detected.family, config.cross_attention_dim, config.block_out_channels[0])


def _load_controlnet(
    weights: Weights, info: ControlFile, layout: FamilyLayout, device: torch.device, dtype: torch.dtype
) -> ControlNet:
    names = weights.header.tensors
    rename = plain if info.diffusers else controlnet_rename(names)
    named = renamed_weights(weights, rename)
    try:
        shapes = Shapes(named.shapes)
        if info.kind is ControlKind.UNION:
            union = union_config(shapes, layout)
            return built(lambda: ControlNetUnionModel(**union), named, device, dtype)
        config = controlnet_config(shapes, layout)
        return built(lambda: ControlNetModel(**config), named, device, dtype)
    except LookupError as missing:
        raise ModelIncomplete(path=weights.path, tensor=str(missing.args[0]), count=1) from missing
