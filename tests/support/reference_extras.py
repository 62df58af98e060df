"""The LoRA and the embeddings that the reference images were made with, drawn again for the full-size checkpoint.

Rank 4 on the attention and ``proj_in`` of every UNet transformer and on q and v of the text encoder, each tensor from a
generator seeded with its name; two embeddings of three vectors.
"""

from __future__ import annotations

import hashlib
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
