"""The demo model is a checkpoint like any other: original names, fp16, ModelSpec metadata, small enough to ship."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open

from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.engine.models import LoadedModel, load_checkpoint, load_vae
from sdcolab.engine.weights import open_weights

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(str(resources.files("sdcolab") / "demo"))
MODEL = FOLDER / "emoji-128.safetensors"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> (shape, type) of every tensor in the file."""
    with safe_open(str(MODEL), framework="pt") as stored:
        slices = {key: stored.get_slice(key) for key in stored.keys()}  # noqa: SIM118
        return {key: (tuple(part.get_shape()), part.get_dtype()) for key, part in slices.items()}


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    """The file's ModelSpec fields."""
    with safe_open(str(MODEL), framework="pt") as stored:
        return stored.metadata() or {}


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    """UNet and text encoder, through the engine's own loader."""
    return load_checkpoint(open_weights(MODEL), CPU, torch.float32)


def test_file_is_small_enough_to_ship() -> None:
    assert MODEL.stat().st_size <= 40_000_000


def test_every_weight_is_half_precision(shapes: dict[str, tuple[tuple[int, ...], str]]) -> None:
    others = {key for key, (_, kind) in shapes.items() if kind != "F16"}
    assert others == {"cond_stage_model.transformer.text_model.embeddings.position_ids"}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("model.diffusion_model.time_embed.0.weight", (512, 128)),
        ("model.diffusion_model.input_blocks.0.0.weight", (128, 4, 3, 3)),
        ("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", (128, 128)),
        ("model.diffusion_model.input_blocks.1.1.proj_in.weight", (128, 128, 1, 1)),
        ("model.diffusion_model.middle_block.2.out_layers.3.weight", (160, 160, 3, 3)),
        ("model.diffusion_model.out.2.weight", (4, 128, 3, 3)),
        ("first_stage_model.encoder.down.0.block.0.conv1.weight", (32, 32, 3, 3)),
        ("first_stage_model.decoder.mid.attn_1.q.weight", (96, 96, 1, 1)),
        ("first_stage_model.quant_conv.weight", (8, 8, 1, 1)),
        ("first_stage_model.post_quant_conv.weight", (4, 4, 1, 1)),
        ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", (49408, 128)),
        ("cond_stage_model.transformer.text_model.embeddings.position_embedding.weight", (77, 128)),
        ("cond_stage_model.transformer.text_model.final_layer_norm.weight", (128,)),
    ],
)
def test_tensors_have_the_original_names(
    shapes: dict[str, tuple[tuple[int, ...], str]], name: str, shape: tuple[int, ...]
) -> None:
    assert shapes[name][0] == shape


def test_metadata_follows_modelspec(metadata: dict[str, str]) -> None:
    assert metadata["modelspec.sai_model_spec"] == "1.0.0"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert metadata["modelspec.resolution"] == "128x128"
    assert metadata["modelspec.prediction_type"] == "epsilon"
    assert metadata["modelspec.license"] == "MIT"
    assert all(metadata[f"modelspec.{field}"] for field in ("title", "author", "description"))


def test_loader_takes_it_for_a_complete_sd1_checkpoint(loaded: LoadedModel) -> None:
    assert loaded.detected.kind is ModelKind.CHECKPOINT
    assert loaded.detected.family is ModelFamily.SD1
    assert loaded.detected.native_size == 128
    assert loaded.text_encoder.config.num_attention_heads == 2
    assert not [n for n, p in loaded.unet.named_parameters() if not torch.isfinite(p).all()]


def test_vae_has_the_scale_of_sd1_and_remakes_a_picture() -> None:
    picture = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(picture).ellipse((14, 14, 114, 114), fill=(235, 60, 60))
    image = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(1, 128, 128, 3)
    image = image.permute(0, 3, 1, 2).float() / 127.5 - 1
    vae = load_vae(MODEL, CPU, torch.float32)
    with torch.no_grad():
        latents = vae.encode(image).latent_dist.mean * 0.18215
        remade = vae.decode(latents / 0.18215).sample
    assert latents.shape == (1, 4, 16, 16)
    assert 0.5 < latents.std() < 2  # over the training pictures: mean 0, deviation 1
    assert (remade - image).abs().mean() < 0.08


def test_unknown_words_share_one_embedding(loaded: LoadedModel) -> None:
    table = loaded.text_encoder.get_input_embeddings().weight
    unique = torch.unique(table.detach(), dim=0)
    assert 5_000 < len(unique) < 8_000


def test_file_holds_every_tensor_of_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from tools.demo import singlefile
    from tools.demo.networks import make_text_encoder, make_unet, make_vae, text_state

    with torch.device("meta"):
        unet, vae, text = make_unet(), make_vae(), make_text_encoder()
        wanted = singlefile.to_single_file(unet.state_dict(), vae.state_dict(), text_state(text))
    with safe_open(str(MODEL), framework="pt") as stored:
        assert set(stored.keys()) == set(wanted)
        for key in stored.keys():  # noqa: SIM118
            assert tuple(stored.get_slice(key).get_shape()) == tuple(wanted[key].shape)


def test_converter_gives_the_names_of_sd15(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from tools.demo.singlefile import unet_names, vae_names

    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
        )
    names = unet_names(list(unet.state_dict()))
    assert len(set(names.values())) == 686
    prefix = "model.diffusion_model."
    assert names["up_blocks.0.upsamplers.0.conv.weight"] == prefix + "output_blocks.2.1.conv.weight"
    assert names["up_blocks.1.upsamplers.0.conv.weight"] == prefix + "output_blocks.5.2.conv.weight"
    assert names["down_blocks.1.downsamplers.0.conv.bias"] == prefix + "input_blocks.6.0.op.bias"
    assert names["down_blocks.3.resnets.1.time_emb_proj.weight"] == prefix + "input_blocks.11.0.emb_layers.1.weight"
    assert names["mid_block.resnets.1.norm2.bias"] == prefix + "middle_block.2.out_layers.0.bias"
    vae_map = vae_names(list(vae.state_dict()))
    assert len(set(vae_map.values())) == 248
    assert (
        vae_map["decoder.up_blocks.0.resnets.2.conv1.weight"] == "first_stage_model.decoder.up.3.block.2.conv1.weight"
    )
    assert "first_stage_model.encoder.mid.attn_1.proj_out.weight" in vae_map.values()


def test_card_says_what_it_must() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for needed in ("Fluent Emoji", "emojibase", "MIT", "openai/CLIP", "train_demo.py evaluate", "muestras.webp"):
        assert needed in card


def test_contact_sheet_is_a_light_picture() -> None:
    path = FOLDER / "muestras.webp"
    assert path.stat().st_size < 300_000
    with Image.open(path) as sheet:
        assert sheet.width >= 1000


def test_its_hash_is_the_one_that_copies_without_it_check() -> None:
    from sdcolab.wiring.demo import DEMO_SHA256, demo_model

    assert hashlib.sha256(demo_model().path.read_bytes()).hexdigest() == DEMO_SHA256
