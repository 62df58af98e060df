"""The networks of preprocessors, with random weights saved under the names of the known files.

The maps were compared once with controlnet-aux 0.0.10 at the same weights
(HED, PiDiNet, line drawings and M-LSD's segments: at most 2 of 255 apart).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rtmlib.tools.object_detection.yolox import YOLOX
from rtmlib.tools.pose_estimation.post_processings import get_simcc_maximum
from support.onnx import constant_model
from torch import Tensor, nn

from sdcolab.core.errors import ModelUnreadable, PreprocessorFileMissing
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSOR_FILES, PREPROCESSORS, missing_weights
from sdcolab.downloads.providers.huggingface import _telling_name
from sdcolab.engine.preprocessors import finder, run
from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets import depth, drawing, hed, mlsd, pidinet, pose, skeleton


@pytest.fixture(scope="module")
def picture() -> Pixels:
    noise = np.random.default_rng(5).integers(0, 255, (9, 13, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((192, 128), Image.Resampling.BICUBIC))


def with_chance(net: nn.Module) -> nn.Module:
    """Random weights that keep values in sight."""
    generator = torch.Generator().manual_seed(3)
    for weight in net.parameters():
        spread = (1.5 / weight[0].numel()) ** 0.5 if weight.dim() > 1 else 0.05
        weight.data.normal_(0, spread, generator=generator)
    return net.eval()


def asked(picture: Pixels, folders: Folders, a: float = 0, b: float = 0, name: str = "softedge_hed") -> Asked:
    return Asked(picture, resolution=128, a=a, b=b, find=finder(folders, name))


def saved(folders: Folders, name: str, content: object) -> None:
    row = PREPROCESSOR_FILES[name]
    path = folders.preprocessors / row.folder / row.file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def states(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.state_dict())


# --- Files ------------------------------------------------------------------------------------------------------------


def test_every_preprocessor_has_code_and_known_files() -> None:
    for row in PREPROCESSORS.values():
        assert set(row.files) <= set(PREPROCESSOR_FILES)
    used = {name for row in PREPROCESSORS.values() for name in row.files}
    assert used == set(PREPROCESSOR_FILES)
    for row in PREPROCESSOR_FILES.values():
        assert row.link.startswith("https://huggingface.co/")
        assert row.link.endswith(row.file) or _telling_name(*_repository(row.link)) == row.file


def _repository(link: str) -> tuple[str, str]:
    """The repository and the path in it of a file at huggingface.co."""
    repository, _, path = link.removeprefix("https://huggingface.co/").partition("/resolve/main/")
    return repository, path


@pytest.mark.parametrize("name", [name for name, row in PREPROCESSORS.items() if row.files])
def test_missing_weights_are_told_with_their_link(name: str, tmp_path: Path, picture: Pixels) -> None:
    with pytest.raises(PreprocessorFileMissing) as caught:
        run(name, asked(picture, Folders(tmp_path), name=name))
    missing = missing_weights(Folders(tmp_path), name)
    assert caught.value.preprocessor == name
    assert caught.value.links == ", ".join(one.link for one in missing)
    assert caught.value.files == ", ".join(one.file for one in missing)
    assert caught.value.size > 100_000


def test_weights_of_something_else_are_one_clear_error(tmp_path: Path, picture: Pixels) -> None:
    folders = Folders(tmp_path)
    saved(folders, "hed", {"other.weight": torch.zeros(3)})
    with pytest.raises(ModelUnreadable):
        run("softedge_hed", asked(picture, folders))


# --- Edges and lines --------------------------------------------------------------------------------------------------


def test_soft_edges(tmp_path: Path, picture: Pixels) -> None:
    folders = Folders(tmp_path)
    net = with_chance(hed.HED())
    for number in range(1, 6):
        net.get_submodule(f"block{number}").projection.weight.data.mul_(0.01)
    saved(folders, "hed", states(net))
    soft, safe, scribble = (run(name, asked(picture, folders)) for name in _HED)
    assert soft.shape == safe.shape == scribble.shape == picture.shape
    assert len(np.unique(soft)) > 20
    assert set(np.unique(safe)) <= {0, 127, 255}
    assert np.abs(safe.astype(int) - np.floor(soft / 255 * 3) / 2 * 255).max() <= 128
    assert set(np.unique(scribble)) <= {0, 255}


_HED = ("softedge_hed", "softedge_hedsafe", "scribble_hed")


@pytest.mark.parametrize("kind", "CAR")
def test_differences_of_pixels_are_plain_convolutions(kind: str) -> None:
    """By the paper's formulas, place by place."""
    image, weight = torch.randn(1, 1, 5, 5).double(), torch.randn(1, 1, 3, 3).double()
    plain = pidinet.plain(kind, weight)
    got = nn.functional.conv2d(image, plain, padding=plain.shape[2] // 2)[0, 0, 2, 2]
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    want = torch.zeros(()).double()
    for number, (down, right) in enumerate(ring):
        here = image[0, 0, 2 + down, 2 + right]
        if kind == "C":
            other = image[0, 0, 2, 2]
        elif kind == "A":
            other = image[0, 0, 2 + ring[number - 7][0], 2 + ring[number - 7][1]]
        else:
            here, other = image[0, 0, 2 + 2 * down, 2 + 2 * right], here
        # The file's radial weights are read by rows without the first place, around the middle.
        place = _RADIAL[number] if kind == "R" else (1 + down, 1 + right)
        want += weight[0, 0, place[0], place[1]] * (here - other)
    assert got == pytest.approx(float(want), abs=1e-9)


_ROWS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
_RADIAL = [
    divmod(1 + _ROWS.index(place), 3)
    for place in [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
]


def test_pidinet_reads_files_of_several_cards(tmp_path: Path, picture: Pixels) -> None:
    folders = Folders(tmp_path)
    net = with_chance(pidinet.PiDiNet())
    raw = {name: weight[:, :, 1:4, 1:4] if weight.shape[-1] == 5 else weight for name, weight in states(net).items()}
    saved(folders, "pidinet", {"state_dict": {f"module.{name}": weight.clone() for name, weight in raw.items()}})
    found = run("softedge_pidinet", asked(picture, folders))
    assert found.shape == picture.shape
    assert len(np.unique(found)) > 20


@pytest.mark.parametrize(("name", "file"), [("lineart_realistic", "drawing"), ("lineart_coarse", "drawing_coarse")])
def test_drawings(name: str, file: str, tmp_path: Path, picture: Pixels) -> None:
    folders = Folders(tmp_path)
    net = with_chance(drawing.Drawing())
    saved(folders, file, states(net))
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None] / 255
    with torch.no_grad():
        paper = net(image)[0, 0].numpy()
    assert np.abs(run(name, asked(picture, folders))[:, :, 0] - (1 - paper) * 255).max() <= 1


def test_segments_are_the_likeliest_maxima() -> None:
    found = torch.full((5, 8, 8), -10.0)
    found[1:5] = torch.tensor([-3.0, 0, 3, 0])[:, None, None]
    found[0, 2, 4], found[0, 2, 5], found[0, 6, 6] = 3.0, 2.0, 1.0
    lines = mlsd.decoded(found, 0.5, 1.0)
    assert lines.tolist() == [[1, 2, 7, 2], [3, 6, 9, 6]]
    assert len(mlsd.decoded(found, 0.9, 1.0)) == 1
    assert len(mlsd.decoded(found, 0.5, 7.0)) == 0


def test_straight_lines(tmp_path: Path, picture: Pixels) -> None:
    folders = Folders(tmp_path)
    saved(folders, "mlsd", states(with_chance(mlsd.Segments())))
    found = run("mlsd", asked(picture, folders, a=0.01, b=0.01))
    assert found.shape == picture.shape
    assert set(np.unique(found)) == {0, 255}


# --- Depth ------------------------------------------------------------------------------------------------------------


def test_midas_file_has_a_name_for_every_weight() -> None:
    with torch.device("meta"):
        wanted = depth.midas_net().state_dict()
    given = dict(_midas_names(wanted))
    found = depth.renamed(given, depth._MIDAS, frozenset(wanted))
    assert {name: weight.shape for name, weight in found.items()} == {n: w.shape for n, w in wanted.items()}


def _midas_names(wanted: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    """isl-org/MiDaS 3.0's names for dpt_hybrid: timm's vit_base_resnet50, then the decoder."""

    def both(name: str, *shape: int) -> list[tuple[str, Tensor]]:
        return [(f"{name}.weight", meta(*shape)), (f"{name}.bias", meta(shape[0]))]

    def meta(*shape: int) -> Tensor:
        return torch.empty(*shape, device="meta")

    names = [("pretrained.model.cls_token", meta(1, 1, 768)), ("pretrained.model.pos_embed", meta(1, 577, 768))]
    ours, theirs = "dpt.embeddings.backbone.bit.encoder.stages.", "pretrained.model.patch_embed.backbone.stages."
    names += [("pretrained.model.patch_embed.backbone.stem.conv.weight", meta(64, 3, 7, 7))]
    names += both("pretrained.model.patch_embed.backbone.stem.norm", 64)
    for name, weight in wanted.items():
        if name.startswith(ours):
            names.append((theirs + name.removeprefix(ours).replace(".layers.", ".blocks."), weight))
    names += both("pretrained.model.patch_embed.proj", 768, 1024, 1, 1)
    for block in range(12):
        place = f"pretrained.model.blocks.{block}"
        names += both(f"{place}.norm1", 768) + both(f"{place}.norm2", 768)
        names += both(f"{place}.attn.qkv", 2304, 768) + both(f"{place}.attn.proj", 768, 768)
        names += both(f"{place}.mlp.fc1", 3072, 768) + both(f"{place}.mlp.fc2", 768, 3072)
    names += both("pretrained.model.norm", 768)
    for stage in (3, 4):
        names += both(f"pretrained.act_postprocess{stage}.0.project.0", 768, 1536)
        names += both(f"pretrained.act_postprocess{stage}.3", 768, 768, 1, 1)
    names += both("pretrained.act_postprocess4.4", 768, 768, 3, 3)
    for row, width in enumerate((256, 512, 768, 768), 1):
        names.append((f"scratch.layer{row}_rn.weight", meta(256, width, 3, 3)))
        names += both(f"scratch.refinenet{row}.out_conv", 256, 256, 1, 1)
        for unit in (1, 2):
            for conv in (1, 2):
                names += both(f"scratch.refinenet{row}.resConfUnit{unit}.conv{conv}", 256, 256, 3, 3)
    names += both("scratch.output_conv.0", 128, 256, 3, 3) + both("scratch.output_conv.2", 32, 128, 3, 3)
    return names + both("scratch.output_conv.4", 1, 32, 1, 1)


def test_depth_anything_reads_the_original_file(
    tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "_ANYTHING_SIDE", 70)
    folders = Folders(tmp_path)
    net = with_chance(depth.anything_net(384, 2, tmp_path))
    saved(folders, "depth_anything_v2", {name: weight.half() for name, weight in _anything_names(net)})
    found = run("depth_anything_v2", asked(picture[:64, :64], folders))
    assert found.shape == (128, 128, 3)
    assert (found.min(), found.max()) == (0, 255)


def _anything_names(net: nn.Module) -> list[tuple[str, Tensor]]:
    """DepthAnything's own names for the weights of ``net``."""
    state = states(net)
    names: list[tuple[str, Tensor]] = []
    back = {place: 4 - place for place in range(4)}
    for name, weight in state.items():
        parts = name.split(".")
        if name.startswith("neck.fusion_stage"):
            layer, rest = f"depth_head.scratch.refinenet{back[int(parts[3])]}", parts[4:]
            kind = rest[0].replace("residual_layer", "resConfUnit").replace("projection", "out_conv")
            names.append((".".join([layer, kind, *rest[1:]]).replace("convolution", "conv"), weight))
        elif name.startswith("neck.convs"):
            names.append((f"depth_head.scratch.layer{int(parts[2]) + 1}_rn.weight", weight))
        elif name.startswith("neck.reassemble"):
            kind = {"projection": "projects", "resize": "resize_layers"}[parts[4]]
            names.append((f"depth_head.{kind}.{parts[3]}.{parts[5]}", weight))
        elif name.startswith("head."):
            row = {"conv1": "output_conv1", "conv2": "output_conv2.0", "conv3": "output_conv2.2"}[parts[1]]
            names.append((f"depth_head.scratch.{row}.{parts[2]}", weight))
        elif "attention" not in name:
            plain = name.replace("backbone.encoder.layer.", "pretrained.blocks.").replace(".lambda1", ".gamma")
            plain = plain.replace("layer_scale", "ls").replace("backbone.layernorm", "pretrained.norm")
            plain = plain.replace("backbone.embeddings.position_embeddings", "pretrained.pos_embed")
            plain = plain.replace("backbone.embeddings.patch_embeddings.projection", "pretrained.patch_embed.proj")
            names.append((plain.replace("backbone.embeddings", "pretrained"), weight))
    for layer in range(12):
        found = {name: weight for name, weight in state.items() if f"layer.{layer}.attention" in name}
        for kind in ("weight", "bias"):
            parts_of = [
                next(weight for name, weight in found.items() if name.endswith(kind) and sign in name)
                for sign in ("q", "k", "v")
                for sign in (_sign(sign, found),)
            ]
            last = [name for name in found if name.endswith(kind) and ("o_proj" in name or "dense" in name)]
            names.append((f"pretrained.blocks.{layer}.attn.qkv.{kind}", torch.cat(parts_of)))
            names.append((f"pretrained.blocks.{layer}.attn.proj.{kind}", found[last[0]]))
    return names


def _sign(letter: str, found: dict[str, Tensor]) -> str:
    long = {"q": "query", "k": "key", "v": "value"}[letter]
    return long if any(long in name for name in found) else f"{letter}_proj"


def test_depth_without_depth_is_black() -> None:
    assert not depth.shown(torch.ones(4, 4)).any()


# --- Poses ------------------------------------------------------------------------------------------------------------


def test_people_are_those_that_rtmlib_finds() -> None:
    found = np.random.default_rng(1).normal(0, 1, (1, 64 * 64 // 64 + 16 + 4, 6)).astype(np.float32)
    found[..., 4:] = 1 / (1 + np.exp(-2 * found[..., 4:]))
    peer = YOLOX.__new__(YOLOX)
    peer.model_input_size, peer.nms_thr, peer.score_thr, peer.det_mode = (64, 64), 0.45, 0.3, "human"
    expected = np.asarray(peer.postprocess(found.copy(), 1.0))
    boxes = pose.persons(found[0], 64)
    assert len(boxes) > 2
    assert len(boxes) == pytest.approx(len(expected), abs=2)  # its boxes are a pixel larger when it compares them
    nearest = np.abs(boxes[:, None] - expected[None]).max(axis=2).min(axis=1)
    assert (nearest < 1e-2).mean() > 0.9


def test_points_are_those_that_rtmlib_reads() -> None:
    chance = np.random.default_rng(2)
    columns, rows = chance.random((133, 576)).astype(np.float32), chance.random((133, 768)).astype(np.float32)
    places, _ = get_simcc_maximum(columns[None], rows[None])
    points = pose.located(columns, rows)
    assert np.array_equal(points[:, :2], places[0] / 2)
    assert np.array_equal(points[:, 2], np.minimum(columns.max(axis=1), rows.max(axis=1)))  # as mmpose; rtmlib averages


def test_somebody_is_found_and_drawn(tmp_path: Path) -> None:
    """A detector that sees one person on the left half, and a poser that sees all points in one line."""
    folders = Folders(tmp_path)
    grid = np.zeros((1, 84, 6), np.float32)
    grid[0, 83] = (0, 1, 0, 0.7, 1, 1)  # the last, coarsest place: middle (32, 64), size (32, 64.4)
    columns, rows = np.zeros((1, 133, 96), np.float32), np.zeros((1, 133, 128), np.float32)
    columns[0, :, 48], rows[0, np.arange(133), np.arange(133) % 128] = 1, 1
    place = folders.preprocessors
    place.mkdir(parents=True)
    constant_model(place / PREPROCESSOR_FILES["people"].file, 64, 64, {"found": grid})
    constant_model(place / PREPROCESSOR_FILES["pose"].file, 64, 48, {"columns": columns, "rows": rows})
    black = np.zeros((64, 64, 3), np.uint8)
    drawn = {name: run(name, Asked(black, 64, find=finder(folders, name))) for name in _POSES}
    assert all(found.any() for found in drawn.values())
    assert (drawn["openpose_full"] > 0).sum() > (drawn["openpose"] > 0).sum()
    assert set(np.unique(drawn["openpose_faceonly"])) == {0, 255}


_POSES = ("openpose", "openpose_hand", "openpose_face", "openpose_faceonly", "openpose_full")


def test_a_neck_is_between_the_shoulders_and_limbs_need_both_ends() -> None:
    points = np.zeros((133, 3), np.float32)
    points[5], points[6], points[7] = (40, 20, 0.9), (20, 20, 0.8), (60, 40, 0.2)
    person = pose.arranged(points)
    assert person.body[1].tolist() == [30, 20, 1]
    assert person.body[2].tolist() == [20, 20, 1]  # the right shoulder
    assert person.body[6, 2] == 0  # an elbow that is hardly likely
    drawn = skeleton.drawn([person], 64, 64)
    assert drawn[20, 25].tolist() == [153, 0, 0]  # neck to right shoulder, dimmed
    assert not drawn[30:].any()
