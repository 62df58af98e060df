"""LoRAs as people train them: some blocks, only the feed-forward layers, only a text encoder. Each is told by what it
has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sdcolab.core.architectures import ModelFamily, settled
from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.tensors import TensorHeader, TensorInfo

Shapes = Mapping[str, Sequence[int]]
F = ModelFamily
RANK = 16


def peft(*layers: tuple[str, int, int]) -> Shapes:
    """Layers by name, and the channels that they read and write."""
    tensors: dict[str, Sequence[int]] = {}
    for name, reads, writes in layers:
        tensors |= {f"{name}.lora_A.weight": (RANK, reads), f"{name}.lora_B.weight": (writes, RANK)}
    return tensors


def kohya(*layers: tuple[str, int, int], prefix: str = "lora_unet_") -> Shapes:
    tensors: dict[str, Sequence[int]] = {}
    for name, reads, writes in layers:
        key = f"{prefix}{name}"
        tensors |= {
            f"{key}.lora_down.weight": (RANK, reads),
            f"{key}.lora_up.weight": (writes, RANK),
            f"{key}.alpha": (),
        }
    return tensors


def loha(name: str, reads: int, writes: int) -> Shapes:
    return {f"{name}.hada_w1_a": (writes, RANK), f"{name}.hada_w1_b": (RANK, reads)}


def lokr(name: str, reads: int, writes: int) -> Shapes:
    return {f"{name}.lokr_w1": (16, 16), f"{name}.lokr_w2": (writes // 16, reads // 16)}


def found(shapes: Shapes, **metadata: str) -> ModelFamily:
    tensors = {name: TensorInfo("F16", tuple(shape), 0, 0) for name, shape in shapes.items()}
    told = detect(TensorHeader(tensors=tensors, metadata=metadata))
    assert told.kind is ModelKind.LORA
    return told.family


T, D = "transformer.transformer_blocks.", "diffusion_model."
OTHERS: dict[str, tuple[Shapes, ModelFamily]] = {
    "one block": (peft(("transformer.single_transformer_blocks.7.attn.to_q", 3072, 3072)), F.FLUX),
    "feed-forward": (peft((f"{T}3.ff.net.0.proj", 3072, 12288), (f"{T}3.ff_context.net.2", 12288, 3072)), F.FLUX),
    "modulation": (kohya(("double_blocks_4_img_mod_lin", 3072, 18432)), F.FLUX),
    "OneTrainer": (kohya(("single_transformer_blocks_3_proj_mlp", 3072, 12288), prefix="lora_transformer_"), F.FLUX),
    "lycoris": (lokr("lycoris_single_transformer_blocks_5_attn_to_k", 3072, 3072), F.FLUX),
    "flux T5": (kohya(("encoder_block_0_layer_0_SelfAttention_q", 4096, 4096), prefix="lora_te3_"), F.FLUX_OR_SD3),
    "third encoder": (peft(("text_encoder_3.encoder.block.0.layer.0.SelfAttention.q", 4096, 4096)), F.SD3),
    "chroma": (peft((f"{D}distilled_guidance_layer.layers.0.in_layer", 5120, 5120)), F.CHROMA),
    "flux2 mlp": (peft((f"{D}double_blocks.1.img_mlp.0", 6144, 36864)), F.FLUX2),
    "klein linear1": (peft((f"{D}single_blocks.3.linear1", 3072, 27648)), F.FLUX2),
    "klein linear2": (peft((f"{D}single_blocks.3.linear2", 12288, 3072)), F.FLUX2),
    "klein mlp": (peft((f"{D}double_blocks.3.img_mlp.2", 9216, 3072)), F.FLUX2),
    "klein 9B": (peft((f"{D}double_blocks.3.txt_attn.proj", 4096, 4096)), F.FLUX2),
    "flux2 diffusers": (peft((f"{T}2.ff.linear_in", 3072, 18432)), F.FLUX2),
    "flux2 single": (peft(("transformer.single_transformer_blocks.11.attn.to_out", 12288, 3072)), F.FLUX2),
    "qwen attention": (peft((f"{T}30.attn.to_q", 3072, 3072)), F.QWEN_IMAGE),
    "qwen mlp": (peft((f"{T}3.img_mlp.net.0.proj", 3072, 12288)), F.QWEN_IMAGE),
    "qwen text": (peft(("text_encoder.model.layers.0.self_attn.q_proj", 3584, 3584)), F.LANGUAGE),
    "sd3": (kohya(("joint_blocks_11_context_block_mlp_fc1", 1536, 6144)), F.SD3),
    "sd3 attention": (peft((f"{T}9.attn.to_q", 1536, 1536)), F.SD3),
    "sd3.5 large": (peft((f"{T}9.ff_context.net.2", 9728, 2432)), F.SD3),
    "wan feed-forward": (peft((f"{D}blocks.22.ffn.2", 8960, 1536)), F.WAN),
    "wan musubi": (kohya(("blocks_22_cross_attn_k", 5120, 5120)), F.WAN),
    "wan diffusers": (peft(("transformer.blocks.3.attn1.to_q", 5120, 5120)), F.WAN),
    "wan picture": (peft(("blocks.13.cross_attn.k_img", 5120, 5120)), F.WAN),
    "ltx": (peft((f"{D}transformer_blocks.11.ff.net.0.proj", 2048, 8192)), F.LTX),
    "ltx 13B": (peft((f"{D}transformer_blocks.11.attn1.to_q", 4096, 4096)), F.LTX),
    "ltx 2": (peft((f"{D}transformer_blocks.11.audio_attn1.to_q", 2048, 2048)), F.LTX),
    "cogvideo": (peft((f"{T}30.ff.net.0.proj", 1920, 7680)), F.COGVIDEO),
    "cogvideo 5B": (peft((f"{T}20.attn1.to_out.0", 3072, 3072)), F.COGVIDEO),
    "mochi": (peft((f"{T}20.attn1.add_q_proj", 1536, 3072)), F.MOCHI),
    "pixart": (peft(("base_model.model.transformer_blocks.20.ff.net.0.proj", 1152, 4608)), F.PIXART),
    "sana": (peft((f"{T}12.attn1.to_q", 2240, 2240)), F.SANA),
    "hunyuan-dit": (kohya(("blocks_20_mlp_fc1", 1408, 6144)), F.HUNYUAN_DIT),
    "hunyuan-dit peft": (peft(("base_model.model.blocks.20.attn1.Wqkv", 1408, 4224)), F.HUNYUAN_DIT),
    "hunyuan video": (peft(("transformer.double_blocks.3.img_mod.linear", 3072, 18432)), F.HUNYUAN_VIDEO),
    "hunyuan video's last block": (peft((f"{D}single_blocks.39.linear1", 3072, 21504)), F.HUNYUAN_VIDEO),
    "hunyuan video 1.5": (peft((f"{T}50.attn.to_q", 2048, 2048)), F.HUNYUAN_VIDEO),
    "hidream": (peft((f"{D}single_stream_blocks.3.block.ff_i.shared_experts.w1", 2560, 3584)), F.HIDREAM),
    "auraflow": (peft(("transformer.single_transformer_blocks.20.ff.linear_1", 3072, 8192)), F.AURAFLOW),
    "pony v7": (kohya(("single_layers_20_attn_w1q", 3072, 3072)), F.AURAFLOW),
    "z-image": (peft((f"{D}layers.20.feed_forward.w2", 10240, 3840)), F.Z_IMAGE),
    "z-image modulation": (peft((f"{D}layers.20.adaLN_modulation.0", 256, 15360)), F.Z_IMAGE),
    "lumina": (kohya(("layers_10_attention_out", 2304, 2304)), F.LUMINA),
    "omnigen": (peft(("base_model.model.llm.layers.3.self_attn.qkv_proj", 3072, 9216)), F.OMNIGEN),
    "anima": (peft((f"{D}blocks.10.mlp.layer1", 2048, 8192)), F.ANIMA),
    "cosmos": (peft((f"{D}blocks.10.self_attn.q_proj", 5120, 5120)), F.COSMOS),
    "cascade": (kohya(("down_blocks_0_2_attention_attn_to_q", 2048, 2048), prefix="lora_prior_unet_"), F.CASCADE),
    "cascade text": (kohya(("text_model_encoder_layers_0_mlp_fc1", 1280, 5120), prefix="lora_prior_te_"), F.CASCADE),
    "kolors": (peft(("unet.encoder_hid_proj", 4096, 2048)), F.KOLORS),
    "kandinsky": (peft(("transformer.visual_transformer_blocks.20.self_attention.to_query", 9, 9)), F.KANDINSKY),
    "nobody's": (peft(("transformer.blocks.4.something", 999, 999)), F.OTHER),
}


@pytest.mark.parametrize(("shapes", "family"), OTHERS.values(), ids=list(OTHERS))
def test_any_layer_tells_another_architecture(shapes: Shapes, family: ModelFamily) -> None:
    assert found(shapes) is family


def up(level: int, width: int, layer: str = "attn1_to_q", times: int = 1) -> Shapes:
    return kohya((f"up_blocks_{level}_attentions_1_transformer_blocks_0_{layer}", width, times * width))


TEXT = "text_model_encoder_layers_3_"
OURS: dict[str, tuple[Shapes, ModelFamily]] = {
    "largest size": (
        kohya(("down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj", 320, 2560)),
        F.SD1,
    ),
    "its input": (kohya(("down_blocks_0_attentions_0_proj_in", 320, 320)), F.SD2),
    "up 1": (up(1, 1280), F.SD1),
    "up 1, SDXL": (up(1, 640, "ff_net_0_proj", 8), F.SDXL),
    "up 0": (up(0, 1280), F.SDXL),
    "up 2": (up(2, 640), F.SD1),
    "refiner": (kohya(("up_blocks_1_attentions_1_transformer_blocks_0_attn1_to_q", 1536, 1536)), F.SDXL_REFINER),
    "deep": (kohya(("mid_block_attentions_0_transformer_blocks_7_ff_net_0_proj", 1280, 10240)), F.SDXL),
    "shared by all": (kohya(("mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj", 1280, 10240)), F.UNKNOWN),
    "compvis": (kohya(("input_blocks_5_1_transformer_blocks_0_ff_net_0_proj", 640, 5120)), F.SDXL),
    "text mlp": (kohya((f"{TEXT}mlp_fc2", 3072, 768), prefix="lora_te_"), F.SD1),
    "text of SD2": (kohya((f"{TEXT}mlp_fc1", 1024, 4096), prefix="lora_te_"), F.SD2),
    "text LoHa": (loha(f"lora_te_{TEXT}self_attn_v_proj", 768, 768), F.SD1),
    "text LoKr": (lokr(f"lora_te_{TEXT}self_attn_out_proj", 768, 768), F.SD1),
    "second text": (kohya((f"{TEXT}mlp_fc1", 1280, 5120), prefix="lora_te2_"), F.SDXL),
    "first of several": (kohya((f"{TEXT}mlp_fc1", 768, 3072), prefix="lora_te1_"), F.UNKNOWN),
}


@pytest.mark.parametrize(("shapes", "family"), OURS.values(), ids=list(OURS))
def test_any_layer_tells_which_stable_diffusion(shapes: Shapes, family: ModelFamily) -> None:
    assert found(shapes) is family


def whole(*parts: str, doubles: int = 19, singles: int = 38) -> Shapes:
    layers = [(f"{D}double_blocks.{number}.{part}", 3072, 12288) for number in range(doubles) for part in parts]
    return peft(*layers, *((f"{D}single_blocks.{number}.linear1", 3072, 21504) for number in range(singles)))


def test_chroma_is_told_by_what_it_lacks() -> None:
    assert found(whole("img_attn.qkv", "img_mlp.0", "txt_mlp.0")) is F.FLUX_OR_CHROMA
    assert found(whole("img_attn.qkv", "img_mod.lin")) is F.FLUX
    assert found(whole("img_attn.qkv", singles=3)) is F.FLUX
    assert found(whole("img_attn.qkv", doubles=20)) is F.HUNYUAN_VIDEO


XL_ATTENTION = peft(("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 2048, 640))


@pytest.mark.parametrize(
    ("shapes", "said", "family"),
    [
        (XL_ATTENTION, {"ss_sd_model_name": "Kwai-Kolors/Kolors-diffusers"}, F.KOLORS),
        (XL_ATTENTION, {"ss_sd_model_name": "v1-5-pruned.safetensors"}, F.SDXL),
        (whole("img_attn.qkv"), {"ss_base_model_version": "chroma"}, F.CHROMA),
        (kohya((f"{TEXT}mlp_fc1", 768, 3072), prefix="lora_te1_"), {"ss_network_module": "networks.lora_flux"}, F.FLUX),
        (OTHERS["klein mlp"][0], {"ss_base_model_version": "flux1"}, F.FLUX2),
        (OTHERS["nobody's"][0], {"modelspec.architecture": "krea"}, F.KREA),
    ],
)
def test_words_settle_what_layers_leave_open(shapes: Shapes, said: Mapping[str, str], family: ModelFamily) -> None:
    assert found(shapes, **said) is family


def test_a_site_settles_what_layers_leave_open() -> None:
    assert settled(F.SDXL, F.KOLORS) is F.KOLORS
    assert settled(F.FLUX, F.FLUX2) is F.FLUX2
    assert settled(F.SD1, F.SDXL) is F.SD1
    assert settled(F.SDXL, F.UNKNOWN) is F.SDXL
    assert settled(F.UNKNOWN, F.SD1) is F.SD1
