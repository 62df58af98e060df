"""The trained networks: names, sizes and numbers against the reference trainer's; files against our engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from sdcolab.core.lora_names import layers_of
from sdcolab.engine.features.lora_math import change_of
from sdcolab.engine.models import load_checkpoint, text_model, without_weights
from sdcolab.engine.weights import open_weights
from sdcolab.training.network import (
    DoraAdapter,
    LayerRules,
    LoraAdapter,
    Network,
    Place,
    factorised,
    places_of,
    text_places,
    unet_places,
)
from sdcolab.training.network_rules import Algorithm, NetworkRules, block_rates, network_rules
from tests.support.vectors import vectors

MODULES = vectors("lora_modules")


@pytest.fixture(scope="module")
def sd15_places() -> list[Place]:
    """Every layer of Stable Diffusion 1.5, without memory."""
    with without_weights():
        text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
        unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
    return [*text_places(text_model(text), 0, "lora_te_"), *unet_places(unet, sdxl=False)]


@pytest.mark.parametrize(
    "case", MODULES["summary"], ids=lambda case: f"{case['model']}-{case['dim']}-{len(case['network_args'])}"
)
def test_layers_sizes_and_names_are_the_reference_trainers(case: dict[str, Any], sd15_places: list[Place]) -> None:
    if case["model"] != "sd15":
        pytest.skip("solo SD 1.5 tiene aquí sus capas")
    rules = network_rules(case["dim"], case["alpha"] or 1, case["network_args"], dropout=None, sdxl=False)
    with torch.device("meta"):
        network = Network(sd15_places, rules)
    tensors = {f"{key}.{name}": t for key, one in network.adapters.items() for name, t in one.tensors().items()}
    unet = [key for key in network.places if key.startswith("lora_unet")]
    assert (len(unet), len(network.places) - len(unet)) == (case["unet_modules"], case["te_modules"])
    counts = [
        sum(p.numel() for key in keys for p in network.adapters[key].parameters())
        for keys in (unet, set(network.places) - set(unet))
    ]
    assert counts == [case["unet_params"], case["te_params"]]
    assert len(tensors) == case["tensors"]
    assert sum(2 * tensor.numel() for tensor in tensors.values()) == case["fp16_tensor_bytes"]
    assert set(network.places) >= {row[0] for row in MODULES["modules_dim16_alpha8"]["sd15"]}
    assert sorted({one.rules.alpha for one in network.adapters.values()}) == case["alphas"]


def test_shapes_of_every_layer(sd15_places: list[Place]) -> None:
    with torch.device("meta"):
        network = Network(sd15_places, NetworkRules(dim=16, alpha=8))
    found = {
        key: [key, list(one.down.shape), list(one.up.shape), one.rules.alpha] for key, one in network.adapters.items()
    }
    expected = {row[0]: row for row in MODULES["modules_dim16_alpha8"]["sd15"]}
    assert found == expected


@pytest.mark.parametrize("case", MODULES["block_lr_weights"], ids=str)
def test_rates_by_block(case: dict[str, Any]) -> None:
    assert block_rates(case["network_args"], sdxl=case["sdxl"]) == pytest.approx(case["weights"])


class Tiny(nn.Module):
    """The layers of the recorded miniature."""

    def __init__(self, base: dict[str, Any]) -> None:
        super().__init__()
        weight = torch.tensor(base["a.proj_in.weight"])
        self.proj_in = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        lin = torch.tensor(base["a.lin.weight"])
        self.lin = nn.Linear(lin.shape[1], lin.shape[0])
        for name in ("proj_in", "lin"):
            getattr(self, name).weight.data = torch.tensor(base[f"a.{name}.weight"])
            getattr(self, name).bias.data = torch.tensor(base[f"a.{name}.bias"])


@pytest.mark.parametrize("case", vectors("lora_numeric")["cases"], ids=lambda case: f"{case['dim']}-{case['alpha']}")
def test_outputs_and_norm_limits_are_the_reference_trainers(case: dict[str, Any]) -> None:
    if case["network_args"] or case["multiplier"] != 1:
        pytest.skip("el factor y los argumentos se prueban aparte")
    tiny = Tiny(case["base"])
    places = [Place(f"lora_unet_a_{name}", getattr(tiny, name), -1) for name in ("proj_in", "lin")]
    network = Network(places, NetworkRules(dim=case["dim"], alpha=case["alpha"] or None)).eval()
    for row in case["init"]:
        adapter = network.adapters[row["name"]]
        assert float(adapter.down.abs().max()) <= row["kaiming_bound"]
        assert not adapter.up.any()
        assert (float(adapter.alpha), adapter.scale) == (row["alpha"], row["scale"])
    tensors = {name: torch.tensor(value) for name, value in case["lora"].items()}
    assert network.load_file_tensors(tensors) == 2
    with network, torch.no_grad():
        for name, inputs in (("proj_in", "x4"), ("lin", "x6")):
            output = getattr(tiny, name)(torch.tensor(case["inputs"][inputs]))
            torch.testing.assert_close(output, torch.tensor(case["outputs"][name]), rtol=1e-5, atol=1e-6)
    for row in case["scale_weight_norms"]:
        network.load_file_tensors(tensors)
        shrunk, mean, largest = network.limit_norms(row["max_norm"])
        assert (shrunk, mean, largest) == pytest.approx(
            (row["keys_scaled"], row["mean_norm"], row["max_norm_after"]), rel=1e-5
        )
        for name, tensor in network.file_tensors().items():
            torch.testing.assert_close(
                tensor, torch.tensor(row["after"][name], dtype=torch.float32), rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("case", vectors("lora_numeric")["optimizer_groups"], ids=str)
def test_parameters_are_grouped_by_rate(case: dict[str, Any]) -> None:
    linear = [nn.Linear(4, 4) for _ in range(3)]
    places = [Place(f"layer{number}", layer, 0 if number == 0 else -1) for number, layer in enumerate(linear)]
    default = case["default_lr"] or 0.0
    plus = case["loraplus"] or [None, None, None]
    rules = NetworkRules(dim=2, up_ratio_unet=plus[1] or plus[0] or 1, up_ratio_text=plus[2] or plus[0] or 1)
    unet = default if case["unet_lr"] is None else case["unet_lr"]
    text = default if case["text_encoder_lr"] is None else case["text_encoder_lr"]
    groups = Network(places, rules).groups(unet, (text,))
    assert sorted((group["lr"], len(group["params"])) for group in groups) == sorted(
        (row["lr"], row["tensors"]) for row in case["groups"]
    )


NETWORKS = {
    "lora": NetworkRules(dim=4, alpha=2),
    "locon": NetworkRules(dim=4, alpha=2, conv_dim=3, conv_alpha=1),
    "loha": NetworkRules(Algorithm.LOHA, dim=3, alpha=2, conv_dim=2, conv_alpha=1),
    "lokr": NetworkRules(Algorithm.LOKR, dim=2, alpha=1, conv_dim=2, conv_alpha=1),
    "lokr_full": NetworkRules(Algorithm.LOKR, dim=900, alpha=1, factor=4),
    "dora": NetworkRules(dim=4, alpha=2, dora=True),
    "dora_loha": NetworkRules(Algorithm.LOHA, dim=3, alpha=2, dora=True, conv_dim=2, conv_alpha=1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_changes_weights_in_the_engine_as_the_network_does(name: str, mini_checkpoint: Path) -> None:
    model = load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float32)
    torch.manual_seed(1)
    network = Network(places_of(model), NETWORKS[name])
    for parameter in network.parameters():
        parameter.data += torch.randn_like(parameter) * 0.05
    tensors = network.file_tensors()
    layers = layers_of(tensors)
    assert set(layers) == set(network.places)
    for key, place in network.places.items():
        weight = place.layer.weight.detach()
        change = change_of({kind: tensors[full] for kind, full in layers[key].items()}, weight)
        assert change.weight is not None
        torch.testing.assert_close(change.weight, network.adapters[key].weight_change().detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_new_network_changes_nothing_and_leaves_nothing_behind(name: str, mini_checkpoint: Path) -> None:
    model = load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float32)
    network = Network(places_of(model), NETWORKS[name])
    inputs = torch.randn(1, 4, 16, 16), torch.tensor([5]), torch.randn(1, 77, 64)
    with torch.no_grad():
        plain = model.unet(*inputs).sample
        with network:
            beside = model.unet(*inputs).sample
        after = model.unet(*inputs).sample
    torch.testing.assert_close(beside, plain, rtol=1e-3, atol=1e-4)
    assert torch.equal(after, plain)


def test_dora_starts_with_the_weights_own_norms() -> None:
    layer = nn.Linear(6, 5)
    dora = DoraAdapter(LoraAdapter(layer, LayerRules(2, 2)))
    assert dora.magnitude.shape == (1, 6)
    torch.testing.assert_close(dora.weight_change(), torch.zeros(5, 6), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "factor", "pair"), [(320, -1, (16, 20)), (320, 8, (8, 40)), (768, 4, (4, 192)), (7, -1, (1, 7))]
)
def test_sizes_are_split_in_two_factors(size: int, factor: int, pair: tuple[int, int]) -> None:
    assert factorised(size, factor) == pair


def test_dropped_parts_of_a_network_are_dropped_only_in_training() -> None:
    layer = nn.Linear(8, 8)
    adapter = LoraAdapter(layer, LayerRules(4, 4, dropout=0.5, rank_dropout=0.5, module_dropout=0.0))
    adapter.up.data.normal_()
    x = torch.randn(2, 3, 8)
    adapter.eval()
    assert torch.equal(adapter(x), adapter(x))
    adapter.train()
    assert not torch.equal(adapter(x), adapter(x))
