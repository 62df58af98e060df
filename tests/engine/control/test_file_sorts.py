"""Control files of every shape that users have, in miniature: opened for a checkpoint of their family and run with
it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.core.control import ControlPictures, ControlType, ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ControlFamilyWrong, ControlSizeWrong, ControlTypeUnknown
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.control.names import controlnet_config, controlnet_rename
from sdcolab.engine.convert import Shapes
from sdcolab.engine.engine import Engine
from sdcolab.engine.models import load_checkpoint
from sdcolab.engine.weights import open_weights

UNET, CONTROL = "model.diffusion_model.", "control_model."
COPIED = ("time_embed.", "label_emb.", "input_blocks.", "middle_block.")
HINT = (16, 16, 32, 32, 96, 96, 256)
MiniFamily = Callable[..., Path]


def noise(*shape: int, scale: float = 0.3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * scale


def ldm(checkpoint: Path) -> dict[str, Tensor]:
    """A ControlNet in the original names: the way down of ``checkpoint`` with random convolutions around it."""
    made: dict[str, Tensor] = {}
    for name, tensor in load_file(checkpoint).items():
        bare = name.removeprefix(UNET)
        if name.startswith(UNET) and bare.startswith(COPIED):
            made[CONTROL + bare] = tensor.float()
    blocks = 1 + max(int(match[1]) for name in made if (match := re.match(r"control_model\.input_blocks\.(\d+)", name)))
    for block in range(blocks):
        place = f"{CONTROL}input_blocks.{block}.0"
        last = ("weight", "in_layers.2.weight", "op.weight")
        width = next(len(made[f"{place}.{one}"]) for one in last if f"{place}.{one}" in made)
        made |= convolution(f"{CONTROL}zero_convs.{block}.0", width, width, 1)
    width = len(made[f"{CONTROL}middle_block.0.in_layers.2.weight"])
    made |= convolution(f"{CONTROL}middle_block_out.0", width, width, 1)
    first = len(made[f"{CONTROL}input_blocks.0.0.weight"])
    for place, (inside, outside) in enumerate(zip((3, *HINT), (*HINT, first), strict=True)):
        made |= convolution(f"{CONTROL}input_hint_block.{2 * place}", outside, inside, 3)
    return made


def convolution(name: str, outside: int, inside: int, side: int) -> dict[str, Tensor]:
    scale = 1.5 / (inside * side * side) ** 0.5
    return {f"{name}.weight": noise(outside, inside, side, side, scale=scale), f"{name}.bias": noise(outside)}


def difference(checkpoint: Path) -> dict[str, Tensor]:
    """A difference file of ``ldm``: what is as in the checkpoint is left out."""
    base = load_file(checkpoint)
    own = {name: one for name, one in ldm(checkpoint).items() if UNET + name.removeprefix(CONTROL) not in base}
    return {"difference": torch.zeros(1), **own}


def mid(checkpoint: Path) -> dict[str, Tensor]:
    """SDXL's "mid": one transformer block where there are several."""
    return {name: one for name, one in ldm(checkpoint).items() if not re.search(r"transformer_blocks\.[1-9]", name)}


def diffusers_config(checkpoint: Path) -> dict[str, object]:
    made = ldm(checkpoint)
    rename = controlnet_rename(made)
    shapes = Shapes({new: tuple(one.shape) for name, one in made.items() if (new := rename(name))})
    model = load_checkpoint(open_weights(checkpoint), torch.device("cpu"), torch.float32)
    return dict(controlnet_config(shapes, model.layout))


def state(net: torch.nn.Module) -> dict[str, Tensor]:
    """With convolutions that are not zero."""
    torch.manual_seed(1)
    return {
        name: torch.randn_like(one) * 0.3
        if re.match(r"controlnet_(down|mid)_block|controlnet_cond.*conv_out", name)
        else one
        for name, one in net.state_dict().items()
    }


def small(checkpoint: Path) -> dict[str, Tensor]:
    """SDXL's "small", which is there in diffusers' names only: without attention."""
    config = diffusers_config(checkpoint)
    widths = config["block_out_channels"]
    assert isinstance(widths, list | tuple)
    changed = {"down_block_types": ("DownBlock2D",) * len(widths), "mid_block_type": "UNetMidBlock2D"}
    return state(ControlNetModel(**{**config, **changed, "transformer_layers_per_block": 1}))


def in_diffusers_names(checkpoint: Path) -> dict[str, Tensor]:
    return state(ControlNetModel(**diffusers_config(checkpoint)))


def union(checkpoint: Path, types: int) -> dict[str, Tensor]:
    config = diffusers_config(checkpoint)
    widths = config["block_out_channels"]
    assert isinstance(widths, list | tuple)
    more = {"num_trans_channel": widths[0], "num_proj_channel": widths[0], "num_trans_layer": 1}
    return state(ControlNetUnionModel(**config, num_control_type=types, **more))


def adapter(kind: str, fold: int, channels: tuple[int, ...]) -> dict[str, Tensor]:
    torch.manual_seed(2)
    net = T2IAdapter(3, list(channels), 2, fold, kind)
    return {name: one * 2 for name, one in net.state_dict().items()}


def by_its_authors(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of TencentARC's files."""

    def name_of(name: str) -> str:
        name = name.removeprefix("adapter.")
        if "out_conv" in name or any("out_conv" in one for one in named):
            return re.sub(r"\.resnets\.", ".body.", name)
        found = re.fullmatch(r"body\.(\d)\.resnets\.(\d)\.(.+)", name)
        if found:
            return f"body.{2 * int(found[1]) + int(found[2])}.{found[3]}"
        return re.sub(r"body\.(\d)\.in_conv", lambda match: f"body.{2 * int(match[1])}.in_conv", name)

    return {name_of(name): one for name, one in named.items()}


SD1 = (32, 64, 64, 64)
XL = (32, 64, 128, 128)
FILES: dict[str, dict[str, Callable[[Path], dict[str, Tensor]]]] = {
    "sd1": {
        "original": ldm,
        "without_prefix": lambda file: {name.removeprefix(CONTROL): one for name, one in ldm(file).items()},
        "in_halves": lambda file: {name: one.bfloat16() for name, one in ldm(file).items()},
        "difference": difference,
        "diffusers": in_diffusers_names,
        "t2i_full": lambda _file: by_its_authors(adapter("full_adapter", 8, SD1)),
        "t2i_full_diffusers": lambda _file: adapter("full_adapter", 8, SD1),
        "t2i_light": lambda _file: by_its_authors(adapter("light_adapter", 8, SD1[:3])),
    },
    "sd2": {"original": ldm, "diffusers": in_diffusers_names, "difference": difference},
    "sdxl": {
        "full": ldm,
        "mid": mid,
        "small": small,
        "difference": difference,
        "diffusers": in_diffusers_names,
        "union": lambda file: union(file, 6),
        "union_promax": lambda file: union(file, 8),
        "t2i_xl": lambda _file: by_its_authors(adapter("full_adapter_xl", 16, XL)),
        "t2i_xl_diffusers": lambda _file: adapter("full_adapter_xl", 16, XL),
    },
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory, mini_family: MiniFamily) -> Iterator[dict[str, Engine]]:
    made: dict[str, Engine] = {}
    for family, files in FILES.items():
        folders = Folders(tmp_path_factory.mktemp(family))
        checkpoint = mini_family(family)
        for kind in (ModelKind.CHECKPOINT, ModelKind.CONTROLNET):
            folders.models(kind).mkdir(parents=True)
        (folders.models(ModelKind.CHECKPOINT) / checkpoint.name).symlink_to(checkpoint)
        for name, make in files.items():
            state_dict = {key: one.contiguous() for key, one in make(checkpoint).items()}
            save_file(state_dict, folders.models(ModelKind.CONTROLNET) / f"{name}.safetensors")
        made[family] = Engine(Library(folders), None, device="cpu")
    yield made


def picture(engine: Engine, model: str = "", **unit: object) -> np.ndarray:
    sample = Image.new("RGB", (64, 64), "black")
    sample.paste("white", (10, 10, 50, 40))
    units = (ControlUnit(model=model, images=(sample,), **unit),) if model else ()  # type: ignore[arg-type]
    request = GenerationRequest(prompt="a", steps=2, cfg_scale=4, seed=3, width=64, height=64, control=units)
    return np.asarray(engine.generate(request).images[0].image, np.int16)


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, files in FILES.items() for name in files])
def test_a_file_is_opened_and_followed(engines: dict[str, Engine], family: str, name: str) -> None:
    engine = engines[family]
    plain, followed = picture(engine), picture(engine, name)
    assert np.abs(followed - plain).max() > 2
    assert np.abs(picture(engine, name, weight=0.0) - plain).max() <= 1


def test_names_do_not_matter(engines: dict[str, Engine]) -> None:
    one = picture(engines["sd1"], "original")
    assert np.array_equal(picture(engines["sd1"], "without_prefix"), one)
    for family, own in (("sd1", "original"), ("sd2", "original"), ("sdxl", "full")):
        assert np.array_equal(picture(engines[family], "difference"), picture(engines[family], own))
    for family, own, theirs in (("sd1", "t2i_full", "t2i_full_diffusers"), ("sdxl", "t2i_xl", "t2i_xl_diffusers")):
        assert np.array_equal(picture(engines[family], own), picture(engines[family], theirs))


def test_an_adapter_reads_each_picture_once(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Tensor] = []
    forward = T2IAdapter.forward

    def counted(net: T2IAdapter, sample: Tensor) -> list[Tensor]:
        read.append(sample)
        features: list[Tensor] = forward(net, sample)
        return features

    monkeypatch.setattr(T2IAdapter, "forward", counted)
    for times in (1, 2):
        picture(engines["sd1"], "t2i_full")
        assert len(read) == times


def test_what_was_read_for_a_batch_is_not_used_for_a_part_of_it(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tuple(Image.new("RGB", (64, 64), colour) for colour in ("black", "white"))
    unit = ControlUnit(model="t2i_full", images=images, pictures=ControlPictures.IN_TURN)
    request = GenerationRequest(
        prompt="a", steps=2, cfg_scale=4, seed=3, width=64, height=64, batch_size=2, control=(unit,)
    )
    expected = [np.asarray(one.image, np.int16) for one in engines["sd1"].generate(request).images]
    forward = UNet2DConditionModel.forward

    def small(unet: UNet2DConditionModel, sample: Tensor, *given: object, **named: object) -> object:
        if len(sample) > 1:  # after the adapter read both pictures
            raise torch.OutOfMemoryError
        return forward(unet, sample, *given, **named)

    monkeypatch.setattr(UNet2DConditionModel, "forward", small)
    made = [np.asarray(one.image, np.int16) for one in engines["sd1"].generate(request).images]
    assert all(np.abs(one - other).max() <= 1 for one, other in zip(made, expected, strict=True))


def test_a_union_follows_what_it_is_told(engines: dict[str, Engine]) -> None:
    engine = engines["sdxl"]
    canny, depth, tile = (
        picture(engine, "union_promax", kind=kind) for kind in (ControlType.CANNY, ControlType.DEPTH, ControlType.TILE)
    )
    assert not np.array_equal(canny, depth)
    assert not np.array_equal(canny, tile)
    with pytest.raises(ControlTypeUnknown):
        picture(engine, "union", kind=ControlType.TILE)


def test_another_family_is_told_before_anything_is_made(engines: dict[str, Engine]) -> None:
    own, other = (engines[family]._library.folders.models(ModelKind.CONTROLNET) for family in ("sd1", "sdxl"))
    (own / "of_xl.safetensors").symlink_to(other / "full.safetensors")
    with pytest.raises(ControlFamilyWrong):
        picture(engines["sd1"], "of_xl")


@pytest.mark.parametrize("kind", ["light_adapter", "full_adapter"])
def test_another_size_is_told_before_anything_is_made(engines: dict[str, Engine], kind: str) -> None:
    wide = {
        name: one.contiguous()
        for name, one in by_its_authors(adapter(kind, 8, (48, 64, 64, 64)[: 3 + (kind[0] == "f")])).items()
    }
    save_file(wide, engines["sd1"]._library.folders.models(ModelKind.CONTROLNET) / f"wide_{kind}.safetensors")
    with pytest.raises(ControlSizeWrong):
        picture(engines["sd1"], f"wide_{kind}")
