"""Opening checkpoints: sizes from shapes, names, and everything that can be wrong with a file."""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.core.detect import ModelFamily
from sdcolab.core.errors import (
    CannotRead,
    ModelFamilyUnsupported,
    ModelIncomplete,
    ModelPartAlone,
    ModelUnreadable,
    ModelUnsafe,
    ModelWrongKind,
    VaeOtherArchitecture,
)
from sdcolab.core.words import explain
from sdcolab.engine.convert import UNET_PREFIX, VAE_PREFIX, renamed, unet_layers, unet_rename, vae_rename
from sdcolab.engine.models import DoublingUpsample, LoadedModel, load_checkpoint, load_vae, text_model
from sdcolab.engine.weights import open_weights

CPU = torch.device("cpu")
TEXT_PREFIX = "cond_stage_model.transformer.text_model."

State = dict[str, Tensor]
Write = Callable[..., Path]


@pytest.fixture(scope="session")
def state(mini_checkpoint: Path) -> State:
    return load_file(mini_checkpoint)


@pytest.fixture
def write(tmp_path: Path, state: State) -> Write:
    """Writes the miniature checkpoint with ``changes`` (None drops a tensor)."""

    def save(changes: dict[str, Tensor | None] | None = None, name: str = "changed.safetensors") -> Path:
        merged = {key: tensor for key, tensor in (state | (changes or {})).items() if tensor is not None}
        save_file({key: tensor.contiguous() for key, tensor in merged.items()}, tmp_path / name)
        return tmp_path / name

    return save


def load(path: Path) -> LoadedModel:
    return load_checkpoint(open_weights(path), CPU, torch.float32)


def call_unet(model: LoadedModel) -> Tensor:
    """One UNet call on fixed inputs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, model.unet.config.in_channels, 8, 8, generator=generator)
    context = torch.randn(1, 77, model.unet.config.cross_attention_dim, generator=generator)
    with torch.inference_mode():
        return model.unet(x, torch.tensor([500.5]), context, return_dict=False)[0]


def test_sizes_come_from_shapes(mini_checkpoint: Path) -> None:
    model = load(mini_checkpoint)
    assert model.detected.family is ModelFamily.SD1
    assert model.detected.native_size == 512
    unet = model.unet.config
    assert unet.block_out_channels == (32, 64)
    assert unet.down_block_types == ("CrossAttnDownBlock2D", "DownBlock2D")
    assert unet.up_block_types == ("UpBlock2D", "CrossAttnUpBlock2D")
    assert (unet.layers_per_block, unet.cross_attention_dim, unet.attention_head_dim) == (1, 64, 8)
    text = model.text_encoder.config
    assert (text.hidden_size, text.num_hidden_layers, text.num_attention_heads) == (64, 2, 1)
    assert (text.vocab_size, text.max_position_embeddings, text.hidden_act) == (49408, 77, "quick_gelu")
    vae = load_vae(mini_checkpoint, CPU, torch.float32)
    assert vae.config.block_out_channels == (32, 32, 64, 64)
    assert (vae.config.layers_per_block, vae.config.latent_channels) == (1, 4)
    assert vae.config.scaling_factor == 0.18215


def test_weights_are_the_files(mini_checkpoint: Path, state: State) -> None:
    model = load(mini_checkpoint)
    unet = model.unet.state_dict()
    assert torch.equal(unet["conv_in.weight"], state[f"{UNET_PREFIX}input_blocks.0.0.weight"].float())
    assert torch.equal(
        unet["up_blocks.0.upsamplers.0.conv.bias"], state[f"{UNET_PREFIX}output_blocks.1.1.conv.bias"].float()
    )
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in model.unet.parameters())
    assert not any(tensor.is_meta for tensor in (*model.text_encoder.buffers(), *model.text_encoder.parameters()))
    vae = load_vae(mini_checkpoint, CPU, torch.float32).state_dict()
    query = state[f"{VAE_PREFIX}decoder.mid.attn_1.q.weight"].float()
    assert torch.equal(vae["decoder.mid_block.attentions.0.to_q.weight"], query[:, :, 0, 0])


SIZES = {
    "two layers": {"unet_layers": 2, "text_layers": 1, "vae_layers": 2},
    "four levels": {"unet_widths": (32, 32, 64, 96), "attention_levels": (0, 1, 2)},
    "attention below": {"unet_widths": (32, 64, 64), "attention_levels": (1,)},
    "three levels": {"unet_widths": (64, 64, 96), "attention_levels": (0, 1), "text_width": 128},
    "narrow vae": {"vae_widths": (16, 16, 32, 32)},
}


@pytest.mark.parametrize("name", SIZES)
def test_other_sizes(name: str, tmp_path: Path) -> None:
    from tools.make_random_sd15 import MINI, Sizes
    from tools.make_random_sd15 import write as write_sizes

    sizes: Sizes = replace(MINI, vocabulary=100, **SIZES[name])
    write_sizes(tmp_path / "odd.safetensors", sizes)
    model = load(tmp_path / "odd.safetensors")
    assert model.unet.config.block_out_channels == sizes.unet_widths
    assert model.unet.config.layers_per_block == sizes.unet_layers
    assert call_unet(model).isfinite().all()
    vae = load_vae(tmp_path / "odd.safetensors", CPU, torch.float32)
    assert vae.config.block_out_channels == sizes.vae_widths
    assert vae.decode(torch.randn(1, 4, 4, 4), return_dict=False)[0].shape == (1, 3, 32, 32)


def test_full_size_names() -> None:
    """SD 1.5's own names and places, from its config (hechos: 12 input and 12 output blocks, two layers a level)."""
    names = [f"{UNET_PREFIX}input_blocks.{index}.0.in_layers.0.weight" for index in (1, 2, 4, 5, 7, 8, 10, 11)]
    names += [f"{UNET_PREFIX}input_blocks.{index}.0.op.weight" for index in (3, 6, 9)]
    assert unet_layers(names) == 2
    rename = unet_rename(2)
    assert rename("input_blocks.6.0.op.bias") == "down_blocks.1.downsamplers.0.conv.bias"
    assert rename("input_blocks.8.1.proj_in.weight") == "down_blocks.2.attentions.1.proj_in.weight"
    assert rename("output_blocks.2.1.conv.weight") == "up_blocks.0.upsamplers.0.conv.weight"
    assert rename("output_blocks.5.2.conv.weight") == "up_blocks.1.upsamplers.0.conv.weight"
    assert rename("output_blocks.11.0.skip_connection.weight") == "up_blocks.3.resnets.2.conv_shortcut.weight"
    assert rename("middle_block.2.out_layers.3.weight") == "mid_block.resnets.1.conv2.weight"
    assert rename("time_embed.2.bias") == "time_embedding.linear_2.bias"
    assert rename("label_emb.0.2.weight") == "add_embedding.linear_2.weight"
    assert rename("other.0.0.weight") is None
    vae_names = [f"{VAE_PREFIX}decoder.up.{level}.block.0.conv1.weight" for level in range(4)]
    found = renamed(vae_names, VAE_PREFIX, vae_rename(vae_names, VAE_PREFIX))
    assert found["decoder.up_blocks.0.resnets.0.conv1.weight"] == f"{VAE_PREFIX}decoder.up.3.block.0.conv1.weight"


def test_what_does_not_belong_is_ignored(write: Write, mini_checkpoint: Path) -> None:
    path = write(
        {
            "model_ema.diffusion_modelinput_blocks00weight": torch.zeros(1),
            "betas": torch.zeros(1000),
            f"{TEXT_PREFIX}embeddings.position_ids": torch.arange(77.0).reshape(1, 77) + 0.5,  # some merges do this
        }
    )
    changed, original = load(path), load(mini_checkpoint)
    assert torch.equal(call_unet(changed), call_unet(original))
    embeddings = text_model(changed.text_encoder).get_submodule("embeddings")
    assert torch.equal(embeddings.position_ids, torch.arange(77).reshape(1, 77))


def test_text_encoder_without_its_inner_prefix(tmp_path: Path, state: State, mini_checkpoint: Path) -> None:
    """Old merges lost ``text_model.``"""
    old = {key.replace(".transformer.text_model.", ".transformer."): tensor for key, tensor in state.items()}
    save_file(old, tmp_path / "old.safetensors")
    loaded = load(tmp_path / "old.safetensors").text_encoder.state_dict()
    assert all(
        torch.equal(loaded[name], tensor) for name, tensor in load(mini_checkpoint).text_encoder.state_dict().items()
    )


def test_missing_tensor(write: Write) -> None:
    name = f"{UNET_PREFIX}input_blocks.1.0.in_layers.2.bias"
    with pytest.raises(ModelIncomplete) as caught:
        load(write({name: None}))
    assert caught.value.count == 1
    assert "down_blocks.0.resnets.0.conv1.bias" in caught.value.tensor


@pytest.mark.parametrize("name", ["conv_in", "input_blocks.0.0", "middle_block.1.transformer_blocks.0.attn2.to_k"])
def test_missing_tensor_that_sizes_come_from(write: Write, name: str) -> None:
    if name == "conv_in":
        with pytest.raises(ModelIncomplete):
            load_vae(write({f"{VAE_PREFIX}encoder.conv_in.weight": None}), CPU, torch.float32)
    else:
        with pytest.raises(ModelIncomplete):
            load(write({f"{UNET_PREFIX}{name}.weight": None}))


def test_misshaped_tensor(write: Write) -> None:
    name = f"{UNET_PREFIX}input_blocks.1.0.emb_layers.1.weight"
    with pytest.raises(ModelIncomplete) as caught:
        load(write({name: torch.zeros(7, 7)}))
    assert caught.value.tensor == name


def test_no_text_encoder(write: Write, state: State) -> None:
    with pytest.raises((ModelIncomplete, ModelFamilyUnsupported)):
        load(write({key: None for key in state if key.startswith("cond_stage_model.")}))


def test_inpainting_unet(write: Write, state: State) -> None:
    entry = state[f"{UNET_PREFIX}input_blocks.0.0.weight"]
    path = write({f"{UNET_PREFIX}input_blocks.0.0.weight": torch.cat([entry, torch.zeros(32, 5, 3, 3).half()], dim=1)})
    assert load(path).unet.config.in_channels == 9


def test_other_variants_are_refused(write: Write, state: State) -> None:
    entry = state[f"{UNET_PREFIX}input_blocks.0.0.weight"]
    path = write({f"{UNET_PREFIX}input_blocks.0.0.weight": torch.cat([entry, entry, entry], dim=1)})
    with pytest.raises(ModelFamilyUnsupported, match="12/4"):
        load(path)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("model.diffusion_model.joint_blocks.0.x.weight", "SD3"),
        ("model.diffusion_model.double_blocks.0.x.weight", "Flux"),
        ("model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight", "?"),
    ],
)
def test_other_families_are_refused(tmp_path: Path, name: str, family: str) -> None:
    save_file({f"{UNET_PREFIX}out.0.weight": torch.zeros(2), name: torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFamilyUnsupported) as caught:
        load(tmp_path / "other.safetensors")
    assert caught.value.family == family


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("edm_mean", "edm_std"), "Playground v2.5"),
        (("model.diffusion_model.edm_mean",), "Playground v2.5"),
    ],
)
def test_models_of_other_noise_are_refused_by_name(
    write: Write, state: State, names: tuple[str, ...], family: str
) -> None:
    """Their tensors are SDXL's, and run as one they would give grey pictures (Karras et al. 2022)."""
    with pytest.raises(ModelFamilyUnsupported) as caught:
        load(write(state | {name: torch.ones(4) for name in names}))
    assert caught.value.family == family
    assert family in str(explain(caught.value))


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    save_file({"something": torch.zeros(2, 2)}, tmp_path / "odd.safetensors")
    with pytest.raises(ModelWrongKind):
        load(tmp_path / "lora.safetensors")
    with pytest.raises(ModelUnreadable):
        load(tmp_path / "odd.safetensors")
    with pytest.raises(ModelWrongKind):
        load_vae(tmp_path / "lora.safetensors", CPU, torch.float32)


def test_cut_and_missing_files(tmp_path: Path, mini_checkpoint: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(mini_checkpoint.read_bytes()[:-1000])
    with pytest.raises(ModelUnreadable):
        load(cut)
    with pytest.raises(CannotRead):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(CannotRead):
        load(tmp_path / "nothing.ckpt")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_pickled_checkpoint(tmp_path: Path, state: State, mini_checkpoint: Path, zipped: bool, wrapped: bool) -> None:
    content: Any = {"state_dict": state, "epoch": 3} if wrapped else state
    torch.save(content, tmp_path / "model.ckpt", _use_new_zipfile_serialization=zipped)
    assert torch.equal(call_unet(load(tmp_path / "model.ckpt")), call_unet(load(mini_checkpoint)))


def test_a_checkpoint_whose_sums_are_wrong_is_damaged(tmp_path: Path, state: State) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(state, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelUnreadable) as caught:
        load(path)
    assert caught.value.reason == "damaged"


class Evil:
    """Runs a command when unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_with_code_are_refused(tmp_path: Path, state: State, zipped: bool) -> None:
    marker = tmp_path / "ran"
    torch.save(state | {"x": Evil(marker)}, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelUnsafe):
        load(tmp_path / "evil.ckpt")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"hello" * 99, b"PK\x03\x04" + b"\0" * 50, b"\x80\x02}q"])
def test_rubbish_pickles(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rubbish.pt"
    path.write_bytes(content)
    with pytest.raises((ModelUnreadable, ModelUnsafe)):
        load(path)


def test_vae_files(tmp_path: Path, state: State, mini_checkpoint: Path) -> None:
    """The same VAE alone, in CompVis' names, in diffusers', and in diffusers' old names."""
    inside = load_vae(mini_checkpoint, CPU, torch.float32)
    plain = {key.removeprefix(VAE_PREFIX): tensor for key, tensor in state.items() if key.startswith(VAE_PREFIX)}
    save_file(plain, tmp_path / "compvis.safetensors")
    torch.save({"state_dict": plain | {"loss.x": torch.zeros(1)}}, tmp_path / "compvis.vae.pt")
    save_file({k: v.contiguous() for k, v in inside.state_dict().items()}, tmp_path / "diffusers.safetensors")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed_old = {
        key.replace(f".attentions.0.{new}.", f".attentions.0.{was}."): tensor
        for key, tensor in inside.state_dict().items()
        for new, was in [next(((n, o) for n, o in old.items() if f".attentions.0.{n}." in key), ("-", "-"))]
    }
    save_file({k: v.contiguous() for k, v in renamed_old.items()}, tmp_path / "old.safetensors")
    for name in ("compvis.safetensors", "compvis.vae.pt", "diffusers.safetensors", "old.safetensors"):
        loaded = load_vae(tmp_path / name, CPU, torch.float32).state_dict()
        assert all(torch.equal(loaded[key], tensor) for key, tensor in inside.state_dict().items()), name


def test_upsampler_doubles_before_it_fits() -> None:
    """hechos/a1111.md 0: convolve the doubled tensor, then resize; the other way round gives other numbers."""
    conv = torch.nn.Conv2d(2, 2, 3, padding=1)
    x = torch.randn(1, 2, 4, 4)
    doubled = conv(torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
    upsample = DoublingUpsample(conv)
    assert torch.equal(upsample(x), doubled)
    assert torch.equal(upsample(x, (8, 8)), doubled)
    assert torch.equal(upsample(x, (7, 8)), torch.nn.functional.interpolate(doubled, size=(7, 8), mode="nearest"))
    assert not torch.allclose(upsample(x, (7, 7)), conv(torch.nn.functional.interpolate(x, size=(7, 7))))


def test_odd_sizes_run(mini_checkpoint: Path) -> None:
    model = load(mini_checkpoint)
    assert all(isinstance(up, DoublingUpsample) for block in model.unet.up_blocks for up in block.upsamplers or ())
    with torch.inference_mode():
        made = model.unet(torch.randn(1, 4, 9, 13), torch.tensor([1.0]), torch.randn(1, 77, 64), return_dict=False)[0]
    assert made.shape == (1, 4, 9, 13)


def test_loading_needs_no_network(mini_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loading a model opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    load(mini_checkpoint)
    load_vae(mini_checkpoint, CPU, torch.float32)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3, 3)])
@pytest.mark.parametrize("flat", [True, False])
def test_scales_may_stand_for_each_output(tmp_path: Path, shape: tuple[int, ...], flat: bool) -> None:
    whole = torch.randn(shape) * 3
    scale = whole.flatten(1).abs().amax(1) / 127
    eight = (whole / scale.reshape(-1, *[1] * (len(shape) - 1))).round().to(torch.int8)
    stored = {"a.weight": eight, "a.weight_scale": scale if flat else scale.reshape(-1, 1)}
    save_file(stored, tmp_path / "x.safetensors")
    assert torch.allclose(open_weights(tmp_path / "x.safetensors").get("a.weight"), whole, atol=0.06)


def test_scales_may_stand_for_each_block(tmp_path: Path) -> None:
    stored = {"a.weight": torch.ones(4, 5).to(torch.float8_e4m3fn), "a.weight_scale": torch.tensor([[1.0, 2], [3, 4]])}
    save_file(stored, tmp_path / "x.safetensors")
    assert open_weights(tmp_path / "x.safetensors").get("a.weight").tolist() == [
        *([1, 1, 1, 2, 2], [1, 1, 1, 2, 2]),
        *([3, 3, 3, 4, 4], [3, 3, 3, 4, 4]),
    ]


def test_four_bits_and_scales_that_fit_nothing_are_told(tmp_path: Path) -> None:
    save_file(
        {"a.weight": torch.zeros(8, 1, dtype=torch.uint8), "a.weight.quant_map": torch.ones(16)}, tmp_path / "four"
    )
    save_file({"a.weight": torch.zeros(4, 4), "a.weight_scale": torch.ones(9)}, tmp_path / "odd")
    for name in ("four", "odd"):
        with pytest.raises(ModelUnreadable) as error:
            open_weights(tmp_path / name).get("a.weight")
        assert "fp16" in str(explain(error.value))


def test_scaled_eight_bit_weights_get_their_scales_back(tmp_path: Path) -> None:
    whole = torch.randn(4, 4) * 3
    scale = whole.abs().max() / 448
    eight = (whole / scale).to(torch.float8_e4m3fn)
    for ending, inputs in (("scale_weight", "scale_input"), ("weight_scale", "input_scale")):
        stored = {"a.weight": eight, f"a.{ending}": scale, f"a.{inputs}": scale.clone(), "b.weight": torch.ones(2)}
        save_file(stored | {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}, tmp_path / "x.safetensors")
        with (tmp_path / "x.safetensors").open("ab") as file:
            file.write(b"\0" * (8 if ending == "scale_weight" else 0))  # read by its header alone, and by safetensors
        weights = open_weights(tmp_path / "x.safetensors")
        assert torch.allclose(weights.get("a.weight"), whole, rtol=0.07, atol=0.01)
        assert torch.equal(weights.get("b.weight"), torch.ones(2))
        assert {name: info.dtype for name, info in weights.header.tensors.items()} == {
            "a.weight": "F32",
            "b.weight": "F32",
        }


def test_a_vae_of_another_architecture_is_one_clear_error() -> None:
    path = Path(__file__).parents[1] / "data" / "casos" / "archivos" / "ae_flux.safetensors"
    with pytest.raises(VaeOtherArchitecture) as error:
        load_vae(path, torch.device("cpu"), torch.float32)
    assert error.value.family == "Flux"


def test_a_vae_of_any_other_number_of_channels_is_told_so_too(tmp_path: Path) -> None:
    sides = {"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 12, 3, 3)}
    save_file({name: torch.zeros(shape) for name, shape in sides.items()}, tmp_path / "x.safetensors")
    with pytest.raises(VaeOtherArchitecture):
        load_vae(tmp_path / "x.safetensors", torch.device("cpu"), torch.float32)


def test_parts_of_models_are_told_for_what_they_are(tmp_path: Path, mini_checkpoint: Path) -> None:
    whole = load_file(mini_checkpoint)
    unet = {name: value for name, value in whole.items() if name.startswith(UNET_PREFIX)}
    text = {name.partition("transformer.")[2]: value for name, value in whole.items() if "cond_stage_model." in name}
    parts = {
        "unet": unet,
        "bare": {name.removeprefix(UNET_PREFIX): value for name, value in unet.items()},
        "text": text,
    }
    for name, tensors in parts.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        with pytest.raises(ModelPartAlone) as error:
            load(tmp_path / f"{name}.safetensors")
        assert error.value.found == ("text_encoder" if name == "text" else "unet")
        with pytest.raises(ModelPartAlone):
            load_vae(tmp_path / f"{name}.safetensors", CPU, torch.float32)


def test_the_first_bytes_say_how_a_file_is_read_and_not_its_name(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.ones(2)}
    save_file(tensors, tmp_path / "a.ckpt")
    torch.save({"state_dict": tensors}, tmp_path / "b.safetensors")
    torch.save({"state_dict": tensors}, tmp_path / "c.safetensors", _use_new_zipfile_serialization=False)
    for name in ("a.ckpt", "b.safetensors", "c.safetensors"):
        assert torch.equal(open_weights(tmp_path / name).get("a.weight"), tensors["a.weight"])
    for name in ("d.safetensors", "d.ckpt"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("modelo/leeme.txt", "hola")
        with pytest.raises(ModelUnreadable) as error:
            open_weights(tmp_path / name)
        assert error.value.reason == "archive"
