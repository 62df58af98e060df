"""Whole generations with more than one pass, from pictures, with a refiner or with fine adjustments."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from sdcolab.core import infotext
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import UnknownFile, UnknownName
from sdcolab.core.events import CancelToken, Event, ImageSaved, Phase, PhaseStarted, StepDone
from sdcolab.core.folders import Folders
from sdcolab.core.names import SAMPLER_NAMES
from sdcolab.core.request import (
    GenerationRequest,
    Hires,
    InitImage,
    Inpaint,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    ResizeMode,
    Variation,
)
from sdcolab.core.tuning import Tuning
from sdcolab.engine.decode import decode
from sdcolab.engine.engine import Engine
from sdcolab.engine.features.tiling import seamless

REQUEST = GenerationRequest(
    prompt="un gato", negative_prompt="feo", sampler="Euler", steps=4, seed=7, width=64, height=64
)


def made(engine: Engine, request: GenerationRequest) -> np.ndarray:
    """The only picture of ``request``, int16 [H, W, 3]."""
    (image,) = engine.generate(request, save=False).images
    return np.asarray(image.image, np.int16)


def photo(width: int = 64, height: int = 64) -> Image.Image:
    x = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    return Image.fromarray((x * (1.0, 0.5, 0.25)).astype(np.uint8))


def mask(width: int = 64, height: int = 64) -> Image.Image:
    picture = Image.new("L", (width, height))
    ImageDraw.Draw(picture).rectangle((width // 2, 0, width, height), fill=255)
    return picture


@pytest.fixture
def other(folders: Folders) -> str:
    """A second checkpoint whose pictures differ."""
    place = folders.models(ModelKind.CHECKPOINT)
    state = load_file(place / "mini.safetensors")
    state["model.diffusion_model.out.2.weight"] = state["model.diffusion_model.out.2.weight"] * 0.5
    save_file(state, place / "otro.safetensors", {"format": "pt"})
    return "otro.safetensors"


# --- Hires ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upscaler", ["Latent", "Latent (nearest-exact)", "Lanczos", "None"])
def test_hires_gives_a_larger_picture(kept_engine: Engine, upscaler: str) -> None:
    events: list[Event] = []
    request = replace(REQUEST, hires=Hires(upscaler=upscaler, scale=1.5, steps=2))
    (image,) = kept_engine.generate(request, events.append).images
    assert image.image.size == (96, 96)
    assert "Size: 64x64" in image.infotext and "Hires upscale: 1.5" in image.infotext
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == list(range(1, 7))
    assert {event.total for event in steps} == {6}


def test_hires_crops_to_the_size_asked_for(kept_engine: Engine) -> None:
    assert made(kept_engine, replace(REQUEST, hires=Hires(width=96, height=128, steps=2))).shape == (128, 96, 3)


def test_hires_without_strength_calls_the_model_no_more(kept_engine: Engine) -> None:
    events: list[Event] = []
    (image,) = kept_engine.generate(replace(REQUEST, hires=Hires(strength=0.0)), events.append).images
    assert image.image.size == (128, 128)
    assert sum(isinstance(event, StepDone) for event in events) == REQUEST.steps


def test_hires_has_its_own_prompt_sampler_and_guidance(kept_engine: Engine) -> None:
    plain = made(kept_engine, replace(REQUEST, hires=Hires(steps=2)))
    for change in ({"prompt": "un perro"}, {"sampler": "Euler a"}, {"cfg_scale": 2.0}, {"negative_prompt": "rojo"}):
        assert (made(kept_engine, replace(REQUEST, hires=Hires(steps=2, **change))) != plain).any()  # type: ignore[arg-type]


def test_a_batch_of_hires_pictures_equals_its_pictures_alone(kept_engine: Engine) -> None:
    hires = Hires(upscaler="Latent", scale=1.5, steps=2)
    request = replace(REQUEST, sampler="Euler a", hires=hires, batch_size=2)
    batch = kept_engine.generate(request, save=False).images
    for offset, image in enumerate(batch):
        alone = made(kept_engine, replace(request, seed=7 + offset, batch_size=1))
        assert np.abs(np.asarray(image.image, np.int16) - alone).max() <= 1


def test_hires_can_change_the_checkpoint(engine: Engine, other: str) -> None:
    same = made(engine, replace(REQUEST, hires=Hires(steps=2)))
    request = replace(REQUEST, batch_count=2, hires=Hires(steps=2, checkpoint=other))
    images = engine.generate(request, save=False).images
    assert (np.asarray(images[0].image, np.int16) != same).any()
    assert "Hires checkpoint: otro" in images[0].infotext
    assert len(engine.models.checkpoints) == 2  # both stay while there is room
    engine.generate(replace(REQUEST, checkpoint=other), save=False)
    again = engine.generate(replace(request, seed=8, batch_count=1), save=False).images[0]
    assert (np.asarray(again.image) == np.asarray(images[1].image)).all()


@pytest.mark.parametrize(
    ("hires", "error"),
    [
        (Hires(upscaler="Remacrí"), UnknownName),
        (Hires(sampler="Ojler"), UnknownName),
        (Hires(checkpoint="nada"), UnknownFile),
    ],
)
def test_wrong_names_of_the_second_pass_are_told_first(engine: Engine, hires: Hires, error: type[Exception]) -> None:
    with pytest.raises(error):
        engine.generate(replace(REQUEST, hires=hires))
    assert not engine.models.checkpoints


# --- From pictures ----------------------------------------------------------------------------------------------------


def test_strength_decides_how_much_of_the_picture_remains(kept_engine: Engine) -> None:
    original = np.asarray(photo(), np.int16)

    def distance(strength: float) -> float:
        request = replace(REQUEST, steps=8, init=InitImage((photo(),), strength=strength))
        return float(np.abs(made(kept_engine, request) - original).mean())

    assert distance(0.1) < distance(0.6) < distance(1.0)


def test_img2img_is_saved_in_its_own_folder_with_its_strength(folders: Folders) -> None:
    from sdcolab.core.library import Library
    from sdcolab.core.outputs import ImageStores

    engine = Engine(Library(folders), ImageStores.below(folders), device="cpu")
    events: list[Event] = []
    engine.generate(replace(REQUEST, init=InitImage((photo(),), strength=0.5)), events.append)
    (saved,) = [event for event in events if isinstance(event, ImageSaved)]
    assert saved.path.is_relative_to(folders.img2img)
    pasted = infotext.parse(saved.infotext)
    assert pasted.get("Denoising strength") == "0.5"


@pytest.mark.parametrize("mode", ResizeMode)
def test_pictures_of_other_shapes_are_fitted(kept_engine: Engine, mode: ResizeMode) -> None:
    init = InitImage((photo(96, 40),), resize_mode=mode)
    assert made(kept_engine, replace(REQUEST, init=init)).shape == (64, 64, 3)


def test_every_image_of_a_batch_can_have_its_picture(kept_engine: Engine) -> None:
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    request = replace(REQUEST, batch_size=2, init=InitImage((red, blue), strength=0.1))
    first, second = (np.asarray(image.image, np.int16) for image in kept_engine.generate(request, save=False).images)
    assert np.abs(first - second).mean() > 20
    alone = made(kept_engine, replace(REQUEST, seed=8, init=InitImage((blue,), strength=0.1)))
    assert np.abs(second - alone).max() <= 1


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "DPM++ 2M SDE"])
@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("content", [MaskedContent.ORIGINAL, MaskedContent.LATENT_NOISE])
def test_inpainting_leaves_the_rest_alone(
    kept_engine: Engine, sampler: str, content: MaskedContent, classic: bool
) -> None:
    init = InitImage((photo(),), 0.9, inpaint=Inpaint(mask(), blur_x=0, blur_y=0, content=content))
    picture = made(kept_engine, replace(REQUEST, sampler=sampler, init=init, tuning=Tuning(classic_inpainting=classic)))
    original = np.asarray(photo(), np.int16)
    assert (picture[:, :32] == original[:, :32]).all()
    assert np.abs(picture[:, 40:] - original[:, 40:]).mean() > 5


def test_only_the_masked_area_of_a_large_picture(kept_engine: Engine) -> None:
    large = photo(256, 192)
    hole = Image.new("L", large.size)
    ImageDraw.Draw(hole).rectangle((100, 80, 131, 111), fill=255)
    init = InitImage((large,), 0.9, inpaint=Inpaint(hole, only_masked=True, padding=8, blur_x=0, blur_y=0))
    picture = made(kept_engine, replace(REQUEST, init=init))
    assert picture.shape == (192, 256, 3)
    changed = (picture != np.asarray(large, np.int16)).any(axis=-1)
    assert changed[80:112, 100:132].mean() > 0.5
    assert not changed[:, :99].any() and not changed[:79].any()


def test_colours_can_be_kept(kept_engine: Engine) -> None:
    init = InitImage((photo(),), strength=0.8)
    free = made(kept_engine, replace(REQUEST, init=init))
    kept = made(kept_engine, replace(REQUEST, init=replace(init, color_correction=True)))
    wanted = np.asarray(photo(), np.float64).mean(axis=(0, 1))
    assert np.abs(kept.mean(axis=(0, 1)) - wanted).sum() < np.abs(free.mean(axis=(0, 1)) - wanted).sum()


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_every_sampler_starts_from_pictures_and_in_hires(kept_engine: Engine, name: str) -> None:
    init = InitImage((photo(),), strength=0.75)
    assert np.isfinite(made(kept_engine, replace(REQUEST, sampler=name, steps=6, init=init))).all()
    hires = Hires(upscaler="Latent", scale=1.25, steps=4, strength=0.7)
    assert made(kept_engine, replace(REQUEST, sampler=name, steps=6, hires=hires)).shape == (80, 80, 3)


# --- Refiner, seeds and adjustments -----------------------------------------------------------------------------------


def test_the_refiner_takes_over(engine: Engine, other: str) -> None:
    plain, refined = made(engine, REQUEST), made(engine, replace(REQUEST, refiner=Refiner(other, switch_at=0.5)))
    whole = made(engine, replace(REQUEST, checkpoint=other))
    assert (refined != plain).any() and (refined != whole).any()
    never = replace(REQUEST, refiner=Refiner(other, switch_at=1.0))
    assert (made(engine, never) == plain).all()
    by_steps = replace(REQUEST, refiner=Refiner(other, switch_at=0.5, by_steps=True))
    text = engine.generate(by_steps, save=False).images[0].infotext
    assert "Refiner: otro [" in text and "Refiner switch by sampling steps: True" in text
    first = replace(by_steps, hires=Hires(steps=2), refiner=Refiner(other, passes=RefinerPasses.FIRST))
    assert made(engine, first).shape == (128, 128, 3)


def test_variations_go_from_one_seed_to_another(kept_engine: Engine) -> None:
    start, end = made(kept_engine, REQUEST), made(kept_engine, replace(REQUEST, seed=99))
    near = made(kept_engine, replace(REQUEST, variation=Variation(seed=99, strength=0.05)))
    far = made(kept_engine, replace(REQUEST, variation=Variation(seed=99, strength=1.0)))
    assert (near != start).any()
    assert np.abs(near - start).mean() < np.abs(near - end).mean()
    assert np.abs(far - end).max() <= 1
    resized = replace(REQUEST, variation=Variation(resize_width=32, resize_height=32))
    assert (made(kept_engine, resized) != start).any()


def test_tiling_is_for_this_request_only(kept_engine: Engine) -> None:
    plain, tiled = made(kept_engine, REQUEST), made(kept_engine, replace(REQUEST, tiling=True))
    assert (plain != tiled).any()
    assert (made(kept_engine, REQUEST) == plain).all()
    text = kept_engine.generate(replace(REQUEST, tiling=True), save=False).images[0].infotext
    assert "Tiling: True" in text


def test_a_tiled_picture_has_no_edges(engine: Engine) -> None:
    """Moved round the torus, latents give the same picture moved: no row or column is special."""
    engine.preload()
    vae = engine.models.vaes[0].module
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    step = 2 ** (len(vae.config.block_out_channels) - 1)
    with torch.inference_mode():
        with seamless((vae,)):
            picture, moved = decode(vae, latents), decode(vae, latents.roll((3, 2), (2, 3)))
        assert torch.allclose(picture.roll((3 * step, 2 * step), (2, 3)), moved, atol=1e-4)
        picture, moved = decode(vae, latents), decode(vae, latents.roll((3, 2), (2, 3)))
        assert not torch.allclose(picture.roll((3 * step, 2 * step), (2, 3)), moved, atol=1e-2)


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(ensd=31337),
        Tuning(eta=0.5),
        Tuning(sgm_noise_multiplier=True),
        Tuning(schedule_max_sigma=5.0),
        Tuning(quantize=True),
        Tuning(skip_early_cfg=0.5),
        Tuning(downcast_alphas=True),
    ],
)
def test_adjustments_change_the_picture(kept_engine: Engine, tuning: Tuning) -> None:
    request = replace(REQUEST, sampler="Euler a", schedule="Karras")
    plain = kept_engine.generate(replace(request, tuning=Tuning()), save=False)
    changed = kept_engine.generate(replace(request, tuning=tuning), save=False)
    assert changed.request.tuning == tuning
    pictures = [np.asarray(result.images[0].image) for result in (plain, changed)]
    assert (pictures[0] != pictures[1]).any()


def test_the_text_of_a_picture_makes_it_again(kept_engine: Engine) -> None:
    request = replace(
        REQUEST,
        sampler="DPM++ SDE",
        noise_origin=NoiseOrigin.CPU,
        clip_skip=2,
        variation=Variation(seed=3, strength=0.2),
        hires=Hires(upscaler="Lanczos", scale=1.5, steps=2, strength=0.4, prompt="un perro"),
        tuning=Tuning(eta=0.8, ensd=5),
    )
    (image,) = kept_engine.generate(request, save=False).images
    pasted = infotext.to_request(infotext.parse(image.infotext), ("Karras",))
    again = replace(GenerationRequest(), **pasted.changes)  # type: ignore[arg-type]
    assert not pasted.warnings
    assert (made(kept_engine, again) == np.asarray(image.image)).all()


# --- Stopping, memory and tiny networks -------------------------------------------------------------------------------


def test_a_skipped_batch_is_left_out(kept_engine: Engine) -> None:
    cancel = CancelToken()

    def skip_second(event: Event) -> None:
        if isinstance(event, StepDone) and event.batch == 2:
            cancel.skip()

    images = kept_engine.generate(replace(REQUEST, batch_count=3), skip_second, cancel).images
    assert [image.seed for image in images] == [7, 9]


def test_pictures_are_encoded_in_strips_when_memory_is_short(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdcolab.engine import darkroom as darkroom_module

    tiled: list[bool] = []
    real = darkroom_module.encode

    def failing(vae: object, pixels: torch.Tensor, generator: object = None, *, tiled: bool = False) -> torch.Tensor:
        calls.append(tiled)
        if not tiled:
            raise torch.OutOfMemoryError
        return real(vae, pixels, generator, tiled=tiled)

    calls = tiled
    request = replace(REQUEST, init=InitImage((photo(),)))
    expected = made(engine, request)
    monkeypatch.setattr(darkroom_module, "encode", failing)
    assert np.abs(made(engine, request) - expected).max() <= 1
    assert calls == [False, True]


@pytest.fixture
def inpainting_engine(make_engine: Callable[..., Engine], folders: Folders) -> Engine:
    """An engine over a checkpoint that reads a mask and a masked picture."""
    from tools.make_random_sd15 import MINI, write

    place = folders.models(ModelKind.CHECKPOINT)
    shutil.rmtree(place)
    place.mkdir()
    write(place / "pintor.safetensors", replace(MINI, in_channels=9))
    return make_engine()


def test_inpainting_checkpoints_see_the_mask(inpainting_engine: Engine) -> None:
    engine = inpainting_engine
    assert made(engine, REQUEST).shape == (64, 64, 3)
    assert made(engine, replace(REQUEST, hires=Hires(steps=2))).shape == (128, 128, 3)
    init = InitImage((photo(),), 0.9, inpaint=Inpaint(mask(), blur_x=0, blur_y=0))
    painted = made(engine, replace(REQUEST, init=init))
    assert (painted[:, :32] == np.asarray(photo(), np.int16)[:, :32]).all()
    half = InitImage((photo(),), 0.9, inpaint=Inpaint(mask(), blur_x=0, blur_y=0, condition_weight=0.5))
    assert (made(engine, replace(REQUEST, init=half)) != painted).any()
    text = engine.generate(replace(REQUEST, init=half), save=False).images[0].infotext
    assert "Conditional mask weight: 0.5" in text


def test_phases_of_a_hires_pass(engine: Engine) -> None:
    events: list[Event] = []
    engine.generate(replace(REQUEST, hires=Hires(upscaler="Lanczos", steps=2)), events.append)
    phases = [event.phase for event in events if isinstance(event, PhaseStarted)]
    second = phases[phases.index(Phase.UPSCALING) :]
    assert second == [Phase.UPSCALING, Phase.ENCODING_PROMPT, Phase.SAMPLING, Phase.DECODING, Phase.SAVING]
