"""The LoRA, embeddings, hypernetworks and upscaler that the reference images were made with, drawn again for
the full-size checkpoint.

Rank 4 on the attention and ``proj_in`` of every UNet transformer and on q and v of the text encoder, each tensor from a
generator seeded with its name; two embeddings of three vectors.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

RANK = 4
SPREAD = 0.35

_INPUTS = {1: "down_blocks_0_attentions_0", 2: "down_blocks_0_attentions_1", 4: "down_blocks_1_attentions_0"} | {
    5: "down_blocks_1_attentions_1",
    7: "down_blocks_2_attentions_0",
    8: "down_blocks_2_attentions_1",
}
TRANSFORMERS = (
    {f"input_blocks.{index}.1": name for index, name in _INPUTS.items()}
    | {f"output_blocks.{index}.1": f"up_blocks_{index // 3}_attentions_{index % 3}" for index in range(3, 12)}
    | {"middle_block.1": "mid_block_attentions_0"}
)
"""CompVis' and kohya's names of the UNet's transformers."""


def generator(name: str) -> torch.Generator:
    digest = hashlib.sha256(f"lora|{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _layer(name: str, out: int, into: int, kernel: tuple[int, ...] = ()) -> dict[str, Tensor]:
    down = torch.randn((RANK, into), generator=generator(name + "d")) / into**0.5
    up = torch.randn((out, RANK), generator=generator(name + "u")) * SPREAD
    return {
        f"{name}.lora_down.weight": down.half().reshape(RANK, into, *kernel),
        f"{name}.lora_up.weight": up.half().reshape(out, RANK, *kernel),
        f"{name}.alpha": torch.tensor(float(RANK)),
    }


def write_lora(checkpoint: Path, path: Path) -> None:
    """Write the LoRA for ``checkpoint`` (full size)."""
    tensors: dict[str, Tensor] = {}
    with safe_open(checkpoint, framework="pt") as file:
        for compvis, kohya in TRANSFORMERS.items():
            block, key = f"model.diffusion_model.{compvis}", f"lora_unet_{kohya}"
            for layer in (f"{attn}.to_{part}" for attn in ("attn1", "attn2") for part in ("q", "k", "v", "out.0")):
                shape = file.get_slice(f"{block}.transformer_blocks.0.{layer}.weight").get_shape()
                tensors |= _layer(f"{key}_transformer_blocks_0_{layer.replace('.', '_')}", *shape)
            out, into = file.get_slice(f"{block}.proj_in.weight").get_shape()[:2]
            tensors |= _layer(f"{key}_proj_in", out, into, (1, 1))
    for index in range(12):
        for part in ("q_proj", "v_proj"):
            tensors |= _layer(f"lora_te_text_model_encoder_layers_{index}_self_attn_{part}", 768, 768)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"ss_network_module": "networks.lora", "ss_network_dim": "4", "ss_network_alpha": "4"}
    save_file(tensors, path, metadata)


def write_embeddings(folder: Path) -> None:
    """Write ``randti.safetensors`` and ``randti2.pt``."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = torch.randn((3, 768), generator=generator("ti")) * 0.5
    save_file({"emb_params": vectors}, folder / "randti.safetensors")
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors * 0.8}}, folder / "randti2.pt")


def _drawn(name: str, shape: tuple[int, ...], deviation: float) -> Tensor:
    digest = hashlib.sha256(f"extras2|{name}".encode()).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(shape, generator=draw) * deviation


def write_hypernetworks(folder: Path) -> None:
    """Write ``randhyper.pt`` (relu) and ``randhyper2.pt`` (linear, with layer norms), of the layers 1, 2, 1."""
    folder.mkdir(parents=True, exist_ok=True)
    _hypernetwork(folder, "randhyper", "relu", norms=False)
    _hypernetwork(folder, "randhyper2", "linear", norms=True)


def _hypernetwork(folder: Path, name: str, activation: str, *, norms: bool) -> None:
    content: dict[int | str, object] = {}
    for width in (768, 320, 640):
        content[width] = [_two_layers(f"{name}{width}{part}", width, activation, norms=norms) for part in "kv"]
    settings = {"layer_structure": [1, 2, 1], "activation_func": activation, "is_layer_norm": norms}
    no = {"activate_output": False, "use_dropout": False, "last_layer_dropout": False}
    torch.save(content | settings | no | {"step": 100, "name": name}, folder / f"{name}.pt")


def _two_layers(key: str, width: int, activation: str, *, norms: bool) -> dict[str, Tensor]:
    layers: dict[str, Tensor] = {}
    place = 0
    for into, out in ((width, 2 * width), (2 * width, width)):
        layers[f"linear.{place}.weight"] = _drawn(f"{key}{place}", (out, into), 0.7 / math.sqrt(into))
        layers[f"linear.{place}.bias"] = _drawn(f"{key}{place}b", (out,), 0.02)
        place += 1
        place += activation != "linear" and out > into
        if norms:
            layers[f"linear.{place}.weight"] = 1 + _drawn(f"{key}{place}n", (out,), 0.05)
            layers[f"linear.{place}.bias"] = _drawn(f"{key}{place}nb", (out,), 0.02)
            place += 1
    return layers


def write_esrgan(path: Path) -> None:
    """Write a small network of ESRGAN's kind: 16 channels, two blocks, four times larger."""
    wide, grown = 16, 8
    tensors: dict[str, Tensor] = {}

    def conv(name: str, out: int, into: int, gain: float) -> None:
        tensors[f"{name}.weight"] = _drawn(f"esr{name}", (out, into, 3, 3), gain / math.sqrt(9 * into))
        tensors[f"{name}.bias"] = _drawn(f"esr{name}b", (out,), 0.005)

    conv("conv_first", wide, 3, 1.4)
    for block in range(2):
        for dense in (1, 2, 3):
            for place in range(5):
                into, out = wide + place * grown, grown if place < 4 else wide
                conv(f"body.{block}.rdb{dense}.conv{place + 1}", out, into, 0.8)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        conv(name, wide, wide, 1.4)
    conv("conv_last", 3, wide, 0.6)
    tensors["conv_last.bias"] += 0.45
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params_ema": tensors}, path)
