"""LoRA files made smaller and added: the changes of weights stay what they must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.cli import main
from sdcolab.training.loras import merge, read_factors, resize


def change_of(tensors: dict[str, Tensor], key: str) -> Tensor:
    up, down = tensors[f"{key}.lora_up.weight"].float(), tensors[f"{key}.lora_down.weight"].float()
    return up.flatten(1) @ down.flatten(1) * (float(tensors[f"{key}.alpha"]) / down.shape[0])


KEYS = (
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_down_blocks_0_resnets_0_conv1",
)


def lora(path: Path, seed: int, rank: int = 8) -> Path:
    torch.manual_seed(seed)
    tensors = {}
    for key, kernel in zip(KEYS, ((), (3, 3)), strict=True):
        tensors[f"{key}.lora_down.weight"] = torch.randn(rank, 32, *kernel)
        tensors[f"{key}.lora_up.weight"] = torch.randn(48, rank, *[1] * len(kernel))
        tensors[f"{key}.alpha"] = torch.tensor(4.0)
    save_file(tensors, path, {"ss_output_name": "uno", "ss_steps": "9"})
    return path


def test_a_smaller_lora_is_the_nearest_of_its_rank(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", 1)
    before, after = load_file(path), resize(path, 3)
    for key in KEYS:
        whole, small = change_of(before, key), change_of(after, key)
        values = torch.linalg.svdvals(whole)
        assert float((whole - small).norm()) == pytest.approx(float(values[3:].norm()), rel=1e-3)
        assert after[f"{key}.lora_down.weight"].shape[0] == 3
    same = resize(path, 64)
    for key in KEYS:
        torch.testing.assert_close(change_of(same, key), change_of(before, key), rtol=1e-4, atol=1e-4)


def test_a_sum_of_loras_is_exactly_the_sum_where_the_rank_allows(tmp_path: Path) -> None:
    one, two = lora(tmp_path / "a.safetensors", 1), lora(tmp_path / "b.safetensors", 2)
    made = merge([(one, 0.5), (two, -1.0)], 16)
    for key in KEYS:
        expected = 0.5 * change_of(load_file(one), key) - change_of(load_file(two), key)
        torch.testing.assert_close(change_of(made, key), expected, rtol=1e-4, atol=1e-4)


def test_the_command_writes_files_that_say_what_they_are(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", 1)
    target = tmp_path / "b.safetensors"
    assert main(["lora", "reducir", str(path), "--dim", "2", "--salida", str(target)]) == 0
    layers, metadata = read_factors(target)
    assert {layer.rank for layer in layers.values()} == {2}
    assert (metadata["ss_network_dim"], metadata["ss_output_name"]) == ("2", "uno")
    assert "ss_steps" not in metadata
    assert len(metadata["sshs_model_hash"]) == 64
