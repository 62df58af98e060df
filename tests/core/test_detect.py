from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcolab.core.detect import NATIVE_SIZES, Detected, ModelFamily, ModelKind, detect
from sdcolab.core.tensors import TensorHeader, TensorInfo


def found(shapes: Mapping[str, Sequence[int]], metadata: Mapping[str, str] | None = None) -> Detected:
    tensors = {name: TensorInfo("F16", tuple(shape), 0, 0) for name, shape in shapes.items()}
    return detect(TensorHeader(tensors=tensors, metadata=dict(metadata or {})))


UNET = "model.diffusion_model."
TO_K = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
VAE = {"first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3), "first_stage_model.decoder.conv_in.weight": (1,)}
KOHYA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
CASES: list[tuple[str, Mapping[str, Sequence[int]], ModelKind, ModelFamily]] = [
    (
        "SD1",
        {UNET + TO_K: (320, 768), **VAE, "cond_stage_model.transformer.text_model.final_layer_norm.bias": (768,)},
        ModelKind.CHECKPOINT,
        ModelFamily.SD1,
    ),
    (
        "SD2",
        {UNET + TO_K: (320, 1024), **VAE, "cond_stage_model.model.ln_final.bias": (1024,)},
        ModelKind.CHECKPOINT,
        ModelFamily.SD2,
    ),
    (
        "SDXL",
        {UNET + TO_K: (640, 2048), **VAE, "conditioner.embedders.1.model.ln_final.bias": (1280,)},
        ModelKind.CHECKPOINT,
        ModelFamily.SDXL,
    ),
    (
        "refiner",
        {UNET + TO_K: (768, 1280), **VAE, "conditioner.embedders.0.model.ln_final.bias": (1280,)},
        ModelKind.CHECKPOINT,
        ModelFamily.SDXL_REFINER,
    ),
    (
        "SD-Turbo, an SD 2 in SDXL's layout",
        {UNET + TO_K: (320, 1024), **VAE, "conditioner.embedders.0.model.ln_final.bias": (1024,)},
        ModelKind.CHECKPOINT,
        ModelFamily.SD2,
    ),
    (
        "AnimateDiff",
        {f"{at}.motion_modules.0.temporal_transformer.norm.weight": (320,) for at in ("down_blocks.0", "up_blocks.3")},
        ModelKind.MOTION,
        ModelFamily.UNKNOWN,
    ),
    (
        "a LoRA for AnimateDiff",
        {"down_blocks.0.motion_modules.0.transformer_blocks.0.attention_blocks.0.to_k_lora.down.weight": (32, 320)},
        ModelKind.MOTION,
        ModelFamily.UNKNOWN,
    ),
    ("SD3", {UNET + "joint_blocks.0.x": (1,)}, ModelKind.CHECKPOINT, ModelFamily.SD3),
    ("Flux", {"double_blocks.0.img_attn.qkv.weight": (1,)}, ModelKind.CHECKPOINT, ModelFamily.FLUX),
    ("UNet alone", {UNET + TO_K: (320, 768)}, ModelKind.UNET, ModelFamily.SD1),
    ("kohya LoRA", {f"{KOHYA}.lora_down.weight": (8, 768)}, ModelKind.LORA, ModelFamily.SD1),
    ("kohya LoRA for SD2", {f"{KOHYA}.lora_down.weight": (8, 1024)}, ModelKind.LORA, ModelFamily.SD2),
    (
        "kohya LoRA for SDXL",
        {"lora_unet_input_blocks_4_1_proj_in.lora_down.weight": (8, 640)},
        ModelKind.LORA,
        ModelFamily.SDXL,
    ),
    ("LoHa", {f"{KOHYA}.hada_w1_a": (320, 8), f"{KOHYA}.hada_w1_b": (8, 768)}, ModelKind.LORA, ModelFamily.SD1),
    ("LoKr", {f"{KOHYA}.lokr_w1": (4, 4), f"{KOHYA}.lokr_w2": (80, 192)}, ModelKind.LORA, ModelFamily.SD1),
    (
        "text encoder LoRA",
        {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 768)},
        ModelKind.LORA,
        ModelFamily.SD1,
    ),
    (
        "diffusers LoRA",
        {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (8, 768)},
        ModelKind.LORA,
        ModelFamily.SD1,
    ),
    (
        "old diffusers LoRA",
        {"down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768)},
        ModelKind.LORA,
        ModelFamily.SD1,
    ),
    (
        "Flux LoRA",
        {"transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (8, 3072)},
        ModelKind.LORA,
        ModelFamily.FLUX,
    ),
    ("VAE", {"encoder.conv_in.weight": (1,), "decoder.conv_in.weight": (1,)}, ModelKind.VAE, ModelFamily.UNKNOWN),
    (
        "VAE of videos",
        {"encoder.conv1.weight": (96, 3, 3, 3, 3), "decoder.conv1.weight": (384, 16, 3, 3, 3)},
        ModelKind.VAE,
        ModelFamily.WAN,
    ),
    ("VAE with its checkpoint's names", VAE, ModelKind.VAE, ModelFamily.UNKNOWN),
    ("embedding", {"emb_params": (75, 768)}, ModelKind.EMBEDDING, ModelFamily.SD1),
    ("embedding in SD2's width", {"emb_params": (8, 1024)}, ModelKind.EMBEDDING, ModelFamily.SD2),
    ("A1111 embedding", {"string_to_param.*": (8, 768)}, ModelKind.EMBEDDING, ModelFamily.SD1),
    ("diffusers concept", {"<gato>": (768,)}, ModelKind.EMBEDDING, ModelFamily.SD1),
    ("SDXL embedding", {"clip_l": (8, 768), "clip_g": (8, 1280)}, ModelKind.EMBEDDING, ModelFamily.SDXL),
    (
        "ControlNet",
        {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), f"control_model.{TO_K}": (320, 768)},
        ModelKind.CONTROLNET,
        ModelFamily.SD1,
    ),
    (
        "bare ControlNet for SD2",
        {"input_hint_block.0.weight": (16, 3, 3, 3), TO_K: (320, 1024)},
        ModelKind.CONTROLNET,
        ModelFamily.SD2,
    ),
    (
        "diffusers ControlNet",
        {
            "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        },
        ModelKind.CONTROLNET,
        ModelFamily.SD1,
    ),
    (
        "SDXL ControlNet",
        {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3), "add_embedding.linear_1.bias": (1280,)},
        ModelKind.CONTROLNET,
        ModelFamily.SDXL,
    ),
    (
        "T2I-Adapter",
        {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (1,)},
        ModelKind.CONTROLNET,
        ModelFamily.SD1,
    ),
    (
        "T2I-Adapter for SDXL",
        {"adapter.conv_in.weight": (320, 768, 3, 3), "adapter.body.0.resnets.0.block1.weight": (1,)},
        ModelKind.CONTROLNET,
        ModelFamily.SDXL,
    ),
    ("Control-LoRA", {"lora_controlnet": ()}, ModelKind.CONTROLNET, ModelFamily.UNKNOWN),
    (
        "IP-Adapter",
        {"image_proj.proj.weight": (1,), "ip_adapter.1.to_k_ip.weight": (320, 768)},
        ModelKind.CONTROLNET,
        ModelFamily.SD1,
    ),
    ("ESRGAN", {"model.0.weight": (64, 3, 3, 3)}, ModelKind.UPSCALER, ModelFamily.UNKNOWN),
    ("new ESRGAN, SwinIR, DAT", {"conv_first.weight": (64, 3, 3, 3)}, ModelKind.UPSCALER, ModelFamily.UNKNOWN),
    ("compact", {"body.0.weight": (64, 3, 3, 3), "body.1.weight": (64,)}, ModelKind.UPSCALER, ModelFamily.UNKNOWN),
    ("ScuNET", {"m_head.0.weight": (64, 3, 3, 3)}, ModelKind.UPSCALER, ModelFamily.UNKNOWN),
    (
        "CLIP vision",
        {
            "vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14),
            "visual_projection.weight": (1024, 1280),
        },
        ModelKind.CLIP_VISION,
        ModelFamily.UNKNOWN,
    ),
    ("hypernetwork", {"768.0.linear.0.weight": (1536, 768)}, ModelKind.HYPERNETWORK, ModelFamily.UNKNOWN),
    ("something else", {"text_model.x": (3, 4), "y": (1,)}, ModelKind.OTHER, ModelFamily.UNKNOWN),
    ("nothing", {}, ModelKind.OTHER, ModelFamily.UNKNOWN),
]


@pytest.mark.parametrize(("shapes", "kind", "family"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_detect(shapes: Mapping[str, Sequence[int]], kind: ModelKind, family: ModelFamily) -> None:
    detected = found(shapes)
    assert (detected.kind, detected.family) == (kind, family)
    assert detected.native_size == NATIVE_SIZES[family]


@pytest.mark.parametrize(
    ("declared", "family"),
    [
        ({"ss_base_model_version": "sd_v1"}, ModelFamily.SD1),
        ({"ss_base_model_version": "sd_v2"}, ModelFamily.SD2),
        ({"ss_base_model_version": "sdxl_base_v1-0"}, ModelFamily.SDXL),
        ({"modelspec.architecture": "stable-diffusion-v1/lora"}, ModelFamily.SD1),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, ModelFamily.SDXL),
        ({"modelspec.architecture": "flux-1-dev/lora"}, ModelFamily.FLUX),
    ],
)
def test_metadata_tells_the_family_of_a_lora_whose_shapes_do_not(
    declared: Mapping[str, str], family: ModelFamily
) -> None:
    assert found({f"{KOHYA}.lokr_w1": (4, 4)}, declared).family is family


def test_shapes_win_over_metadata() -> None:
    declared = {"ss_base_model_version": "sdxl_base_v1-0"}
    assert found({f"{KOHYA}.lora_down.weight": (8, 768)}, declared).family is ModelFamily.SD1


def test_resolution_from_metadata() -> None:
    assert found({UNET + TO_K: (320, 768)}, {"modelspec.resolution": "128x128"}).native_size == 128
    assert found({UNET + TO_K: (320, 768)}, {"modelspec.resolution": "enorme"}).native_size == 512


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.lists(st.integers(0, 5000), max_size=5)), st.dictionaries(st.text(), st.text()))
def test_never_fails(shapes: dict[str, list[int]], metadata: dict[str, str]) -> None:
    found(shapes, metadata)


INTERESTING = [name for case in CASES for name in case[1]]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(INTERESTING), st.lists(st.integers(0, 9), max_size=4)))
def test_never_fails_on_odd_shapes_of_known_names(shapes: dict[str, list[int]]) -> None:
    found(shapes)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("lora_unet_single_blocks_0_linear1.lora_down.weight", ModelFamily.FLUX),
        ("diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight", ModelFamily.FLUX),
        ("diffusion_model.joint_blocks.0.x_block.attn.qkv.lora_A.weight", ModelFamily.SD3),
        ("text_encoder_2.text_model.encoder.layers.0.self_attn.k_proj.lora_A.weight", ModelFamily.SDXL),
        ("diffusion_model.layers.0.attention.to_k.lora_A.weight", ModelFamily.Z_IMAGE),
        ("diffusion_model.blocks.3.something.lora_A.weight", ModelFamily.OTHER),
        ("something.else.lora_A.weight", ModelFamily.UNKNOWN),
    ],
)
def test_loras_of_other_trainers(name: str, family: ModelFamily) -> None:
    lora = found({name: (8, 1280)})
    assert (lora.kind, lora.family) == (ModelKind.LORA, family)


BLOCKS = "controlnet_blocks.0.weight"
PARTS = ("lora_A", "lora_B")
BLOCK = "transformer.transformer_blocks.0"


def lora(*layers: str, width: int = 64) -> dict[str, tuple[int, ...]]:
    return {f"{layer}.{part}.weight": (64, 8) if part == "lora_B" else (8, width) for layer in layers for part in PARTS}


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (lora("double_blocks.0.img_attn.qkv"), ModelFamily.FLUX),  # Black Forest Labs' own
        ({"double_blocks.0.processor.qkv_lora1.down.weight": (8, 64)}, ModelFamily.FLUX),  # XLabs
        (lora("diffusion_model.single_blocks.47.linear1"), ModelFamily.FLUX2),
        (lora("transformer.blocks.0.attn2.to_k", width=5120), ModelFamily.WAN),
        (lora("transformer.blocks.0.attn1.to_q", "transformer.blocks.0.ffn.net.2"), ModelFamily.WAN),
        (lora("blocks.0.attn2.to_k"), ModelFamily.WAN),
        (lora("diffusion_model.blocks.0.self_attn.q", "diffusion_model.blocks.0.ffn.0"), ModelFamily.WAN),
        (lora("transformer.layers.0.attention.to_q"), ModelFamily.Z_IMAGE),
        (lora("diffusion_model.layers.0.attention.qkv", width=3840), ModelFamily.Z_IMAGE),
        (lora("diffusion_model.layers.0.attention.qkv", width=2304), ModelFamily.LUMINA),
        (lora("transformer.layers.0.attn.to_q", width=2304), ModelFamily.LUMINA),
        (lora(f"{BLOCK}.attn.add_k_proj", width=1536), ModelFamily.SD3),
        (lora(f"{BLOCK}.attn.add_k_proj", width=2432), ModelFamily.SD3),
        (lora(f"{BLOCK}.attn.add_k_proj", width=3072), ModelFamily.QWEN_IMAGE),
        (lora(f"{BLOCK}.attn2.to_k", width=1152), ModelFamily.PIXART),
        (lora(f"{BLOCK}.attn2.to_k", width=2240), ModelFamily.SANA),
        (lora(f"{BLOCK}.attn2.to_k", width=2048), ModelFamily.LTX),
        (lora("transformer.joint_transformer_blocks.0.attn.to_q"), ModelFamily.AURAFLOW),
        (lora("transformer.context_embedder.token_refiner.refiner_blocks.0.attn.to_q"), ModelFamily.HUNYUAN_VIDEO),
        (lora("diffusion_model.double_blocks.0.img_attn.qkv", width=6144), ModelFamily.FLUX2),
        (lora("diffusion_model.double_blocks.0.img_attn.qkv", width=4096), ModelFamily.FLUX2),
        (lora("diffusion_model.blocks.0.self_attn.q"), ModelFamily.WAN),
        (lora("lora_unet_blocks_0_self_attn_o"), ModelFamily.WAN),
        (lora(f"{BLOCK}.attn.add_q_proj"), ModelFamily.QWEN_IMAGE),
        (lora(f"{BLOCK}.attn.to_k", "transformer.transformer_blocks.59.attn.to_k"), ModelFamily.QWEN_IMAGE),
        (lora("diffusion_model.layers.0.feed_forward.w1", width=3840), ModelFamily.Z_IMAGE),
        (lora("diffusion_model.layers.0.feed_forward.w1", width=2304), ModelFamily.LUMINA),
        (lora("transformer.layers.0.attn.to_q", width=2520), ModelFamily.OMNIGEN),
        (lora(f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn1.add_k_proj"), ModelFamily.MOCHI),
        (lora(f"{BLOCK}.attn1.to_q"), ModelFamily.COGVIDEO),
        (lora(f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn2.to_k", width=2048), ModelFamily.LTX),
    ],
)
def test_loras_of_other_architectures(names: Mapping[str, Sequence[int]], family: ModelFamily) -> None:
    told = found(names)
    assert (told.kind, told.family) == (ModelKind.LORA, family)


DEEP = "lora_unet_mid_block_attentions_0_transformer_blocks_1_attn1_to_q"


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ({f"{KOHYA}.lokr_w1": (16, 16), f"{KOHYA}.lokr_w2": (20, 48)}, ModelFamily.SD1),
        (
            {f"{KOHYA}.lokr_w1": (16, 32), f"{KOHYA}.lokr_w2_a": (20, 8), f"{KOHYA}.lokr_w2_b": (8, 64)},
            ModelFamily.SDXL,
        ),
        ({f"{KOHYA}.diff": (320, 1024)}, ModelFamily.SD2),
        ({f"{KOHYA}.oft_blocks": (2, 80, 4, 4)}, ModelFamily.SD1),
        ({f"{KOHYA}.a1.weight": (8, 8), f"{KOHYA}.b1.weight": (8, 8)}, ModelFamily.SD1),
        ({f"{KOHYA}.weight": (320,), f"{KOHYA}.on_input": ()}, ModelFamily.SD1),
        ({"lora_unet_down_blocks_0_attentions_0_norm.w_norm": (320,)}, ModelFamily.SD1),
        (lora(DEEP), ModelFamily.SDXL),
    ],
)
def test_loras_whose_width_is_told_in_another_way(names: Mapping[str, Sequence[int]], family: ModelFamily) -> None:
    told = found(names)
    assert (told.kind, told.family) == (ModelKind.LORA, family)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({"module.conv_first.weight": (64, 3, 3, 3), "module.conv_last.weight": (3, 64, 3, 3)}, ModelKind.UPSCALER),
        ({"generator.model.0.weight": (64, 3, 3, 3)}, ModelKind.UPSCALER),
        ({"unet1.conv1.conv.0.weight": (32, 3, 3, 3)}, ModelKind.UPSCALER),
        (
            {
                "encoder.conv_in.weight": (64, 3, 3, 3),
                "decoder.conv_in.weight": (256, 256, 3, 3),
                "quantize.embedding.weight": (1024, 256),
            },
            ModelKind.OTHER,
        ),
        ({"module.motion_modules.0.weight": (9,)}, ModelKind.MOTION),
    ],
)
def test_names_that_training_programs_leave(names: Mapping[str, Sequence[int]], kind: ModelKind) -> None:
    assert found(names).kind is kind


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ({"ip_adapter.1.to_k_ip.weight": (320, 768), "image_proj.proj.weight": (9, 9)}, ModelFamily.SD1),
        ({"ip_adapter.1.to_k_ip.weight": (640, 2048), "image_proj.proj.weight": (9, 9)}, ModelFamily.SDXL),
        ({"lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight": (64, 640)}, ModelFamily.SDXL),
        ({"lllite_unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q.down.0.weight": (64, 320)}, ModelFamily.SD1),
    ],
)
def test_families_of_adapters(names: Mapping[str, Sequence[int]], family: ModelFamily) -> None:
    told = found(names)
    assert (told.kind, told.family) == (ModelKind.CONTROLNET, family)


FUSED = lora("diffusion_model.double_blocks.0.img_attn.qkv")
SDXL_LIKE = lora("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", width=2048)


@pytest.mark.parametrize(
    ("names", "said", "family"),
    [
        (FUSED, "flux-2-dev/lora", ModelFamily.FLUX2),
        (FUSED, "chroma", ModelFamily.CHROMA),
        (FUSED, "stable-diffusion-xl", ModelFamily.FLUX),
        (SDXL_LIKE, "kolors", ModelFamily.KOLORS),
        (SDXL_LIKE, "", ModelFamily.SDXL),
    ],
)
def test_what_only_the_file_itself_can_tell(names: Mapping[str, Sequence[int]], said: str, family: ModelFamily) -> None:
    assert found(names, {"modelspec.architecture": said}).family is family


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("blocks.0.attn2.to_k.weight", "scale_shift_table"), ModelFamily.WAN),
        (("joint_transformer_blocks.0.attn.to_q.weight", "single_transformer_blocks.0.x"), ModelFamily.AURAFLOW),
        (("transformer_blocks.0.norm1_context.linear.weight", "pos_embed.proj.weight"), ModelFamily.SD3),
        (("transformer_blocks.0.ff.conv_inverted.weight", "caption_norm.weight"), ModelFamily.SANA),
        (("ref_image_refiner.0.attn.to_q.weight", "layers.0.attn.to_q.weight"), ModelFamily.OMNIGEN),
        (("x.token_refiner.refiner_blocks.0.x", "single_transformer_blocks.0.x"), ModelFamily.HUNYUAN_VIDEO),
    ],
)
def test_models_of_other_architectures_in_diffusers_names(names: Sequence[str], family: ModelFamily) -> None:
    told = found(dict.fromkeys(names, (64, 64)))
    assert (told.kind, told.family) == (ModelKind.CHECKPOINT, family)


@pytest.mark.parametrize(
    ("names", "kind", "family"),
    [
        ({"decoder.conv_in.weight": (384, 16, 3, 3, 3), "encoder.x": (1,)}, ModelKind.VAE, ModelFamily.WAN),
        ({"decoder.conv_in.weight": (512, 32, 3, 3), "encoder.x": (1,)}, ModelKind.VAE, ModelFamily.FLUX2),
        (
            {"decoder.conv_in.conv.weight": (9, 16, 3, 3, 3), "encoder.x": (1,)},
            ModelKind.VAE,
            ModelFamily.HUNYUAN_VIDEO,
        ),
        ({"decoder.conv_in.conv.weight": (9, 128, 3, 3, 3), "encoder.x": (1,)}, ModelKind.VAE, ModelFamily.LTX),
        (
            {"decoder.conv_in.weight": (9, 32, 3, 3), "decoder.stages.0.x": (1,), "encoder.x": (1,)},
            ModelKind.VAE,
            ModelFamily.SANA,
        ),
        ({"model.layers.0.self_attn.q_proj.weight": (9, 9)}, ModelKind.TEXT_ENCODER, ModelFamily.UNKNOWN),
        (
            {"model.language_model.layers.0.self_attn.q_proj.weight": (9, 9)},
            ModelKind.TEXT_ENCODER,
            ModelFamily.UNKNOWN,
        ),
        (
            {"token_embedding.weight": (9, 9), "blocks.0.attn.q.weight": (9, 9), "blocks.0.ffn.fc1.weight": (9, 9)},
            ModelKind.TEXT_ENCODER,
            ModelFamily.UNKNOWN,
        ),
        (
            {"controlnet_blocks.0.weight": (9, 9), "single_transformer_blocks.0.x": (9,)},
            ModelKind.CONTROLNET,
            ModelFamily.FLUX,
        ),
        (
            {
                "controlnet_blocks.0.x": (9,),
                "transformer_blocks.0.img_mod.1": (9,),
                "transformer_blocks.0.txt_mod.1": (9,),
            },
            ModelKind.CONTROLNET,
            ModelFamily.QWEN_IMAGE,
        ),
        (
            dict.fromkeys(("controlnet_x_embedder.x", "context_embedder.x", BLOCKS), (9,)),
            ModelKind.CONTROLNET,
            ModelFamily.FLUX,
        ),
        ({"pos_embed_input.x": (9,), BLOCKS: (9,)}, ModelKind.CONTROLNET, ModelFamily.SD3),
        ({"control_layers.0.attention.qkv.weight": (9, 9)}, ModelKind.CONTROLNET, ModelFamily.Z_IMAGE),
        (
            {"ip_adapter_proj_model.proj.weight": (9, 9), "double_blocks.0.processor.ip_adapter_x": (9,)},
            ModelKind.CONTROLNET,
            ModelFamily.FLUX,
        ),
    ],
)
def test_what_goes_with_other_architectures(
    names: Mapping[str, Sequence[int]], kind: ModelKind, family: ModelFamily
) -> None:
    told = found(names)
    assert (told.kind, told.family) == (kind, family)
