"""More networks of preprocessors, narrow or shallow, with random weights under the names of the known files.

At their full size the maps of normal_bae and TEED were compared once with controlnet-aux 0.0.10 at the same weights (at
most 1 of 255 apart).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.onnx import constant_model
from torch import Tensor, nn
from transformers import (
    BeitConfig,
    ConvNextConfig,
    UperNetConfig,
    UperNetForSemanticSegmentation,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)

from sdcolab.core.errors import ModelUnreadable
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSOR_FILES
from sdcolab.engine.preprocessors import finder, run
from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets import leres, normals, segments, teed, vitpose, zoe


@pytest.fixture(scope="module")
def picture() -> Pixels:
    noise = np.random.default_rng(5).integers(0, 255, (9, 13, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC))


def with_chance(net: nn.Module) -> nn.Module:
    """Random weights that keep values in sight."""
    generator = torch.Generator().manual_seed(3)
    for name, weight in net.named_parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, (1.5 / weight[0].numel()) ** 0.5, generator=generator)
        else:
            weight.data.normal_(0, 0.05, generator=generator)
            if name.endswith("weight"):
                weight.data += 1
    return net.eval()


def saved(folders: Folders, name: str, content: object) -> None:
    row = PREPROCESSOR_FILES[name]
    path = folders.preprocessors / row.folder / row.file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def made(name: str, picture: Pixels, folders: Folders, a: float = 0, b: float = 0) -> Pixels:
    return run(name, Asked(picture, resolution=64, a=a, b=b, find=finder(folders, name)))


# --- Normals ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normals, "_STAGES", tuple((min(2, one[0]), *one[1:4], one[4] // 8) for one in normals._STAGES))
    for name, value in (("_STEM", 8), ("_HEAD", 32), ("_WIDTHS", (32, 24, 16, 8)), ("_REFINED", 8), ("_SQUEEZE", 1)):
        monkeypatch.setattr(normals, name, value)


def test_surfaces_become_colours(shallow: None, tmp_path: Path, picture: Pixels) -> None:
    folders, net = Folders(tmp_path), with_chance(normals.Normals())
    saved(folders, "normals", {"model": {f"module.{name}": weight for name, weight in net.state_dict().items()}})
    found = made("normal_bae", picture, folders)
    assert found.shape == picture.shape
    length = np.linalg.norm(found.astype(float) / 127.5 - 1, axis=2)
    assert np.abs(length - 1).max() < 0.03  # directions


def test_normals_of_the_known_file_have_its_names() -> None:
    with torch.device("meta"):
        state = normals.Normals().state_dict()
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    assert sum(weight.numel() for weight in state.values()) * 4 == pytest.approx(291_098_000, rel=0.01)
    place = "encoder.original_model."
    assert shapes[f"{place}blocks.0.0.se.conv_reduce.weight"] == (12, 48, 1, 1)
    assert shapes[f"{place}blocks.5.8.conv_pwl.weight"] == (304, 1824, 1, 1)
    assert shapes[f"{place}conv_head.weight"] == (2048, 512, 1, 1)
    assert shapes["decoder.up1._net.0.weight"] == (1024, 2224, 3, 3)
    assert shapes["decoder.out_conv_res1.6.weight"] == (4, 128, 1)


# --- Edges ------------------------------------------------------------------------------------------------------------


def test_tiny_edges_in_few_or_many_brightnesses(tmp_path: Path, picture: Pixels) -> None:
    folders, net = Folders(tmp_path), with_chance(teed.TEED())
    assert sum(weight.numel() for weight in net.parameters()) == pytest.approx(58_000, rel=0.02)  # the paper's 58K
    for name in ("teed", "anyline"):
        saved(folders, name, net.state_dict())
    soft, safe, both = (
        made("softedge_teed", picture, folders),
        made("softedge_teed", picture, folders, a=2),
        made("softedge_anyline", picture, folders, a=2),
    )
    assert len(np.unique(soft)) > 20
    assert set(np.unique(safe)) <= {0, 127, 255}
    assert (both >= safe).all()
    assert (both > safe).any()  # dark lines lie over the edges


def test_specks_are_no_lines(tmp_path: Path) -> None:
    folders, net = Folders(tmp_path), teed.TEED()
    for weight in net.parameters():
        weight.data.zero_()
    for up in (net.up_block_1, net.up_block_2, net.up_block_3):
        up.features[-1].bias.data -= 20  # no edges at all
    saved(folders, "anyline", net.state_dict())
    paper = np.full((64, 64, 3), 255, np.uint8)
    paper[8:12, 8:12] = 0
    paper[40:43, 4:60] = 0
    found = made("softedge_anyline", paper, folders)
    assert found[41, 30].min() > 60
    assert not found[9:11, 9:11].any()


# --- Depth ------------------------------------------------------------------------------------------------------------


def test_leres_leaves_out_what_is_near_or_far(tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_BLOCKS", (1, 1, 1, 1)), ("_WIDTHS", (8, 16, 32, 64)), ("_GROUPS", 4), ("_GROUP_WIDTH", 16)):
        monkeypatch.setattr(leres, name, value)
    for name, value in (("_MIDDLE", 16), ("_DEEP", 24)):
        monkeypatch.setattr(leres, name, value)
    folders, net = Folders(tmp_path), with_chance(leres.LeReS())
    state = {f"module.depth_model.{name}": weight for name, weight in net.state_dict().items()}
    saved(folders, "leres", {"depth_model": state})
    whole = made("depth_leres", picture, folders)
    assert (whole.min(), whole.max()) == (0, 255)
    cut = made("depth_leres", picture, folders, a=30, b=30)
    assert (cut[whole < 75] == 0).all()
    assert (cut[whole > 180] == 255).all()
    assert np.array_equal(cut[(whole > 80) & (whole < 170)], whole[(whole > 80) & (whole < 170)])


def test_leres_has_the_names_of_its_file() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(weight.shape) for name, weight in leres.LeReS().state_dict().items()}
    assert shapes["encoder_modules.encoder.layer3.22.conv2.weight"] == (1024, 32, 3, 3)
    assert shapes["decoder_modules.conv.conv_branch.4.weight"] == (512, 512, 3, 3)
    assert shapes["decoder_modules.ffm0.ftb2.conv1.weight"] == (256, 256, 3, 3)
    assert shapes["decoder_modules.outconv.adapt_conv.3.weight"] == (1, 128, 3, 3)


def test_zoe_has_a_name_for_every_weight() -> None:
    """isl-org/ZoeDepth's names for ZoeD_M12_N.pt -> those of Intel/zoedepth-nyu, whose count is the net's own."""
    found = zoe.renamed({name: torch.empty(shape, device="meta") for name, shape in _ZOE.items()})
    assert found["backbone.encoder.layer.3.attention.attention.key.weight"].shape == (8, 8)
    assert found["backbone.encoder.layer.3.attention.attention.query.bias"].shape == (8,)
    assert found["neck.reassemble_stage.readout_projects.3.0.bias"].shape == (8,)
    assert found["neck.fusion_stage.layers.0.residual_layer1.convolution2.bias"].shape == (4,)
    assert found["neck.convs.2.weight"].shape == (4, 4, 3, 3)
    assert found["metric_head.attractors.1.conv2.weight"].shape == (2, 2, 1, 1)
    assert found["metric_head.conditional_log_binomial.mlp.0.weight"].shape == (2, 2, 1, 1)
    assert not [name for name in found if name.startswith(("core.", "scratch.", "_net", "conv2"))]


_ZOE: dict[str, tuple[int, ...]] = {
    "core.core.pretrained.model.blocks.3.attn.qkv.weight": (24, 8),
    "core.core.pretrained.model.blocks.3.attn.q_bias": (8,),
    "core.core.pretrained.model.blocks.3.attn.relative_position_bias_table": (4, 2),
    "core.core.pretrained.model.blocks.3.gamma_1": (8,),
    "core.core.pretrained.act_postprocess4.0.project.0.bias": (8,),
    "core.core.scratch.refinenet4.resConfUnit1.conv2.bias": (4,),
    "core.core.scratch.layer3_rn.weight": (4, 4, 3, 3),
    "core.core.scratch.output_conv.4.bias": (1,),
    "conv2.weight": (4, 4, 1, 1),
    "seed_bin_regressor._net.0.weight": (2, 2, 1, 1),
    "attractors.1._net.2.weight": (2, 2, 1, 1),
    "conditional_log_binomial.mlp.0.weight": (2, 2, 1, 1),
}


def _tiny_zoe() -> ZoeDepthConfig:
    backbone = BeitConfig(
        image_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
        use_relative_position_bias=True, reshape_hidden_states=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    return ZoeDepthConfig(
        backbone_config=backbone, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, bottleneck_features=8,
        bin_embedding_dim=8, num_relative_features=8, use_bias_in_fusion_residual=True,
    )  # fmt: skip


_TO_ZOE = (
    (r"^backbone\.(beit\.)?(encoder\.)?layers?\.(\d+)\.", r"core.core.pretrained.model.blocks.\3."),
    (r"^backbone\.(beit\.)?embeddings\.cls_token", "core.core.pretrained.model.cls_token"),
    (r"^backbone\.(beit\.)?embeddings\.patch_embeddings\.projection", "core.core.pretrained.model.patch_embed.proj"),
    (r"lambda_", "gamma_"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"(?<!mlp\.)intermediate\.dense", "mlp.fc1"),
    (r"attention\.(o_proj|output\.dense)", "attn.proj"),
    (r"(?<=\d\.)output\.dense", "mlp.fc2"),
    (r"attention\.(attention\.)?(q_proj|query)\.bias", "attn.q_bias"),
    (r"attention\.(attention\.)?(v_proj|value)\.bias", "attn.v_bias"),
    (r"(attention\.attention\.)?relative_position_bias\.relative", "attn.relative"),
    (r"^relative_head\.conv1", "core.core.scratch.output_conv.0"),
    (r"^relative_head\.conv2", "core.core.scratch.output_conv.2"),
    (r"^relative_head\.conv3", "core.core.scratch.output_conv.4"),
    (r"^metric_head\.(seed_\w+|projectors\.\d|attractors\.\d)\.conv1", r"\1._net.0"),
    (r"^metric_head\.(seed_\w+|projectors\.\d|attractors\.\d)\.conv2", r"\1._net.2"),
    (r"^metric_head\.", ""),
)


def _zoe_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """isl-org's own names for transformers' weights, of whichever version."""
    made: dict[str, Tensor] = {}
    thirds: dict[str, dict[str, Tensor]] = {}
    for name, weight in state.items():
        if found := re.search(r"(\d+)\.attention\.(?:attention\.)?(q|k|v)(?:_proj|uery|ey|alue)\.weight$", name):
            thirds.setdefault(found[1], {})[found[2]] = weight
        elif found := re.match(r"neck\.reassemble_stage\.readout_projects\.(\d)\.0\.(.+)", name):
            made[f"core.core.pretrained.act_postprocess{int(found[1]) + 1}.0.project.0.{found[2]}"] = weight
        elif found := re.match(r"neck\.reassemble_stage\.layers\.(\d)\.(projection|resize)\.(.+)", name):
            place = {"projection": 3, "resize": 4}[found[2]]
            made[f"core.core.pretrained.act_postprocess{int(found[1]) + 1}.{place}.{found[3]}"] = weight
        elif found := re.match(r"neck\.convs\.(\d)\.weight", name):
            made[f"core.core.scratch.layer{int(found[1]) + 1}_rn.weight"] = weight
        elif found := re.match(r"neck\.fusion_stage\.layers\.(\d)\.(.+)", name):
            inner = re.sub(r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2", found[2])
            inner = inner.replace("projection", "out_conv")
            made[f"core.core.scratch.refinenet{4 - int(found[1])}.{inner}"] = weight
        else:
            for pattern, replacement in _TO_ZOE:
                name = re.sub(pattern, replacement, name)
            made[name] = weight
    for block, parts in thirds.items():
        place = f"core.core.pretrained.model.blocks.{block}.attn.qkv.weight"
        made[place] = torch.cat([parts[one] for one in "qkv"])
    return made


def test_zoe_reads_the_original_file(tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoe, "net_config", _tiny_zoe)
    monkeypatch.setattr(zoe, "_SIZE", (64, 64))
    folders, net = Folders(tmp_path), with_chance(ZoeDepthForDepthEstimation(_tiny_zoe()))
    named = _zoe_names(dict(net.state_dict()))
    assert all(name.startswith(("core.core.", "conv2", "seed_", "proj", "attr", "cond")) for name in named), (
        named.keys()
    )
    saved(folders, "zoe", {"model": {name: weight.clone() for name, weight in named.items()}})
    found = made("depth_zoe", picture, folders)
    assert found.shape == picture.shape
    assert (found.min(), found.max()) == (0, 255)


def test_metres_become_brightness() -> None:
    distance = torch.linspace(1, 9, 100).view(10, 10)
    found = zoe.shown(distance)
    assert found[0, 0] == 255
    assert found[-1, -1] == 0
    assert (np.diff(found.reshape(-1).astype(int)) <= 0).all()
    assert not zoe.shown(torch.ones(4, 4)).any() or zoe.shown(torch.ones(4, 4)).min() == 255


# --- Segments and bodies ----------------------------------------------------------------------------------------------


def _tiny_segments() -> UperNetConfig:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], out_features=stages)
    return UperNetConfig(backbone_config=backbone, num_labels=150, hidden_size=8, use_auxiliary_head=False)


def test_things_have_their_colours(tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "net_config", _tiny_segments)
    monkeypatch.setattr(segments, "_SIDE", 64)
    folders, net = Folders(tmp_path), with_chance(UperNetForSemanticSegmentation(_tiny_segments()))
    saved(folders, "segments", {**net.state_dict(), "auxiliary_head.classifier.bias": torch.zeros(150)})
    found = made("seg_ufade20k", picture, folders)
    assert found.shape == picture.shape
    known = {tuple(colour) for colour in segments.COLOURS.tolist()}
    seen = {tuple(colour) for colour in found.reshape(-1, 3).tolist()}
    assert len(seen) > 1
    assert seen <= known
    assert segments.COLOURS[[0, 2, 12]].tolist() == [[120, 120, 120], [6, 230, 230], [150, 5, 61]]  # wall, sky, person


def test_another_file_is_one_clear_error(tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "net_config", _tiny_segments)
    folders = Folders(tmp_path)
    saved(folders, "segments", {"something.weight": torch.zeros(3)})
    with pytest.raises(ModelUnreadable):
        made("seg_upernet", picture, folders)


def test_bodies_by_heat_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = VitPoseBackboneConfig(
        image_size=(64, 48), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, out_indices=[1]
    )
    config = VitPoseConfig(backbone_config=backbone, num_labels=17, scale_factor=4)
    monkeypatch.setattr(vitpose, "net_config", lambda: config)
    monkeypatch.setattr(vitpose, "_HEIGHT", 64)
    monkeypatch.setattr(vitpose, "_WIDTH", 48)
    folders = Folders(tmp_path)
    row = PREPROCESSOR_FILES["vitpose"]
    path = folders.preprocessors / row.folder / row.file
    path.parent.mkdir(parents=True)
    from safetensors.torch import save_file

    net = with_chance(VitPoseForPoseEstimation(config))
    net.head.conv.bias.data += 1  # everything is likely
    save_file({name: weight.contiguous() for name, weight in net.state_dict().items()}, path)
    grid = np.zeros((1, 84, 6), np.float32)
    grid[0, 83] = (0, 1, 0, 0.7, 1, 1)  # one person on the left
    constant_model(folders.preprocessors / PREPROCESSOR_FILES["people"].file, 64, 64, {"found": grid})
    found = made("vitpose", np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8), folders)
    assert found.any()
    assert set(np.unique(found)) != {0, 255}  # coloured limbs


def test_points_lie_at_the_highest_place_towards_its_higher_neighbour() -> None:
    maps = np.zeros((2, 16, 12), np.float32)
    maps[0, 5, 7], maps[0, 5, 8], maps[0, 4, 7] = 1, 0.5, 0.25
    maps[1, 0, 0] = 0.1
    points: Tensor | np.ndarray = vitpose.located(maps)
    assert points[0].tolist() == [29, 19, 1]
    assert points[1, :2].tolist() == [0, 0]
