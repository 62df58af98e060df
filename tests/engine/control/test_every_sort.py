"""Every sort of control file, small and of the demo model's shapes: opened, and a step is run with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdcolab.core.control import ControlType, ControlUnit
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ClipVisionMissing, ClipVisionUnknown, ControlSizeWrong, ControlUnserved
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tuning import EightBits, Fp8, Tuning
from sdcolab.engine.control.ip_adapter import PatchProjection, PooledProjection, Resampler
from sdcolab.engine.engine import Engine

DEMO = Path(__file__).parents[3] / "sdcolab" / "demo"
UNET = "model.diffusion_model."
CROSS = (
    "input_blocks.1.1",
    "input_blocks.3.1",
    "output_blocks.2.1",
    "output_blocks.3.1",
    "output_blocks.4.1",
    "output_blocks.5.1",
    "middle_block.1",
)
"""The demo model's attention, in the order in which diffusers has it."""
CLIP, TEXT = 64, 128


def noise(*shape: int, seed: int = 0, scale: float = 0.2) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * scale


def lines() -> dict[str, Tensor]:
    return load_file(DEMO / "emoji-128-lineas.safetensors")


def base() -> dict[str, Tensor]:
    return load_file(DEMO / "emoji-128.safetensors")


def ip_adapter() -> dict[str, Tensor]:
    return with_projection(PooledProjection(CLIP, TEXT, 4))


def ip_adapter_plus() -> dict[str, Tensor]:
    return with_projection(Resampler(CLIP, 64, TEXT, 4, 2, 1, 96))


def ip_adapter_full_face() -> dict[str, Tensor]:
    return with_projection(PatchProjection(CLIP, 96, TEXT))


def with_projection(projection: torch.nn.Module) -> dict[str, Tensor]:
    made = {f"image_proj.{name}": noise(*one.shape) for name, one in projection.state_dict().items()}
    for place, block in enumerate(CROSS):
        width = 160 if block == "middle_block.1" else 128
        for kind in ("k", "v"):
            made[f"ip_adapter.{2 * place + 1}.to_{kind}_ip.weight"] = noise(width, TEXT, seed=place)
    return made


IP_ADAPTERS = (ip_adapter, ip_adapter_plus, ip_adapter_full_face)


def face_id() -> dict[str, Tensor]:
    return {name: noise(8, 512) if name == "image_proj.proj.weight" else one for name, one in ip_adapter().items()} | {
        "image_proj.proj.0.weight": noise(8, 512)
    }


def in_groups(named: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """As IP-Adapters' .bin files have it."""
    made: dict[str, dict[str, Tensor]] = {}
    for name, tensor in named.items():
        group, _, inner = name.partition(".")
        made.setdefault(group, {})[inner] = tensor
    return made


def lllite() -> dict[str, Tensor]:
    path = "lllite_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    return {
        f"{path}.conditioning1.0.weight": noise(16, 3, 4, 4),
        f"{path}.conditioning1.0.bias": noise(16),
        f"{path}.conditioning1.2.weight": noise(32, 16, 4, 4),
        f"{path}.conditioning1.2.bias": noise(32),
        f"{path}.down.0.weight": noise(16, 128),
        f"{path}.down.0.bias": noise(16),
        f"{path}.mid.0.weight": noise(16, 48),
        f"{path}.mid.0.bias": noise(16),
        f"{path}.up.0.weight": noise(128, 16, scale=1.0),
        f"{path}.up.0.bias": noise(128),
    }


def difference() -> dict[str, Tensor]:
    """The lines' ControlNet as a difference from the checkpoint."""
    whole, unet = lines(), base()
    made: dict[str, Tensor] = {"difference": torch.zeros(1)}
    for name, tensor in whole.items():
        own = unet.get(name.replace("control_model.", UNET))
        apart = own is not None and own.shape == tensor.shape
        made[name] = tensor.float() - own.float() if apart and own is not None else tensor.float()
    return made


def control_lora() -> dict[str, Tensor]:
    """Changes of low rank of the checkpoint's weights; the hint and the zero convolutions as they are."""
    made: dict[str, Tensor] = {"lora_controlnet": torch.zeros(1)}
    for name, tensor in lines().items():
        bare = name.removeprefix("control_model.")
        if f"{UNET}{bare}" not in base():
            made[bare] = tensor.float()
        elif bare.endswith(".weight") and tensor.ndim > 1:
            stem = bare.removesuffix(".weight")
            made[f"{stem}.up"] = noise(tensor.shape[0], 2, scale=0.05)
            made[f"{stem}.down"] = noise(2, *tensor.shape[1:], scale=0.05)
    return made


def clip_vision() -> dict[str, Tensor]:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1, image_size=32, patch_size=8,
        projection_dim=CLIP, hidden_act="gelu",
    )  # fmt: skip
    torch.manual_seed(0)
    state: Mapping[str, Tensor] = CLIPVisionModelWithProjection(config).state_dict()
    return {name: tensor.contiguous() for name, tensor in state.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("tipos"))


@pytest.fixture(scope="module")
def engine(folders: Folders) -> Iterator[Engine]:
    folder = folders.models(ModelKind.CONTROLNET)
    folder.mkdir(parents=True)
    save_file(lines(), folder / "whole.safetensors")
    for make in (*IP_ADAPTERS, lllite, difference, control_lora):
        save_file({name: one.contiguous() for name, one in make().items()}, folder / f"{make.__name__}.safetensors")
    save_file(with_projection(PooledProjection(1024, TEXT, 4)), folder / "ip_adapter_h.safetensors")
    torch.save(in_groups(ip_adapter()), folder / "ip_adapter_bin.bin")
    torch.save(in_groups(face_id()), folder / "ip-adapter-faceid.bin")
    for name, path in (("wide", "input_blocks_2_1"), ("elsewhere", "input_blocks_7_1")):
        save_file({key.replace("input_blocks_3_1", path): one for key, one in lllite().items()}, folder / f"{name}.pth")
    checkpoint = ModelFile(ModelKind.CHECKPOINT, "emoji-128.safetensors", DEMO / "emoji-128.safetensors")
    yield Engine(Library(folders, bundled=(checkpoint,)), None, device="cpu")


def box(*sides: int) -> Image.Image:
    picture = Image.new("RGB", (128, 128), "black")
    picture.paste("white", sides)  # type: ignore[arg-type]
    return picture


def made(
    engine: Engine, model: str, *pictures: Image.Image, tuning: Tuning | None = None, **unit: object
) -> np.ndarray:
    images = pictures or (box(30, 30, 100, 100),)
    units = (ControlUnit(model=model, images=images, **unit),) if model else ()  # type: ignore[arg-type]
    request = GenerationRequest(prompt="pizza", steps=2, cfg_scale=4, seed=3, width=128, height=128, control=units)
    request = replace(request, tuning=tuning or Tuning())
    return np.asarray(engine.generate(request).images[0].image, np.int16)


@pytest.mark.parametrize("sort", ["lllite", "difference", "control_lora"])
def test_a_step_is_run_with_it(engine: Engine, sort: str) -> None:
    plain = made(engine, "")
    found = made(engine, sort)
    assert np.abs(found - plain).max() > 3
    assert np.abs(made(engine, sort, weight=0.0) - plain).max() <= 1
    assert np.array_equal(made(engine, sort, kind=ControlType.CANNY), found)


def test_a_difference_file_is_what_it_was_made_of(engine: Engine) -> None:
    assert np.abs(made(engine, "difference") - made(engine, "whole")).max() <= 2


def test_an_ip_adapter_reads_the_picture_with_its_clip_vision(engine: Engine, folders: Folders) -> None:
    engine.unload()
    with pytest.raises(ClipVisionUnknown):
        made(engine, "ip_adapter")
    with pytest.raises(ClipVisionMissing) as told:
        made(engine, "ip_adapter_h")
    assert told.value.file == "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors" and " > " in told.value.links
    assert engine.models.checkpoints == ()  # before anything is loaded
    path = folders.clip_vision / "small.safetensors"
    path.parent.mkdir(parents=True)
    save_file(clip_vision(), path)
    plain = made(engine, "")
    for sort in IP_ADAPTERS:
        assert np.abs(made(engine, sort.__name__) - plain).max() > 3
        assert np.abs(made(engine, sort.__name__, weight=0.0) - plain).max() <= 1
    # How a file's tensors lie in memory can change how torch adds them up: by a rounding, no more.
    assert np.abs(made(engine, "ip_adapter_bin") - made(engine, "ip_adapter")).max() <= 1


@pytest.mark.parametrize("sort", ["ip_adapter", "lllite", "control_lora", "difference"])
def test_it_acts_alike_on_weights_in_8_bits(engine: Engine, sort: str) -> None:
    far = made(engine, sort, tuning=Tuning(fp8=Fp8.ENABLE, eight_bits=EightBits.INT8)) - made(engine, sort)
    assert 0 < np.abs(far).mean() < 3


def test_an_adapter_of_faces_is_told_by_name(engine: Engine) -> None:
    with pytest.raises(ControlUnserved) as told:
        made(engine, "ip-adapter-faceid")
    assert told.value.sort == "face_id"


@pytest.mark.parametrize("sort", ["lllite", "ip_adapter"])
def test_several_pictures_at_once_share_the_weight(engine: Engine, sort: str) -> None:
    one, other = box(0, 0, 128, 128), box(90, 0, 128, 50)
    first, second, both = made(engine, sort, one), made(engine, sort, other), made(engine, sort, one, other)
    assert np.abs(both - made(engine, sort, other, one)).max() <= 2
    assert np.abs(made(engine, sort, one, one) - first).max() <= 2
    for alone in (first, second):
        assert np.abs(both - alone).max() > 8


@pytest.mark.parametrize("sort", ["lllite", "ip_adapter", "whole"])
def test_a_region_says_where_a_unit_acts(engine: Engine, sort: str) -> None:
    plain, everywhere = made(engine, ""), made(engine, sort)
    assert np.abs(made(engine, sort, region=box(0, 0, 128, 128)) - everywhere).max() <= 2
    assert np.abs(made(engine, sort, region=Image.new("L", (128, 128))) - plain).max() <= 2
    left = made(engine, sort, region=box(0, 0, 64, 128))
    assert np.abs(left - plain).max() > 3
    assert np.abs(left - everywhere).max() > 3


@pytest.mark.parametrize("name", ["wide", "elsewhere"])
def test_networks_for_other_layers_are_told(engine: Engine, name: str) -> None:
    with pytest.raises(ControlSizeWrong):
        made(engine, name)
