"""The demo ControlNet's single file: diffusers' names <-> those of the original ControlNet (`control_model.*`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from diffusers import ControlNetModel
from torch import Tensor

from . import singlefile
from .networks import freeze
from .sampling import Model
from .singlefile import UNET, unet_names
from .train_control import make_control

PREFIX = "control_model."
METADATA = {
    "format": "pt",
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "stable-diffusion-v1/controlnet",
    "modelspec.title": "sdcolab emoji 128: líneas",
    "modelspec.author": "sdcolab",
    "modelspec.license": "MIT",
    "modelspec.resolution": "128x128",
    "modelspec.description": (
        "ControlNet en miniatura para el modelo de demostración de sdcolab: dibuja el emoji que pide el texto con la "
        "forma de las líneas blancas sobre negro que se le dan. Entrenado desde cero con los Fluent "
        "Emoji de Microsoft (MIT)."
    ),
}


def original_names(keys: list[str]) -> dict[str, str]:
    """diffusers' name -> original name, for every key of one ControlNet."""
    hints = [int(m[1]) for key in keys if (m := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.", key))]
    last = 2 * (max(hints) + 2)
    found: dict[str, str] = {}
    inner = [key for key in keys if not key.startswith("controlnet_")]
    names = unet_names(inner)
    for key in keys:
        if match := re.fullmatch(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(\w+)", key):
            place = 0 if match[1] == "conv_in" else last if match[1] == "conv_out" else 2 * (int(match[2]) + 1)
            found[key] = f"{PREFIX}input_hint_block.{place}.{match[3]}"
        elif match := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(\w+)", key):
            found[key] = f"{PREFIX}zero_convs.{match[1]}.0.{match[2]}"
        elif match := re.fullmatch(r"controlnet_mid_block\.(\w+)", key):
            found[key] = f"{PREFIX}middle_block_out.0.{match[1]}"
        else:
            found[key] = PREFIX + names[key].removeprefix(UNET)
    return found


def write_control(state: Mapping[str, Tensor], path: Path) -> None:
    """Save as fp16."""
    names = original_names(list(state))
    singlefile.write({names[key]: value for key, value in state.items()}, path, METADATA)


def load_control(model: Model, path: Path) -> ControlNetModel:
    """The ControlNet of the single file, in float32."""
    tensors, _ = singlefile.read(path)
    control = make_control(model)
    names = original_names(list(control.state_dict()))
    control.load_state_dict({key: tensors[original].float() for key, original in names.items()})
    freeze(control)
    return control
