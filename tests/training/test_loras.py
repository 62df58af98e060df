"""LoRA files made smaller and added: the changes of weights stay what they must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.cli import main
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    LoraLayersLeftOut,
    LoraNotPlain,
    LorasUnlike,
    ModelWrongKind,
    NameNotChosen,
    SdcolabError,
)
from sdcolab.core.events import CancelToken, Event, FileMade
from sdcolab.core.folders import Folders
from sdcolab.core.tasks import LocalWorker, Tools
from sdcolab.core.workshop import CombineLoras
from sdcolab.training.loras import Combined, combined, read_plain
from sdcolab.wiring.engine import build_engine, build_library, demo_model
from sdcolab.wiring.tasks import TASKS


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


def made_of(*files: tuple[Path, float], rank: int) -> Combined:
    return combined(files, rank, lambda warning: pytest.fail(str(warning)))


def test_a_smaller_lora_is_the_nearest_of_its_rank(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", 1)
    before, after = load_file(path), dict(made_of((path, 1), rank=3).tensors)
    for key in KEYS:
        whole, small = change_of(before, key), change_of(after, key)
        values = torch.linalg.svdvals(whole)
        assert float((whole - small).norm()) == pytest.approx(float(values[3:].norm()), rel=1e-3)
        assert after[f"{key}.lora_down.weight"].shape[0] == 3
    same = made_of((path, 1), rank=64)
    assert same.rank == 8
    for key in KEYS:
        torch.testing.assert_close(change_of(dict(same.tensors), key), change_of(before, key), rtol=1e-4, atol=1e-4)


def test_a_sum_of_loras_is_exactly_the_sum_where_the_rank_allows(tmp_path: Path) -> None:
    one, two = lora(tmp_path / "a.safetensors", 1), lora(tmp_path / "b.safetensors", 2)
    made = dict(made_of((one, 0.5), (two, -1.0), rank=16).tensors)
    for key in KEYS:
        expected = 0.5 * change_of(load_file(one), key) - change_of(load_file(two), key)
        torch.testing.assert_close(change_of(made, key), expected, rtol=1e-4, atol=1e-4)


def test_the_command_writes_files_that_say_what_they_are(tmp_path: Path) -> None:
    path = lora(tmp_path / "a.safetensors", 1)
    target = tmp_path / "b.safetensors"
    assert main(["lora", "reducir", str(path), "--dim", "2", "--salida", str(target)]) == 0
    made = read_plain(target)
    metadata = made.metadata
    assert {layer.rank for layer in made.layers.values()} == {2}
    assert (metadata["ss_network_dim"], metadata["ss_output_name"]) == ("2", "b"), "prompts tell the two apart"
    assert "ss_steps" not in metadata
    assert len(metadata["sshs_model_hash"]) == 64


def test_the_command_takes_names_and_never_writes_over_what_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folders(tmp_path).models(ModelKind.LORA)
    folder.mkdir(parents=True)
    path, other, where = lora(folder / "a.safetensors", 1), lora(folder / "b.safetensors", 2), str(tmp_path)
    before = path.read_bytes()
    summed = ["lora", "mezclar", "a", "b:-0.5", "--dim", "16", "--carpeta", where]
    assert main([*summed, "--salida", str(path)]) != 0
    assert "ya hay un archivo" in capsys.readouterr().err and path.read_bytes() == before
    assert main([*summed, "--salida", str(tmp_path / "c.safetensors")]) == 0
    made = load_file(tmp_path / "c.safetensors")
    for key in KEYS:
        expected = change_of(load_file(path), key) - 0.5 * change_of(load_file(other), key)
        torch.testing.assert_close(change_of(made, key), expected, rtol=2e-2, atol=2e-2)
    with pytest.raises(SystemExit):
        main(["lora", "reducir", "a", "b", "--carpeta", where, "--salida", str(tmp_path / "d.safetensors")])
    assert "sdcolab lora mezclar" in capsys.readouterr().err


def test_loras_of_two_families_or_of_another_kind_are_told(tmp_path: Path) -> None:
    one, small, wide = lora(tmp_path / "a.safetensors", 1), tmp_path / "b.safetensors", tmp_path / "c.safetensors"
    key = f"{KEYS[0]}.lora"
    save_file({f"{key}_down.weight": torch.ones(4, 16), f"{key}_up.weight": torch.ones(48, 4)}, small)
    with pytest.raises(LorasUnlike):
        made_of((one, 1), (small, 1), rank=4)
    down, up = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight", "lora_up.weight"
    save_file({down: torch.ones(4, 2048), down.replace("lora_down.weight", up): torch.ones(640, 4)}, wide)
    text = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    classic = {f"{text}.lora_down.weight": torch.ones(4, 768), f"{text}.lora_up.weight": torch.ones(3072, 4)}
    save_file(classic, small)
    with pytest.raises(LorasUnlike):
        made_of((small, 1), (wide, 1), rank=4)
    save_file({**classic, f"{KEYS[0]}.hada_w1_a": torch.ones(4, 4)}, small)
    told: list[SdcolabError] = []
    assert combined([(small, 1)], 2, told.append).rank == 2
    assert [(type(one), getattr(one, "count", 0)) for one in told] == [(LoraLayersLeftOut, 1)]
    save_file({f"{KEYS[0]}.hada_w1_a": torch.ones(4, 4)}, small)
    with pytest.raises(LoraNotPlain):
        made_of((small, 1), rank=4)
    with pytest.raises(ModelWrongKind):
        made_of((demo_model().path, 1), rank=4)


def test_a_lora_is_made_of_others_as_a_task(tmp_path: Path) -> None:
    folders, events = Folders(tmp_path), list[Event]()
    folder = folders.models(ModelKind.LORA)
    folder.mkdir(parents=True)
    lora(folder / "a.safetensors", 1), lora(folder / "b.safetensors", 2)
    library = build_library(folders)
    worker = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library)))
    for task in (CombineLoras("a.safetensors", rank=2), CombineLoras("a.safetensors", 1, "b.safetensors", 0.5)) * 2:
        worker.run(task, events.append, CancelToken())
    made = [event.path for event in events if isinstance(event, FileMade)]
    names = ["a-dim2.safetensors", "a-b.safetensors", "a-dim2 (2).safetensors", "a-b (2).safetensors"]
    assert [path.name for path in made] == names and {path.parent for path in made} == {folder}
    assert read_plain(made[1]).metadata["ss_network_dim"] == "16"
    with pytest.raises(NameNotChosen):
        worker.run(CombineLoras(), events.append, CancelToken())
