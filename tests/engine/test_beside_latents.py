"""Checkpoints that read more than noisy latents: instruct-pix2pix edits a picture, depth2img follows its depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from sdcolab.core import infotext
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DepthFileMissing, PictureWanted
from sdcolab.core.events import Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.request import GenerationRequest, Hires, InitImage, Inpaint, Refiner
from sdcolab.core.tuning import Tuning
from sdcolab.engine.beside import Beside, beside
from sdcolab.engine.calls import Predictor, Round, Step
from sdcolab.engine.conditioning import Conditioning, PromptPart
from sdcolab.engine.decode import to_pixels
from sdcolab.engine.denoise import GuidedDenoiser
from sdcolab.engine.depth import spread
from sdcolab.engine.engine import Engine
from sdcolab.engine.feature import Feature
from sdcolab.engine.models import load_vae
from sdcolab.engine.plan import make_plan
from sdcolab.engine.preprocessors.nets import depth as depth_nets
from sdcolab.engine.schedules import NoiseTable

CPU = torch.device("cpu")
EULER = GenerationRequest(
    prompt="hazlo de noche", negative_prompt="feo", sampler="Euler", steps=3, seed=7, width=64, height=64
)


def photo(width: int = 64, height: int = 64) -> Image.Image:
    x = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    return Image.fromarray((x * (1.0, 0.5, 0.25)).astype(np.uint8))


# --- What is read -----------------------------------------------------------------------------------------------------


def test_kinds_are_told_by_their_channels() -> None:
    kinds = (Beside.NOTHING, Beside.DEPTH, Beside.PICTURE, Beside.MASK)
    assert [beside(channels, 4) for channels in (4, 5, 8, 9)] == list(kinds)
    assert beside(7, 4) is None
    assert [kind.channels(4) for kind in kinds] == [0, 1, 4, 5]


# --- Guidance ---------------------------------------------------------------------------------------------------------


class Seeing(nn.Module):
    """Answers by a made-up rule in which the text and what lies beside the latents do not simply add up."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls: list[Tensor] = []

    def forward(self, x: Tensor, t: Tensor, context: Tensor, **_: object) -> tuple[Tensor]:
        self.calls.append(x)
        return (rule(x[:, :4], x[:, 4:], context.mean(dim=(1, 2)).reshape(-1, 1, 1, 1)),)


def rule(x: Tensor, picture: Tensor, text: Tensor | float) -> Tensor:
    return torch.tanh(x * 0.3 + picture * text) + picture * 0.2


class Pulling(Feature):
    """Asks for the picture's own guidance in every step."""

    def before_step(self, step: Step) -> Step:
        return replace(step, picture_scale=1.7)


X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
PICTURE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def part(value: float, tokens: int = 77) -> PromptPart:
    return PromptPart(1.0, ((99, ""),), torch.full((1, tokens, 8), value))


def edits(unet: nn.Module, *, tokens: int = 77, split: bool = False) -> GuidedDenoiser:
    plan = make_plan(replace(EULER, cfg_scale=5.0))
    return GuidedDenoiser(
        Predictor(unet, Conditioning((part(0.8, tokens),), part(-0.3)), extra_channels=PICTURE),
        NoiseTable.stable_diffusion(),
        Round(plan.passes[0], plan.batches[0], 3),
        before_call=lambda: None,
        after_call=lambda _: None,
        features=(Pulling(),),
        split=split,
    )


def by_the_paper(x: Tensor) -> Tensor:
    """Equation 3 of arXiv:2211.09800 in its own order, of what the rule says."""
    neither, no_text, both = rule(x, torch.zeros(1), -0.3), rule(x, PICTURE, -0.3), rule(x, PICTURE, 0.8)
    return neither + 1.7 * (no_text - neither) + 5.0 * (both - no_text)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("tokens", [77, 154])
def test_guidance_is_the_papers(tokens: int, split: bool) -> None:
    sigma = torch.tensor(3.0)
    expected = X - sigma * by_the_paper(X / (sigma**2 + 1).sqrt())
    assert torch.allclose(edits(Seeing(), tokens=tokens, split=split)(X, sigma), expected, atol=1e-4)
    assert torch.allclose(
        edits(Seeing(), tokens=tokens, split=split).epsilon(X, 500.0).guided, by_the_paper(X), atol=1e-4
    )


def test_rows_are_in_the_order_of_a1111() -> None:
    unet = Seeing()
    edits(unet)(X, torch.tensor(3.0))
    (seen,) = unet.calls
    assert torch.equal(seen[:, 4:], torch.cat([PICTURE, PICTURE, torch.zeros_like(PICTURE)]))


# --- instruct-pix2pix -------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint_of(folders: Folders, make_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """An engine whose only checkpoint reads so many channels."""

    def made(channels: int, family: str = "sd1") -> Engine:
        from tools.make_random_families import MINIATURES, write

        place = folders.models(ModelKind.CHECKPOINT)
        (place / "mini.safetensors").unlink(missing_ok=True)
        plain = MINIATURES[family]
        write(place / "especial.safetensors", replace(plain, sizes=replace(plain.sizes, in_channels=channels)))
        return make_engine()

    return made


def read_by(engine: Engine) -> list[Tensor]:
    """What the UNet of ``engine``'s checkpoint reads from now on, call by call."""
    seen: list[Tensor] = []
    (loaded,) = engine.models.checkpoints
    loaded.model.unet.conv_in.register_forward_pre_hook(lambda _module, given: seen.append(given[0].clone()))
    return seen


def editing(scale: float, **more: object) -> GenerationRequest:
    return replace(EULER, init=InitImage((photo(),), 0.8, image_cfg_scale=scale), **more)  # type: ignore[arg-type]


def pixels(engine: Engine, request: GenerationRequest) -> np.ndarray:
    (image,) = engine.generate(request, save=False).images
    return np.asarray(image.image, np.int16)


def test_the_picture_goes_beside_the_latents_as_the_vae_gives_it(
    checkpoint_of: Callable[..., Engine], folders: Folders
) -> None:
    engine = checkpoint_of(8)
    engine.preload()
    seen = read_by(engine)
    pixels(engine, editing(1.5))
    vae: AutoencoderKL = load_vae(folders.models(ModelKind.CHECKPOINT) / "especial.safetensors", CPU, torch.float32)
    with torch.no_grad():
        mode = vae.encode(to_pixels(photo())).latent_dist.mode()
    for rows in seen:
        assert torch.allclose(rows[:2, 4:], mode.expand(2, -1, -1, -1), atol=1e-4)
        assert (rows[2:, 4:] == 0).all()
        assert len(rows) == 3
    seen.clear()
    pixels(engine, editing(1.0))
    assert {len(rows) for rows in seen} == {2}


def test_the_scale_of_the_picture_changes_the_result_and_is_told(checkpoint_of: Callable[..., Engine]) -> None:
    engine = checkpoint_of(8)
    usual = engine.generate(editing(1.5), save=False).images[0]
    assert "CFG scale: 7, Image CFG scale: 1.5, Seed: 7" in usual.infotext
    assert (pixels(engine, editing(3.0)) != np.asarray(usual.image)).any()
    pasted = infotext.to_request(infotext.parse(usual.infotext))
    assert not pasted.warnings
    again = replace(GenerationRequest(), **pasted.changes, init=pasted.init_image(photo()))  # type: ignore[arg-type]
    assert (pixels(engine, again) == np.asarray(usual.image)).all()


@pytest.mark.parametrize("more", [{"sampler": "DDIM"}, {"batch_size": 2}, {"tuning": Tuning(ngms=15.0, ngms_all=True)}])
def test_models_that_edit_take_what_others_take(checkpoint_of: Callable[..., Engine], more: dict[str, object]) -> None:
    engine = checkpoint_of(8)
    engine.preload()
    seen = read_by(engine)
    assert engine.generate(editing(1.5, **more), save=False).images
    assert {len(rows) for rows in seen} == {3 * int(str(more.get("batch_size", 1)))}  # NGMS leaves nothing out here


def test_sdxl_edits_too(checkpoint_of: Callable[..., Engine]) -> None:
    engine = checkpoint_of(8, "sdxl")
    assert (pixels(engine, editing(1.5)) != pixels(engine, editing(0.5))).any()


def test_masks_keep_their_part(checkpoint_of: Callable[..., Engine]) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    init = InitImage((photo(),), 0.9, inpaint=Inpaint(mask, blur_x=0, blur_y=0))
    made = pixels(checkpoint_of(8), replace(EULER, init=init))
    assert (made[:, :32] == np.asarray(photo(), np.int16)[:, :32]).all()


@pytest.mark.parametrize(("channels", "family"), [(8, "sd1"), (5, "sd2")])
def test_without_a_picture_only_the_prompt_counts_and_that_is_told(
    checkpoint_of: Callable[..., Engine], channels: int, family: str
) -> None:
    engine = checkpoint_of(channels, family)
    engine.preload()
    seen, events = read_by(engine), list[Event]()
    image = engine.generate(replace(EULER, hires=Hires(steps=2)), events.append, save=False).images[0]
    assert image.image.size == (128, 128)
    assert all((rows[:, 4:] == 0).all() for rows in seen)
    assert [type(event.warning) for event in events if isinstance(event, Warned)].count(PictureWanted) == 1
    assert "Image CFG scale" not in image.infotext


def test_a_refiner_of_another_kind_takes_over(
    checkpoint_of: Callable[..., Engine], folders: Folders, mini_checkpoint: object
) -> None:
    engine = checkpoint_of(8)
    place = folders.models(ModelKind.CHECKPOINT)
    (place / "mini.safetensors").hardlink_to(str(mini_checkpoint))
    for base, other in (("especial", "mini"), ("mini", "especial")):
        request = editing(1.5, checkpoint=f"{base}.safetensors", refiner=Refiner(f"{other}.safetensors", 0.5))
        assert engine.generate(request, save=False).images


# --- depth2img --------------------------------------------------------------------------------------------------------


def test_depth_is_spread_between_its_farthest_and_nearest_place() -> None:
    depth = torch.linspace(10, 30, 16).expand(16, 16)[None, None]
    found = spread(depth, (8, 4))
    assert found.shape == (1, 1, 8, 4)
    assert (float(found.min()), float(found.max())) == (-1.0, 1.0)
    across = found[0, 0, 0]
    assert torch.allclose(across[1:] - across[:-1], torch.full((3,), 2 / 3), atol=0.05)
    assert (spread(torch.full((1, 1, 4, 4), 3.0), (2, 2)) == 0).all()


def test_a_missing_depth_file_is_told_with_its_link(checkpoint_of: Callable[..., Engine]) -> None:
    with pytest.raises(DepthFileMissing) as caught:
        pixels(checkpoint_of(5, "sd2"), editing(1.5))
    assert caught.value.link.endswith(caught.value.file)


@pytest.fixture
def brightness(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """In place of MiDaS: what is bright is near. Remembers the names of the weights that it was given."""
    asked: list[tuple[str, ...]] = []

    def answer(image: Tensor, given: dict[str, Tensor], path: object) -> Tensor:
        del path
        asked.append(tuple(given))
        square = nn.functional.interpolate(image, (384, 384), mode="bicubic", align_corners=False)
        return square.mean(dim=1, keepdim=True) * 5 + 9

    monkeypatch.setattr(depth_nets, "midas_answer", answer)
    return asked


def test_depth_goes_beside_the_latents_and_is_found_once(
    checkpoint_of: Callable[..., Engine], folders: Folders, brightness: list[tuple[str, ...]]
) -> None:
    from safetensors.torch import load_file, save_file

    engine = checkpoint_of(5, "sd2")
    path = folders.models(ModelKind.CHECKPOINT) / "especial.safetensors"
    inside = {"depth_model.model.pretrained.model.cls_token": torch.zeros(1, 1, 4)}
    save_file(load_file(path) | inside, path, {"format": "pt"})
    engine.preload()
    seen = read_by(engine)
    pixels(engine, replace(editing(1.5), batch_count=1))
    pixels(engine, replace(editing(1.5), seed=8))
    assert brightness == [("pretrained.model.cls_token",)]
    near = np.asarray(photo(), np.float64).mean(axis=2)
    blocks = near.reshape(8, 8, 8, 8).mean(axis=(1, 3))
    expected = 2 * (blocks - blocks.min()) / (blocks.max() - blocks.min()) - 1
    for rows in seen:
        assert rows.shape[1] == 5
        assert np.abs(rows[:, 4].double().numpy() - expected).max() < 0.05
    assert "Image CFG scale" not in engine.generate(editing(1.5), save=False).images[0].infotext


def test_depth_by_the_file_of_the_preprocessor(
    checkpoint_of: Callable[..., Engine], folders: Folders, brightness: list[tuple[str, ...]]
) -> None:
    place = folders.preprocessors / "midas"
    place.mkdir(parents=True)
    torch.save({"scratch.output_conv.0.bias": torch.zeros(4)}, place / "dpt_hybrid-midas-501f0c75.pt")
    pixels(checkpoint_of(5, "sd2"), editing(1.5))
    assert brightness == [("scratch.output_conv.0.bias",)]
