"""LoRA files merged into a miniature model: names, exact restoring, switching, and what cannot be used."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    Cancelled,
    DecimalComma,
    EmbeddingSkipped,
    LoraArgumentIgnored,
    LoraFormatUnknown,
    LoraMisfit,
    LoraMissing,
    LoraNoLayers,
    LoraPartlyUsed,
    LoraWrongFamily,
    ModelUnreadable,
    ModelUnsafe,
    ModelWrongKind,
    NetworkStrengthUnread,
    OutOfMemory,
    SdcolabError,
)
from sdcolab.core.events import CancelToken, Event, StepDone, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.lora_names import (
    TextNaming,
    attention_of,
    compvis_paths,
    layers_of,
    text_layer_keys,
    unet_layer_keys,
)
from sdcolab.core.prompt import LoraMultipliers
from sdcolab.core.request import GenerationRequest
from sdcolab.core.resolved import read_prompt
from sdcolab.engine.convert import renamed, unet_rename
from sdcolab.engine.engine import Engine
from sdcolab.engine.features import lora as lora_module
from sdcolab.engine.features.lora import LoraMerger
from sdcolab.engine.lora_tags import LoraUse, loras_in
from sdcolab.engine.models import LoadedModel, load_checkpoint, text_model
from sdcolab.engine.weights import open_weights

TO_Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
TO_K = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
CONV = "down_blocks.0.resnets.0.conv1"
Q_PROJ = "encoder.layers.0.self_attn.q_proj"
Q_KEY = "lora_unet_" + TO_Q.replace(".", "_")


@pytest.fixture
def model(mini_checkpoint: Path) -> LoadedModel:
    return load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float32)


@pytest.fixture
def merger(model: LoadedModel) -> LoraMerger:
    return LoraMerger(model)


SaveLora = Callable[..., Path]


@pytest.fixture
def save_lora(folders: Folders) -> SaveLora:
    """Writes a file into the LoRA folder."""

    def save(name: str, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
        path = folders.models(ModelKind.LORA) / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata)
        return path

    return save


def kohya(unet: str = "", text: str = "", shape: tuple[int, int] = (32, 32), seed: int = 0) -> dict[str, Tensor]:
    """A LoRA of rank 2 and alpha 1 on one layer of the UNet and one of the text encoder."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for key, (out, into) in (("lora_unet_" + unet, shape), ("lora_te_text_model_" + text, (64, 64))):
        if key not in ("lora_unet_", "lora_te_text_model_"):
            key = key.replace(".", "_")
            tensors[f"{key}.lora_up.weight"] = torch.randn(out, 2, generator=generator)
            tensors[f"{key}.lora_down.weight"] = torch.randn(2, into, generator=generator)
            tensors[f"{key}.alpha"] = torch.tensor(1.0)
    return tensors


def product(tensors: dict[str, Tensor], key: str) -> Tensor:
    """up @ down / 2 of a ``kohya`` layer."""
    key = key.replace(".", "_")
    return tensors[f"{key}.lora_up.weight"] @ tensors[f"{key}.lora_down.weight"] / 2


def refuse(warning: SdcolabError) -> None:
    raise AssertionError(warning)


def uses(folders: Folders, prompt: str, warn: Callable[[SdcolabError], None] = refuse) -> tuple[LoraUse, ...]:
    return loras_in(read_prompt(prompt).tags, Library(folders), warn)


def state(model: LoadedModel) -> dict[str, Tensor]:
    """Copies of all weights."""
    parts = {"unet": model.unet, "text": model.text_encoder}
    parts |= {f"text{index}": encoder.module for index, encoder in enumerate(model.text_encoders[1:], start=2)}
    return {f"{part}.{name}": tensor.clone() for part in parts for name, tensor in parts[part].state_dict().items()}


def differing(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Names whose tensors differ in any bit."""
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def weight(module: nn.Module, path: str) -> Tensor:
    return module.get_submodule(path).weight


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "refiner"])
def test_compvis_paths_are_the_inverse_of_the_loaders(family: str, mini_family: Callable[..., Path]) -> None:
    prefix = "model.diffusion_model."
    names = renamed(open_weights(mini_family(family)).header.tensors, prefix, unet_rename(1))
    assert names
    for new, old in names.items():
        path, _, tensor = new.rpartition(".")
        assert old.removeprefix(prefix) in [f"{found}.{tensor}" for found in compvis_paths(path, 1)]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("input_blocks_0_0", "conv_in"),
        ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        ("input_blocks_4_0_skip_connection", "down_blocks.1.resnets.0.conv_shortcut"),
        (
            "input_blocks_8_1_transformer_blocks_9_attn2_to_k",
            "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k",
        ),
        ("middle_block_1_proj_in", "mid_block.attentions.0.proj_in"),
        ("middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"),
        ("output_blocks_2_1_transformer_blocks_0_ff_net_2", "up_blocks.0.attentions.2.transformer_blocks.0.ff.net.2"),
        ("output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
        ("output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("output_blocks_8_0_out_layers_3", "up_blocks.2.resnets.2.conv2"),
        ("label_emb_0_2", "add_embedding.linear_2"),
        ("time_embed_0", "time_embedding.linear_1"),
        ("out_2", "conv_out"),
    ],
)
def test_names_in_sdxl_files(key: str, path: str) -> None:
    """SDXL has two residual blocks a level, like all full-size models."""
    assert {f"lora_unet_{key}", "lora_unet_" + path.replace(".", "_")} <= set(unet_layer_keys(path, 2))


@pytest.mark.parametrize(
    "name",
    [
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.default.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora.down.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_linear_layer.down.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight",
        "base_model.model.unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
        "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
        "diffusion_model_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
        "lycoris_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight",
    ],
)
def test_every_naming_of_a_unet_layer(
    name: str, merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    up = name.replace("lora_down", "lora_up").replace("lora_A", "lora_B").replace(".down.", ".up.")
    tensors = {name: torch.ones(2, 32), up: torch.ones(32, 2)}
    save_lora("x", tensors)
    before = weight(model.unet, TO_Q).clone()
    with merger.applied(uses(folders, "<lora:x:0.5>"), refuse):
        assert torch.equal(weight(model.unet, TO_Q), before + 0.5 * torch.full((32, 32), 2.0))


@pytest.mark.parametrize(
    "name",
    [
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
        "text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight",
        "text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight",
        "transformer_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
        "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
    ],
)
def test_every_naming_of_a_text_layer(
    name: str, merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    up = name.replace("lora_down", "lora_up").replace("lora_A", "lora_B").replace(".down.", ".up.")
    save_lora("x", {name: torch.ones(1, 64), up: torch.ones(64, 1)})
    before = weight(text_model(model.text_encoder), Q_PROJ).clone()
    with merger.applied(uses(folders, "<lora:x:2:0>"), refuse):
        assert torch.equal(weight(text_model(model.text_encoder), Q_PROJ), (before + 2).half().float())


def test_names_that_are_no_layers_are_left_out() -> None:
    assert not layers_of(["bundle_emb.x.string_to_param.weight", "optimizer", "step"])


OPEN_CLIP = TextNaming(1, counted=True, open_clip=True)


@pytest.mark.parametrize(
    ("path", "naming", "keys"),
    [
        (Q_PROJ, TextNaming(counted=True), {"lora_te1_text_model_", "0_transformer_text_model_"}),
        (Q_PROJ, OPEN_CLIP, {"lora_te2_text_model_", "1_model_transformer_resblocks_0_attn_q_proj"}),
        ("encoder.layers.3.self_attn.out_proj", OPEN_CLIP, {"1_model_transformer_resblocks_3_attn_out_proj"}),
        ("encoder.layers.3.mlp.fc2", OPEN_CLIP, {"lora_te2_", "1_model_transformer_resblocks_3_mlp_c_proj"}),
        ("encoder.layers.3.layer_norm2", TextNaming(open_clip=True), {"model_transformer_resblocks_3_ln_2"}),
    ],
)
def test_keys_of_text_encoders(path: str, naming: TextNaming, keys: set[str]) -> None:
    """Each of ``keys`` is one that ends by the path itself (after a trainer's prefix), or A1111's own."""
    own = path.replace(".", "_")
    assert {key if "resblocks" in key else key + own for key in keys} <= set(text_layer_keys(path, naming))


def test_whole_attentions_of_open_clip() -> None:
    four = {attention_of(f"encoder.layers.2.self_attn.{part}_proj", OPEN_CLIP) for part in ("q", "k", "v", "out")}
    assert len(four) == 1 and None not in four
    assert attention_of("encoder.layers.1.self_attn.q_proj", OPEN_CLIP) not in four
    assert attention_of("encoder.layers.2.mlp.fc1", OPEN_CLIP) is None
    assert attention_of("encoder.layers.2.self_attn.q_proj", TextNaming()) is None


XL_TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.mark.parametrize(
    ("layer", "network", "path"),
    [
        ("lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k", None, XL_TO_K),
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", None, XL_TO_K),
        (f"unet.{XL_TO_K}", None, XL_TO_K),
        ("lora_unet_label_emb_0_0", None, "add_embedding.linear_1"),
        ("lora_te1_text_model_encoder_layers_1_self_attn_q_proj", 0, "encoder.layers.1.self_attn.q_proj"),
        ("text_encoder.text_model.encoder.layers.1.mlp.fc1", 0, "encoder.layers.1.mlp.fc1"),
        ("0_transformer_text_model_encoder_layers_1_mlp_fc1", 0, "encoder.layers.1.mlp.fc1"),
        ("lora_te2_text_model_encoder_layers_1_mlp_fc1", 1, "encoder.layers.1.mlp.fc1"),
        ("text_encoder_2.text_model.encoder.layers.1.mlp.fc2", 1, "encoder.layers.1.mlp.fc2"),
        ("1_model_transformer_resblocks_1_mlp_c_fc", 1, "encoder.layers.1.mlp.fc1"),
        ("conditioner.embedders.1.model.transformer.resblocks.1.mlp.c_proj", 1, "encoder.layers.1.mlp.fc2"),
    ],
)
def test_layers_of_sdxl(
    layer: str, network: int | None, path: str, mini_sdxl: Path, folders: Folders, save_lora: SaveLora
) -> None:
    model = load_checkpoint(open_weights(mini_sdxl), torch.device("cpu"), torch.float32)
    part = model.unet if network is None else text_model(model.text_encoders[network].module)
    before = weight(part, path).clone()
    save_lora("x", {f"{layer}.lora_A.weight": torch.ones(1, before.shape[1]), **up_of(layer, before.shape[0])})
    with LoraMerger(model).applied(uses(folders, "<lora:x:0.5:0.25>"), refuse):
        expected = before + 0.25 if network is None else (before + 0.5).half().float()
        assert torch.equal(weight(part, path), expected)


def up_of(layer: str, out: int) -> dict[str, Tensor]:
    return {f"{layer}.lora_B.weight": torch.ones(out, 1)}


@pytest.mark.parametrize(("family", "prefix"), [("sd2", "lora_te"), ("sdxl", "lora_te2")])
def test_open_clip_takes_whole_attentions_only(
    family: str, prefix: str, mini_family: Callable[..., Path], folders: Folders, save_lora: SaveLora
) -> None:
    """The first layer has q and v, the second all four parts."""
    model = load_checkpoint(open_weights(mini_family(family)), torch.device("cpu"), torch.float32)
    width = model.text_encoders[-1].width
    given = [(0, "q"), (0, "v"), *((1, part) for part in ("q", "k", "v", "out"))]
    tensors: dict[str, Tensor] = {}
    for index, part in given:
        tensors |= pair(f"{prefix}_text_model_encoder_layers_{index}_self_attn_{part}_proj", width, width)
    save_lora("x", tensors)
    save_lora("half", {name: tensor for name, tensor in tensors.items() if "layers_0" in name})
    before, merger, warnings = state(model), LoraMerger(model), []
    with merger.applied(uses(folders, "<lora:x:1>"), warnings.append):
        after = state(model)
    changed = {name.split("encoder.layers.")[1] for name in differing(before, after)}
    assert changed == {f"1.self_attn.{part}_proj.weight" for part in ("q", "k", "v", "out")}
    (warning,) = warnings
    assert isinstance(warning, LoraPartlyUsed) and (warning.used, warning.layers) == (4, 6)
    with pytest.raises(LoraNoLayers), merger.applied(uses(folders, "<lora:half:1>"), refuse):
        pass


WIDTHS = {"sd1": 768, "sd2": 1024, "sdxl": 2048}
FAMILY_NAMES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}


@pytest.mark.parametrize(("made_for", "used_on"), [(one, other) for one in WIDTHS for other in WIDTHS if one != other])
def test_files_of_another_family_name_both(
    made_for: str, used_on: str, mini_family: Callable[..., Path], folders: Folders, save_lora: SaveLora
) -> None:
    model = load_checkpoint(open_weights(mini_family(used_on)), torch.device("cpu"), torch.float32)
    block = "input_blocks_4_1" if made_for == "sdxl" else "down_blocks_0_attentions_0"
    save_lora("x", pair(f"lora_unet_{block}_transformer_blocks_0_attn2_to_k", 320, WIDTHS[made_for]))
    before = state(model)
    with pytest.raises(LoraWrongFamily) as error, LoraMerger(model).applied(uses(folders, "<lora:x:1>"), refuse):
        pass
    assert (error.value.family, error.value.model_family) == (FAMILY_NAMES[made_for], FAMILY_NAMES[used_on])
    assert not differing(before, state(model))


# --- Merging ----------------------------------------------------------------------------------------------------------


def test_multipliers(merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora) -> None:
    tensors = kohya(TO_Q, Q_PROJ)
    save_lora("x", tensors)
    unet, text = weight(model.unet, TO_Q).clone(), weight(text_model(model.text_encoder), Q_PROJ).clone()
    with merger.applied(uses(folders, "<lora:x:0.25:-0.75>"), refuse):
        change = product(tensors, "lora_unet_" + TO_Q)
        assert torch.allclose(weight(model.unet, TO_Q), unet - 0.75 * change, atol=1e-6)
        change = product(tensors, "lora_te_text_model_" + Q_PROJ)
        merged = weight(text_model(model.text_encoder), Q_PROJ)
        assert torch.allclose(merged, text + 0.25 * change, rtol=1e-3)
        assert torch.equal(merged, merged.half().float())  # as the reference keeps it


def test_dyn(merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora) -> None:
    tensors = kohya(TO_Q)
    save_lora("x", tensors)
    key = "lora_unet_" + TO_Q.replace(".", "_")
    first = tensors[f"{key}.lora_up.weight"][:, :1] @ tensors[f"{key}.lora_down.weight"][:1] / 2
    before = weight(model.unet, TO_Q).clone()
    with merger.applied(uses(folders, "<lora:x:1:dyn=1>"), refuse):
        assert torch.allclose(weight(model.unet, TO_Q), before + first, atol=1e-6)


def test_files_are_merged_one_after_another(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    key = "lora_unet_" + TO_Q.replace(".", "_")
    save_lora("double", {f"{key}.weight": torch.ones(32), f"{key}.on_input": torch.tensor(False)})
    save_lora("one", {f"{key}.diff": torch.ones(32, 32)})
    before = weight(model.unet, TO_Q).clone()
    with merger.applied(uses(folders, "<lora:double:1><lora:one:1>"), refuse):
        assert torch.equal(weight(model.unet, TO_Q), before * 2 + 1)
    with merger.applied(uses(folders, "<lora:one:1> y <lyco:double:1>"), refuse):
        assert torch.equal(weight(model.unet, TO_Q), (before + 1) * 2)


def test_a_name_mentioned_twice_counts_twice_with_the_last_strength(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    key = "lora_unet_" + TO_Q.replace(".", "_")
    save_lora("one", {f"{key}.diff": torch.ones(32, 32)})
    before = weight(model.unet, TO_Q).clone()
    with merger.applied(uses(folders, "<lora:one:7> <lora:one:0.5>"), refuse):
        assert torch.equal(weight(model.unet, TO_Q), (before + 0.5) + 0.5)


def test_biases_also_where_there_was_none(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    q, conv = ("lora_unet_" + path.replace(".", "_") for path in (TO_Q, CONV))
    norm = "lora_unet_down_blocks_0_resnets_0_norm1"
    save_lora(
        "x",
        {
            f"{q}.diff_b": torch.ones(32),
            f"{conv}.diff": torch.ones(32, 32, 3, 3),
            f"{conv}.diff_b": torch.ones(32),
            f"{norm}.w_norm": torch.ones(32),
            f"{norm}.b_norm": torch.ones(32),
        },
    )
    before = state(model)
    with merger.applied(uses(folders, "<lora:x:0.5>"), refuse):
        now = state(model)
        assert torch.equal(now[f"unet.{TO_Q}.bias"], torch.full((32,), 0.5))
        for path in (CONV, CONV.replace("conv1", "norm1")):
            for kind in ("weight", "bias"):
                assert torch.equal(now[f"unet.{path}.{kind}"], before[f"unet.{path}.{kind}"] + 0.5)
    merger.restore()
    assert not differing(before, state(model))
    assert model.unet.get_submodule(TO_Q).bias is None


def test_half_precision_is_rounded_after_each_file(
    mini_checkpoint: Path, folders: Folders, save_lora: SaveLora
) -> None:
    """Next to 1, halves are 0.000977 apart: each 0.0003 vanishes, where 0.0006 at once would not."""
    model = load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float16)
    for path in (TO_Q, TO_K):
        model.unet.get_submodule(path).weight.data = torch.ones_like(weight(model.unet, path))
    small = torch.full((32, 1), 0.0003)
    for name in ("a", "b"):
        plain = {f"{Q_KEY}.lora_up.weight": small, f"{Q_KEY}.lora_down.weight": torch.ones(1, 32)}
        save_lora(name, plain | {f"{Q_KEY.replace('attn1_to_q', 'attn2_to_k')}.diff": small.expand(32, 64)})
    before, merger = state(model), LoraMerger(model)
    with merger.applied(uses(folders, "<lora:a:1><lora:b:1>"), refuse):
        assert not differing(before, state(model))
    with merger.applied(uses(folders, "<lora:a:2><lora:b:1>"), refuse):
        for path in (TO_Q, TO_K):
            assert torch.equal(weight(model.unet, path), torch.ones_like(weight(model.unet, path)) + 2**-10)
    merger.restore()
    assert not differing(before, state(model))


def test_plain_files_have_the_numbers_of_the_models_type(
    mini_checkpoint: Path, folders: Folders, save_lora: SaveLora
) -> None:
    model = load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), torch.float16)
    model.unet.get_submodule(TO_Q).weight.data.zero_()
    # 1 + 2^-12 is 1 in halves; times 1 - 2^-11, which they have
    save_lora("x", pair(Q_KEY, 32, 32) | {f"{Q_KEY}.lora_up.weight": torch.full((32, 1), 1 + 2**-12)})
    with LoraMerger(model).applied(uses(folders, f"<lora:x:{1 - 2**-11}>"), refuse):
        assert torch.equal(weight(model.unet, TO_Q), torch.full((32, 32), 1 - 2**-11, dtype=torch.float16))


# --- Restoring and switching ------------------------------------------------------------------------------------------


def test_restoring_is_exact(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora, mini_checkpoint: Path
) -> None:
    save_lora("x", kohya(TO_Q, Q_PROJ))
    before, file = state(model), mini_checkpoint.read_bytes()
    with merger.applied(uses(folders, "<lora:x:1>"), refuse):
        assert differing(before, state(model)) == {
            f"unet.{TO_Q}.weight",
            *(n for n in before if n.endswith(Q_PROJ + ".weight")),
        }
    assert differing(before, state(model))  # kept for the next request
    with merger.applied((), refuse):
        assert not differing(before, state(model))
    assert mini_checkpoint.read_bytes() == file


def test_merging_over_a_merge_leaves_the_originals_alone(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    """Also where the first file changes only the bias, so that the layer's weight still is the original."""
    save_lora("bias", {f"{Q_KEY}.diff_b": torch.ones(32)})
    for seed, name in enumerate("ab"):
        save_lora(name, kohya(TO_Q, Q_PROJ, seed=seed))
    save_lora("diff", {f"{Q_KEY}.diff": torch.ones(32, 32)})
    before = state(model)
    for prompt in ("bias", "bias a", "a", "b", "b diff", "diff a", "bias"):
        tags = "".join(f"<lora:{name}:0.5>" for name in prompt.split())
        with merger.applied(uses(folders, tags), refuse):
            merged = state(model)
        with merger.applied((), refuse):
            assert not differing(before, state(model))
        with merger.applied(uses(folders, tags), refuse):
            assert not differing(merged, state(model))


def test_an_exception_restores(merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q, Q_PROJ))
    before = state(model)
    with pytest.raises(KeyboardInterrupt), merger.applied(uses(folders, "<lora:x:1>"), refuse):
        raise KeyboardInterrupt
    assert not differing(before, state(model))
    assert merger.text_state == ()


def counted_merges(patch: pytest.MonkeyPatch) -> list[int]:
    """Gets an item for each file that is added to a layer from now on."""
    calls: list[int] = []
    factors = lora_module.plain_factors
    patch.setattr(lora_module, "plain_factors", lambda *rest: calls.append(1) or factors(*rest))
    return calls


def test_only_what_changed_is_merged_anew(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted_merges(monkeypatch)
    save_lora("a", kohya(TO_Q, Q_PROJ))
    save_lora("b", kohya(TO_K, shape=(32, 64)))

    def apply(prompt: str) -> int:
        calls.clear()
        with merger.applied(uses(folders, prompt), refuse):
            return len(calls)

    before = state(model)
    assert apply("<lora:a:1>") == 2
    alone = state(model)
    assert apply("<lora:a:1>") == 0
    assert apply("<lora:a:1><lora:b:1>") == 1
    assert apply("<lora:a:1><lora:b:0.5>") == 1
    assert apply("<lora:a:1:0.5><lora:b:0.5>") == 1  # the text encoder's part stays
    assert apply("<lora:a:1:0>") == 0
    assert apply("<lora:a:1>") == 1
    assert not differing(alone, state(model))
    assert apply("") == 0
    assert not differing(before, state(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_more_files_are_added_on_top_of_those_merged(
    mini_checkpoint: Path, folders: Folders, save_lora: SaveLora, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    """Only the new file is worked out, and the weights are those of merging all at once, bit by bit."""
    for seed, name in enumerate("abc"):
        save_lora(name, kohya(TO_Q, Q_PROJ, seed=seed))
    prompts = ["<lora:a:0.7>", "<lora:a:0.7><lora:b:0.3>", "<lora:a:0.7><lora:b:0.3><lora:c:-1>"]
    models = [load_checkpoint(open_weights(mini_checkpoint), torch.device("cpu"), dtype) for _ in range(2)]
    step_by_step, at_once = (LoraMerger(model) for model in models)
    with monkeypatch.context() as patch:
        calls = counted_merges(patch)
        for count, prompt in enumerate(prompts, start=1):
            with step_by_step.applied(uses(folders, prompt), refuse):
                assert len(calls) == 2 * count
    with at_once.applied(uses(folders, prompts[-1]), refuse):
        assert not differing(*(state(model) for model in models))


def test_a_file_that_changed_is_read_again(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora
) -> None:
    key = "lora_unet_" + TO_Q.replace(".", "_")
    before = weight(model.unet, TO_Q).clone()
    for value in (1.0, 2.0):
        (folders.models(ModelKind.LORA) / "x.safetensors").unlink(missing_ok=True)
        save_lora("x", {f"{key}.diff": torch.full((32, 32), value), "pad": torch.zeros(int(value))})
        with merger.applied(uses(folders, "<lora:x:1>"), refuse):
            assert torch.equal(weight(model.unet, TO_Q), before + value)


def test_text_state_tells_when_the_text_encoder_differs(
    merger: LoraMerger, folders: Folders, save_lora: SaveLora
) -> None:
    save_lora("both", kohya(TO_Q, Q_PROJ))
    save_lora("unet", kohya(TO_Q))
    states = []
    for prompt in ("", "<lora:unet:1>", "<lora:both:0:1>", "<lora:both:1>", "<lora:both:1:0.5>", "<lora:both:0.5>"):
        with merger.applied(uses(folders, prompt), refuse):
            states.append(merger.text_state)
    assert states[0] == states[1] == states[2] == ()
    assert states[3] == states[4] != ()
    assert states[5] not in (states[0], states[3])


def no_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_card_without_room_merges_on_the_cpu(
    merger: LoraMerger, model: LoadedModel, folders: Folders, save_lora: SaveLora, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = kohya(TO_Q)
    save_lora("x", tensors)
    before, factors, failures = weight(model.unet, TO_Q).clone(), lora_module.plain_factors, [no_memory]
    monkeypatch.setattr(lora_module, "plain_factors", lambda *rest: failures.pop()() if failures else factors(*rest))
    with merger.applied(uses(folders, "<lora:x:1>"), refuse):
        assert not failures
        assert torch.allclose(weight(model.unet, TO_Q), before + product(tensors, "lora_unet_" + TO_Q), atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no hay GPU")
def test_on_a_gpu(mini_checkpoint: Path, folders: Folders, save_lora: SaveLora) -> None:
    model = load_checkpoint(open_weights(mini_checkpoint), torch.device("cuda"), torch.float16)
    tensors = {name: tensor.half().float() for name, tensor in kohya(TO_Q, Q_PROJ).items()}  # rounded, as A1111
    save_lora("x", tensors)
    before, merger, address = state(model), LoraMerger(model), weight(model.unet, TO_Q).data_ptr()
    with merger.applied(uses(folders, "<lora:x:1>"), refuse):
        expected = before[f"unet.{TO_Q}.weight"].float() + product(tensors, "lora_unet_" + TO_Q).cuda()
        merged = weight(model.unet, TO_Q)
        assert merged.data_ptr() == address  # in place: a full card has no room for a second copy
        assert merged.device.type == "cuda"
        assert torch.allclose(merged.float(), expected, rtol=1e-3, atol=1e-4)
        assert all(kept.weight.device.type == "cpu" for kept in merger._merged.values())
    merger.restore()
    assert not differing(before, state(model))


# --- Files by name ----------------------------------------------------------------------------------------------------


def test_names_and_aliases(folders: Folders, save_lora: SaveLora) -> None:
    save_lora("sub/x", kohya(TO_Q), {"ss_output_name": "Mi estilo"})
    save_lora("y", kohya(TO_Q), {"ss_output_name": "twice"})
    save_lora("z", kohya(TO_Q), {"ss_output_name": "twice"})
    found = uses(folders, "<lora:x:1> <lora:sub/x:1> <lora:Mi estilo:0.5>")
    assert {use.file.name for use in found} == {"sub/x.safetensors"}
    assert found[2].strength == LoraMultipliers(0.5, 0.5, None)
    for missing in ("twice", "nada", "none", ""):
        told: list[SdcolabError] = []
        assert uses(folders, f"<lora:{missing}:1>" if missing else "<lora::1>", told.append) == ()
        assert [(type(one), one.facts()["tag"]) for one in told] == [(LoraMissing, f"<lora:{missing}:1>")]


@pytest.mark.parametrize(
    ("tag", "strength", "told"),
    [
        ("<lora:x:0,8>", LoraMultipliers(0.8, 0.8, None), ()),
        ("<lora:x:1:IN02>", LoraMultipliers(1.0, 1.0, None), (LoraArgumentIgnored,)),
        ("<lora:x:0.8:1,1,0>", LoraMultipliers(0.8, 0.8, None), (LoraArgumentIgnored,)),
        ("<lora:x:0.8:0.5:ALL>", LoraMultipliers(0.8, 0.5, None), (LoraArgumentIgnored,)),
    ],
)
def test_strengths_as_people_write_them(
    folders: Folders, save_lora: SaveLora, tag: str, strength: LoraMultipliers, told: tuple[type, ...]
) -> None:
    save_lora("x", kohya(TO_Q))
    heard: list[SdcolabError] = []
    assert uses(folders, tag, heard.append)[0].strength == strength
    assert tuple(map(type, heard)) == told


def test_a_name_in_the_metadata_wins_over_a_file_of_almost_that_name(folders: Folders, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q), {"ss_output_name": "Estilo"})
    save_lora("estilo", kohya(TO_Q))
    assert uses(folders, "<lora:Estilo:1>")[0].file.path.stem == "x"
    assert uses(folders, "<lora:estilo:1>")[0].file.path.stem == "estilo"
    save_lora("y", kohya(TO_Q), {"ss_output_name": "x"})
    assert uses(folders, "<lora:x:1>")[0].file.path.stem == "x"


def test_exact_names_win(folders: Folders, save_lora: SaveLora) -> None:
    for name in ("estilo", "Estilo 2", "estilo [v2]", "estilo.v3"):
        save_lora(name, kohya(TO_Q))
    for name in ("estilo", "estilo [v2]", "estilo.v3", "estilo.v3.safetensors"):
        (use,) = uses(folders, f"<lora:{name}:1>")
        assert use.file.path.stem == name.removesuffix(".safetensors")
    assert uses(folders, "<lora:ESTILO 2:1>")[0].file.path.stem == "Estilo 2"


def test_other_tags_are_left_alone(folders: Folders) -> None:
    assert not uses(folders, "a <hypernet:h:1> b")


def test_a_strength_that_is_no_number(folders: Folders, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q))
    told: list[SdcolabError] = []
    for tag in ("<lora:x:fuerte>", "<lora:x:>", "<lora:x:nan>", "<lora:x:1:te=mucho>"):
        assert uses(folders, tag, told.append) == ()
    assert {type(one) for one in told} == {NetworkStrengthUnread} and len(told) == 4
    assert [use.strength.unet for use in uses(folders, "<lora:x:0.5> <lora:x:fuerte>", told.append)] == [0.5]


# --- What cannot be used ----------------------------------------------------------------------------------------------


def pair(key: str, out: int, into: int, down_rank: int = 1) -> dict[str, Tensor]:
    return {f"{key}.lora_up.weight": torch.ones(out, 1), f"{key}.lora_down.weight": torch.ones(down_rank, into)}


SDXL_KEY = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("tensors", "error"),
    [
        (pair("lora_unet_nada", 4, 4), LoraNoLayers),
        (pair(SDXL_KEY, 4, 2048), LoraWrongFamily),
        (pair(Q_KEY, 320, 320), LoraMisfit),
        (pair(Q_KEY, 32, 32, down_rank=2), LoraMisfit),
        ({f"{Q_KEY}.lora_up.weight": torch.ones(32, 1)}, LoraFormatUnknown),
        ({f"{Q_KEY}.lokr_w1": torch.ones(2, 2), f"{Q_KEY}.lokr_w2_b": torch.ones(2, 16)}, LoraFormatUnknown),
        ({"emb_params": torch.ones(3, 768)}, ModelWrongKind),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(
    tensors: dict[str, Tensor],
    error: type[SdcolabError],
    merger: LoraMerger,
    model: LoadedModel,
    folders: Folders,
    save_lora: SaveLora,
) -> None:
    save_lora("good", kohya(TO_K, Q_PROJ, shape=(32, 64)))
    save_lora("bad", tensors)
    before = state(model)
    with pytest.raises(error), merger.applied(uses(folders, "<lora:good:1><lora:bad:1>"), refuse):
        pass
    assert not differing(before, state(model))


def test_a_file_that_is_used_in_part_is_told(merger: LoraMerger, folders: Folders, save_lora: SaveLora) -> None:
    path = save_lora("x", kohya(TO_Q) | kohya("up_blocks.9.conv"))
    warnings: list[SdcolabError] = []
    with merger.applied(uses(folders, "<lora:x:1>"), warnings.append):
        pass
    (warning,) = warnings
    assert isinstance(warning, LoraPartlyUsed)
    assert (warning.path, warning.used, warning.layers) == (path, 1, 2)


def test_a_repeated_use_of_one_file_is_one_file(folders: Folders, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q))
    first, second = uses(folders, "<lora:x:1><lora:x:1>")
    assert first == second == replace(first)


# --- In the engine ----------------------------------------------------------------------------------------------------

REQUEST = GenerationRequest(prompt="un gato", sampler="Euler", steps=2, seed=7, width=64, height=64)


def pixels(engine: Engine, prompt: str) -> bytes:
    return engine.generate(replace(REQUEST, prompt=prompt)).images[0].image.tobytes()


def test_a_request_with_a_lora(engine: Engine, folders: Folders, save_lora: SaveLora) -> None:
    path = save_lora("Mi, estilo", kohya(TO_Q, Q_PROJ))
    plain = pixels(engine, "un gato")
    image = engine.generate(replace(REQUEST, prompt="un gato<lora:Mi, estilo:1>")).images[0]
    digest = hashlib.sha256(path.read_bytes()[8 + int.from_bytes(path.read_bytes()[:8], "little") :]).hexdigest()
    assert f'Lora hashes: "Mi estilo: {digest[:12]}", Version: ' in image.infotext
    assert image.infotext.startswith("un gato<lora:Mi, estilo:1>\n")
    changed = image.image.tobytes()
    assert changed != plain
    assert pixels(engine, "un gato<lora:Mi, estilo:1:0>") not in (plain, changed)  # only the text encoder's part
    assert pixels(engine, "un gato<lora:Mi, estilo:0:1>") not in (plain, changed)
    assert pixels(engine, "un gato<lora:Mi, estilo:1>") == changed
    assert pixels(engine, "un gato<lora:Mi, estilo:0>") == plain
    assert pixels(engine, "un gato") == plain


def test_the_hash_in_the_metadata_wins(engine: Engine, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q), {"sshs_model_hash": "0123456789abcdef"})
    text = engine.generate(replace(REQUEST, prompt="a <lora:x:1>")).images[0].infotext
    assert 'Lora hashes: "x: 0123456789ab"' in text


@pytest.mark.parametrize(
    ("content", "code"), [(b"GGUF\x03" + bytes(200), "gguf"), (b"<html>" + b" " * 200, "web_page")]
)
def test_what_is_called_like_a_lora_is_told_for_what_it_is(
    engine: Engine, folders: Folders, content: bytes, code: str
) -> None:
    place = folders.models(ModelKind.LORA)
    place.mkdir(parents=True, exist_ok=True)
    (place / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelUnreadable) as raised:
        pixels(engine, "un gato <lora:x:1>")
    assert raised.value.reason == code


def test_a_pickle_that_is_called_safetensors_is_read_as_what_it_is(
    engine: Engine, folders: Folders, save_lora: SaveLora
) -> None:
    save_lora("x", kohya(TO_Q))
    path = folders.models(ModelKind.LORA) / "x.safetensors"
    wanted = pixels(engine, "un gato <lora:x:1>")
    tensors = load_file(path)
    path.unlink()
    torch.save(tensors, path)
    assert pixels(engine, "un gato <lora:x:1>") == wanted
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
        archive.writestr("x/version", b"3")
    with pytest.raises(ModelUnsafe):
        pixels(engine, "un gato <lora:x:1>")


def test_a_missing_lora_is_told_and_the_picture_made_without_it(engine: Engine, folders: Folders) -> None:
    events: list[Event] = []
    (image,) = engine.generate(replace(REQUEST, prompt="un gato <lora:nada:1>"), events.append).images
    assert [type(event.warning) for event in events if isinstance(event, Warned)] == [LoraMissing]
    assert image.image.tobytes() == pixels(engine, "un gato ")


def test_a_weight_with_a_comma_is_told(engine: Engine, folders: Folders) -> None:
    events: list[Event] = []
    engine.generate(replace(REQUEST, prompt="un (gato:1,2)", negative_prompt="(x:0,5)"), events.append)
    told = [event.warning for event in events if isinstance(event, Warned)]
    assert [str(one.facts()["better"]) for one in told if isinstance(one, DecimalComma)] == ["1.2", "0.5"]


def test_cancelling_restores(engine: Engine, folders: Folders, save_lora: SaveLora) -> None:
    save_lora("x", kohya(TO_Q, Q_PROJ))
    engine.preload()
    before, cancel = state(engine.models.checkpoints[0].model), CancelToken()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            cancel.cancel()

    with pytest.raises(Cancelled):
        engine.generate(replace(REQUEST, prompt="<lora:x:1>"), stop, cancel)
    assert not differing(before, state(engine.models.checkpoints[0].model))


def test_memory_that_runs_out_while_merging_is_told_and_restores(
    engine: Engine, save_lora: SaveLora, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_lora("x", kohya(TO_Q, Q_PROJ))
    engine.preload()
    before = state(engine.models.checkpoints[0].model)
    with monkeypatch.context() as patch:
        patch.setattr(lora_module, "plain_factors", no_memory)
        with pytest.raises(OutOfMemory) as error:
            engine.generate(replace(REQUEST, prompt="gato <lora:x:1>"))
    assert (error.value.width, error.value.height, error.value.batch_size) == (64, 64, 1)
    assert not differing(before, state(engine.models.checkpoints[0].model))
    assert engine.generate(replace(REQUEST, prompt="gato <lora:x:1>")).images


def test_a_repeated_prompt_with_a_lora_encodes_and_merges_nothing(
    engine: Engine, save_lora: SaveLora, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_lora("x", kohya(TO_Q, Q_PROJ))
    save_lora("y", kohya(TO_K, shape=(32, 64)))
    engine.generate(replace(REQUEST, prompt="gato <lora:x:1>"))
    calls: list[int] = []
    engine.models.checkpoints[0].model.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    monkeypatch.setattr(lora_module, "open_lora", refuse)
    engine.generate(replace(REQUEST, prompt="gato <lora:x:1>"))
    monkeypatch.undo()
    engine.generate(replace(REQUEST, prompt="gato <lora:x:1><lora:y:1>"))  # y leaves the text encoder alone
    assert not calls
    engine.generate(replace(REQUEST, prompt="gato <lora:x:0.5>"))
    assert len(calls) == 2


def test_embeddings_inside_a_lora(engine: Engine, folders: Folders, save_lora: SaveLora) -> None:
    vectors = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    save_lora(
        "x",
        kohya(TO_Q)
        | {"bundle_emb.raro.string_to_param.*": vectors}
        | {"bundle_emb.ancho.clip_l": torch.ones(1, 768), "bundle_emb.otro.emb": vectors + 1},
    )
    plain = engine.generate(replace(REQUEST, prompt="raro otro ancho")).images[0]
    assert "TI hashes" not in plain.infotext
    events: list[Event] = []
    made = engine.generate(replace(REQUEST, prompt="raro otro ancho <lora:x:0.0>"), events.append).images[0]
    assert 'TI hashes: "raro: x, otro: x", ' in made.infotext
    assert made.image.tobytes() != plain.image.tobytes()
    (warning,) = [event.warning for event in events if isinstance(event, Warned)]
    assert isinstance(warning, EmbeddingSkipped)

    place = folders.models(ModelKind.EMBEDDING) / "raro.safetensors"
    place.parent.mkdir()
    save_file({"emb_params": vectors}, place)
    own = engine.generate(replace(REQUEST, prompt="raro <lora:x:0>")).images[0]
    assert f'TI hashes: "raro: {hashlib.sha256(place.read_bytes()).hexdigest()[:12]}"' in own.infotext
