"""What sort of control model a file is, by what users have: a few tensors of each, with their real sides."""

from __future__ import annotations

import pytest

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.control_files import UNSERVED, ControlFile, ControlKind, sniff
from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.core.words.control import CONTROL_KIND_LABELS

Shapes = dict[str, tuple[int, ...]]
LDM = "control_model."


def ldm(width: int, prefix: str = LDM) -> Shapes:
    return {
        f"{prefix}input_hint_block.0.weight": (16, 3, 3, 3),
        f"{prefix}zero_convs.0.0.weight": (320, 320, 1, 1),
        f"{prefix}input_blocks.5.1.transformer_blocks.0.attn2.to_k.weight": (640, width),
        f"{prefix}input_blocks.11.0.in_layers.0.weight": (1280,),
    }


def ldm_xl(blocks: int) -> Shapes:
    attention = {f"{LDM}input_blocks.8.1.transformer_blocks.{blocks - 1}.attn2.to_k.weight": (1280, 2048)}
    return {
        f"{LDM}input_hint_block.0.weight": (16, 3, 3, 3),
        f"{LDM}label_emb.0.0.bias": (1280,),
        **(attention if blocks else {}),
    }


def diffusers(width: int, *, xl: bool = False) -> Shapes:
    sizes = {"add_embedding.linear_1.bias": (1280,)} if xl else {}
    attention = {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, width)}
    return {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3), **sizes, **(attention if width else {})}


def union(types: int) -> Shapes:
    more: Shapes = {"task_embedding": (types, 320), "control_add_embedding.linear_1.bias": (1280,)}
    return diffusers(2048, xl=True) | more


def ip_adapter(width: int, **projection: tuple[int, ...]) -> Shapes:
    named = {f"image_proj.{name.replace('__', '.')}": shape for name, shape in projection.items()}
    return {**named, "ip_adapter.1.to_k_ip.weight": (320, width)}


KIND, FAMILY = ControlKind, ModelFamily
XL, SD1, SD2, OTHER = FAMILY.SDXL, FAMILY.SD1, FAMILY.SD2, FAMILY.UNKNOWN
BLOCKS = "transformer_blocks.0.attn.to_q.weight"
LOW_RANK = "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down"
LLLITE_DEEP: Shapes = {
    f"lllite_unet_{block}_1_transformer_blocks_0_attn1_to_{part}.{matrix}.0.weight": shape
    for block, width in (("input_blocks_4", 640), ("input_blocks_8", 1280), ("middle_block", 1280))
    for part in "qkv"
    for matrix, shape in (("down", (64, width)), ("up", (width, 64)))
}
"""Where both families have attention, and as wide."""
FILES: dict[str, tuple[Shapes, ControlFile]] = {
    "control_v11p_sd15_canny": (ldm(768), ControlFile(KIND.CONTROLNET, SD1, context_width=768)),
    "sin prefijo": (ldm(768, ""), ControlFile(KIND.CONTROLNET, SD1, context_width=768)),
    "control_v11p_sd21": (ldm(1024), ControlFile(KIND.CONTROLNET, SD2, context_width=1024)),
    "xl full": (ldm_xl(10), ControlFile(KIND.CONTROLNET, XL, context_width=2048)),
    "xl mid": (ldm_xl(1), ControlFile(KIND.CONTROLNET, XL, context_width=2048)),
    "xl small": (ldm_xl(0), ControlFile(KIND.CONTROLNET, XL)),
    "diff_control_sd15_canny": (
        ldm(768) | {"difference": (1,)},
        ControlFile(KIND.CONTROLNET, SD1, difference=True, context_width=768),
    ),
    "diffusers sd15": (diffusers(768), ControlFile(KIND.CONTROLNET, SD1, diffusers=True, context_width=768)),
    "diffusers xl": (diffusers(2048, xl=True), ControlFile(KIND.CONTROLNET, XL, diffusers=True, context_width=2048)),
    "diffusers xl small": (diffusers(0, xl=True), ControlFile(KIND.CONTROLNET, XL, diffusers=True)),
    "union": (union(6), ControlFile(KIND.UNION, XL, diffusers=True, union_types=6, context_width=2048)),
    "union promax": (union(8), ControlFile(KIND.UNION, XL, diffusers=True, union_types=8, context_width=2048)),
    "control-lora-canny-rank128": (
        {"lora_controlnet": (1,), LOW_RANK: (128, 2048)},
        ControlFile(KIND.CONTROL_LORA, XL, context_width=2048),
    ),
    "control-lora sd1": (
        {"lora_controlnet": (1,), LOW_RANK: (64, 768), "input_blocks.11.0.in_layers.0.weight": (1280,)},
        ControlFile(KIND.CONTROL_LORA, SD1, context_width=768),
    ),
    "t2iadapter_canny_sd15v2": (
        {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)},
        ControlFile(KIND.T2I_ADAPTER, SD1, width=320),
    ),
    "t2i-adapter_diffusers_xl_sketch": (
        {"adapter.conv_in.weight": (320, 256, 3, 3), "adapter.body.0.resnets.0.block1.weight": (320, 320, 3, 3)},
        ControlFile(KIND.T2I_ADAPTER, XL, diffusers=True, width=320),
    ),
    "t2iadapter light": (
        {"body.0.in_conv.weight": (80, 192, 1, 1), "body.0.out_conv.weight": (320, 80, 1, 1)},
        ControlFile(KIND.T2I_ADAPTER, SD1, width=320),
    ),
    "t2iadapter_style_sd14v1": (
        {"style_embedding": (1, 8, 1024), "proj": (1024, 768)},
        ControlFile(KIND.T2I_STYLE, SD1),
    ),
    "kohya_controllllite_xl_canny": (
        {"lllite_unet_input_blocks_8_1_transformer_blocks_3_attn1_to_q.down.0.weight": (32, 1280)},
        ControlFile(KIND.LLLITE, XL),
    ),
    "kohya_controllllite sd1": (
        {"lllite_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.down.0.weight": (32, 320), **LLLITE_DEEP},
        ControlFile(KIND.LLLITE, SD1, width=320),
    ),
    "kohya_controllllite, pocas capas": (LLLITE_DEEP, ControlFile(KIND.LLLITE, OTHER)),
    "anima_lllite_tile": (
        {
            "lllite_conditioning1.conv1.weight": (9, 3, 4, 4),
            "lllite_dit_blocks_0_self_attn_q_proj.down.weight": (9, 9),
        },
        ControlFile(KIND.FOREIGN, FAMILY.ANIMA),
    ),
    "ip-adapter_sd15": (
        ip_adapter(768, proj__weight=(3072, 1024), norm__weight=(768,)),
        ControlFile(KIND.IP_ADAPTER, SD1, context_width=768),
    ),
    "ip-adapter-plus-face_sd15": (
        ip_adapter(768, latents=(1, 16, 768), proj_in__weight=(768, 1280)),
        ControlFile(KIND.IP_ADAPTER, SD1, context_width=768),
    ),
    "ip-adapter-full-face_sd15": (
        ip_adapter(768, proj__0__weight=(1280, 1280), proj__2__weight=(197376, 1280)),
        ControlFile(KIND.IP_ADAPTER, SD1, context_width=768),
    ),
    "ip-adapter_sdxl (bigG)": (
        ip_adapter(2048, proj__weight=(8192, 1280)),
        ControlFile(KIND.IP_ADAPTER, XL, context_width=2048),
    ),
    "ip-adapter_sdxl_vit-h": (
        ip_adapter(2048, proj__weight=(8192, 1024)),
        ControlFile(KIND.IP_ADAPTER, XL, context_width=2048),
    ),
    "InstantX FLUX.1-dev-IP-Adapter": (
        {"image_proj.proj.0.weight": (1152, 1152), "ip_adapter.0.to_k_ip.weight": (3072, 4096)},
        ControlFile(KIND.FOREIGN, FAMILY.FLUX),
    ),
    "InstantX SD3.5-Large-IP-Adapter": (
        {"image_proj.proj_in.weight": (1280, 1152), "ip_adapter.0.to_k_ip.weight": (2432, 2432)},
        ControlFile(KIND.FOREIGN, FAMILY.SD3),
    ),
    "flux1-redux-dev": (
        {"redux_up.weight": (12288, 1152), "redux_down.weight": (4096, 12288)},
        ControlFile(KIND.FOREIGN, FAMILY.FLUX),
    ),
    "Kolors-ControlNet-Depth": (
        diffusers(2048, xl=True) | {"encoder_hid_proj.weight": (2048, 4096)},
        ControlFile(KIND.FOREIGN, FAMILY.KOLORS),
    ),
    "ip-adapter-faceid_sd15": (
        ip_adapter(768, proj__0__weight=(1024, 512)),
        ControlFile(KIND.FACE_ID, SD1, context_width=768),
    ),
    "ip-adapter-faceid-plusv2_sdxl": (
        ip_adapter(2048, perceiver_resampler__proj_in__weight=(1280, 1280), proj__0__weight=(1024, 512)),
        ControlFile(KIND.FACE_ID, XL, context_width=2048),
    ),
    "ip-adapter de instant-x": (
        ip_adapter(2048, latents=(1, 16, 1280), proj_in__weight=(1280, 512)),
        ControlFile(KIND.FACE_ID, XL, context_width=2048),
    ),
    "instant_id_controlnet": (
        diffusers(2048, xl=True),
        ControlFile(KIND.INSTANT_ID, XL, diffusers=True, context_width=2048),
    ),
    "v3_sd15_sparsectrl_rgb": (
        {
            "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (320,),
            "controlnet_cond_embedding.conv_in.weight": (16, 4, 3, 3),
        },
        ControlFile(KIND.SPARSE, OTHER),
    ),
    "flux-canny-controlnet-v3 (XLabs)": (
        {
            "controlnet_blocks.0.weight": (3072, 3072),
            "input_hint_block.0.weight": (16, 3, 3, 3),
            "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
        },
        ControlFile(KIND.FOREIGN, FAMILY.FLUX),
    ),
    "FLUX.1-dev-ControlNet-Union-Pro": (
        {"controlnet_blocks.0.weight": (3072, 3072), "controlnet_mode_embedder.weight": (10, 3072), BLOCKS: (9, 9)},
        ControlFile(KIND.FOREIGN, FAMILY.OTHER),
    ),
    "sd3.5_large_controlnet_canny": (
        {"controlnet_blocks.0.weight": (9, 9), "pos_embed_input.proj.weight": (9, 17, 2, 2), BLOCKS: (9, 9)},
        ControlFile(KIND.FOREIGN, FAMILY.SD3),
    ),
    "Qwen-Image-ControlNet-Union": (
        {"controlnet_blocks.0.weight": (3072, 3072), "txt_in.weight": (3072, 3584), BLOCKS: (9, 9)},
        ControlFile(KIND.FOREIGN, FAMILY.OTHER),
    ),
    "Z-Image-Turbo-Fun-Controlnet-Union": (
        {"control_layers.0.attention.qkv.weight": (9, 9)},
        ControlFile(KIND.FOREIGN, FAMILY.Z_IMAGE),
    ),
}


def header(shapes: Shapes) -> TensorHeader:
    return TensorHeader({name: TensorInfo("F16", shape, 0, 0) for name, shape in shapes.items()}, {}, 0)


@pytest.mark.parametrize("name", FILES)
def test_every_sort_is_told(name: str) -> None:
    shapes, expected = FILES[name]
    assert sniff(header(shapes), f"{name}.safetensors") == expected


@pytest.mark.parametrize("name", FILES)
def test_every_sort_goes_where_control_models_go(name: str) -> None:
    assert detect(header(FILES[name][0])).kind is ModelKind.CONTROLNET


def test_what_is_none_is_told_and_every_sort_has_its_words() -> None:
    nothing = sniff(header({"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}))
    assert nothing.kind is KIND.UNKNOWN
    assert KIND.UNKNOWN in UNSERVED
    assert {kind.value for kind in ControlKind} == set(CONTROL_KIND_LABELS)
