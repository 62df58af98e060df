"""Write checkpoints with the tensor names of SD 2, SDXL and SDXL's refiner and seeded random weights, at full size or
in miniature.

    python tools/make_random_families.py sdxl SALIDA.safetensors --mini

Families: sd1, sd2, sd2-v, sdxl, refiner; with ``--inpaint`` the UNet reads nine channels. Sources of the sizes: the
configurations that Stability AI published with the models (v2-inference.yaml, v2-inference-v.yaml, sd_xl_base.yaml,
sd_xl_refiner.yaml).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tools.make_random_sd15 import (
    FULL,
    MINI,
    TEXT,
    TEXT_BRANCH_GAIN,
    UNET,
    Draw,
    Sizes,
    draw_text_encoder,
    draw_unet,
    draw_vae,
)

SEED = 21


@dataclass(frozen=True, slots=True)
class Text:
    """A text encoder: where it stands, whether it is OpenCLIP's, its width, and its layers as stored in the file."""

    prefix: str
    open_clip: bool
    width: int
    layers: int


@dataclass(frozen=True, slots=True)
class Family:
    """A family's checkpoint. ``shift`` is added to all that the UNet says: a model of v answers a plain input of
    nearly pure noise with its negative, by which programs know it.
    """

    sizes: Sizes
    texts: tuple[Text, ...]
    shift: float = 0.0


_CLIP_L = Text("conditioner.embedders.0.transformer.text_model.", False, 768, 12)
_CLIP_H = Text("cond_stage_model.model.", True, 1024, 24)
_CLIP_G = Text("conditioner.embedders.1.model.", True, 1280, 32)
_SD2 = replace(FULL, linear_projections=True, text_width=1024)
_SDXL = Sizes(
    unet_widths=(320, 640, 1280),
    attention_levels=(1, 2),
    depths=(0, 2, 10, 10),
    linear_projections=True,
    added_width=1280 + 6 * 256,
    text_width=2048,
)
_REFINER = Sizes(
    unet_widths=(384, 768, 1536, 1536),
    attention_levels=(1, 2),
    depths=(0, 4, 4, 0, 4),
    linear_projections=True,
    added_width=1280 + 5 * 256,
    text_width=1280,
)
_REFINER_G = replace(_CLIP_G, prefix="conditioner.embedders.0.model.")
_V_SHIFT = -2.5

FAMILIES = {
    "sd1": Family(FULL, (Text(TEXT, False, 768, 12),)),
    "sd2": Family(_SD2, (_CLIP_H,)),
    "sd2-v": Family(_SD2, (_CLIP_H,), _V_SHIFT),
    "sdxl": Family(_SDXL, (_CLIP_L, _CLIP_G)),
    "refiner": Family(_REFINER, (_REFINER_G,)),
}

_MINI_SD2 = replace(MINI, unet_widths=(64, 128), linear_projections=True, text_width=64)
_MINI_SDXL = replace(
    MINI,
    unet_widths=(32, 64, 128),
    attention_levels=(1, 2),
    depths=(0, 1, 2, 2),
    linear_projections=True,
    added_width=128 + 6 * 256,
    text_width=64 + 128,
)
_MINI_REFINER = replace(
    MINI,
    unet_widths=(32, 64, 64),
    attention_levels=(1,),
    depths=(0, 2, 0, 2),
    linear_projections=True,
    added_width=128 + 5 * 256,
    text_width=128,
)

MINIATURES = {
    "sd1": Family(MINI, (Text(TEXT, False, 64, 2),)),
    "sd2": Family(_MINI_SD2, (replace(_CLIP_H, width=64, layers=3),)),
    "sd2-v": Family(_MINI_SD2, (replace(_CLIP_H, width=64, layers=3),), _V_SHIFT),
    "sdxl": Family(_MINI_SDXL, (replace(_CLIP_L, width=64, layers=2), replace(_CLIP_G, width=128, layers=3))),
    "refiner": Family(_MINI_REFINER, (replace(_REFINER_G, width=128, layers=3),)),
}

INPAINTING_CHANNELS = 9


def draw_open_clip(draw: Draw, text: Text, vocabulary: int) -> None:
    """OpenCLIP's text tower, with its last norm's mean far from 0 as in ``draw_text_encoder``."""
    prefix, width = text.prefix, text.width
    draw.put(f"{prefix}token_embedding.weight", draw.normal(f"{prefix}tok", (vocabulary, width), 0.5))
    draw.put(f"{prefix}positional_embedding", draw.normal(f"{prefix}pos", (77, width), 0.15))
    for index in range(text.layers):
        name = f"{prefix}transformer.resblocks.{index}."
        draw.norm(f"{name}ln_1", width)
        draw.norm(f"{name}ln_2", width)
        _draw_fused(draw, f"{name}attn.in_proj_", width)
        draw.linear(f"{name}attn.out_proj", width, width, TEXT_BRANCH_GAIN)
        draw.linear(f"{name}mlp.c_fc", 4 * width, width)
        draw.linear(f"{name}mlp.c_proj", width, 4 * width, TEXT_BRANCH_GAIN)
    draw.put(f"{prefix}ln_final.weight", 1.0 + draw.normal(f"{prefix}fln.w", (width,), 0.1))
    draw.put(f"{prefix}ln_final.bias", draw.normal(f"{prefix}fln.b", (width,), 0.2) - 0.12)
    draw.put(f"{prefix}text_projection", draw.normal(f"{prefix}proj", (width, width), 1 / math.sqrt(width)))
    draw.put(f"{prefix}logit_scale", torch.tensor(math.log(100.0)))


def _draw_fused(draw: Draw, name: str, width: int) -> None:
    """Query, key and value, one above the other."""
    gains = torch.tensor([math.sqrt(2.0), math.sqrt(2.0), 1.0]).repeat_interleave(width)
    draw.put(f"{name}weight", draw.normal(f"{name}weight", (3 * width, width), 1 / math.sqrt(width)) * gains[:, None])
    draw.put(f"{name}bias", draw.normal(f"{name}bias", (3 * width,), 0.02) * gains)


def checkpoint(
    family: Family, *, inpaint: bool = False, seed: int = SEED, dtype: torch.dtype = torch.float16
) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its single-file name."""
    draw = Draw(seed, dtype)
    sizes = replace(family.sizes, in_channels=INPAINTING_CHANNELS) if inpaint else family.sizes
    draw_unet(draw, sizes)
    draw.put(f"{UNET}out.2.bias", torch.full((4,), family.shift))
    draw_vae(draw, sizes)
    for text in family.texts:
        if text.open_clip:
            draw_open_clip(draw, text, sizes.vocabulary)
        else:
            draw_text_encoder(draw, replace(sizes, text_width=text.width, text_layers=text.layers), text.prefix)
    return draw.tensors


def write(path: Path, family: Family, *, inpaint: bool = False, seed: int = SEED) -> None:
    """Write the checkpoint in float16."""
    save_file(checkpoint(family, inpaint=inpaint, seed=seed), path, metadata={"format": "pt"})


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description="Escribe un modelo de pesos aleatorios con la forma de una familia")
    parser.add_argument("familia", choices=FAMILIES)
    parser.add_argument("salida", type=Path)
    parser.add_argument("--mini", action="store_true", help="tamaño de juguete, para pruebas")
    parser.add_argument("--inpaint", action="store_true", help="con los nueve canales de los modelos de inpaint")
    parser.add_argument("--semilla", type=int, default=SEED)
    options = parser.parse_args()
    family = (MINIATURES if options.mini else FAMILIES)[options.familia]
    write(options.salida, family, inpaint=options.inpaint, seed=options.semilla)


if __name__ == "__main__":
    main()
