"""Initial pictures and masks on their way to the sampler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from sdcolab.core.request import InitImage, Inpaint, MaskedContent, ResizeMode
from sdcolab.engine.features.init_image import InitLatents, arrange, encoded, inpainting_channels

CPU = torch.device("cpu")


def noise_picture(width: int = 96, height: int = 64) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def mask(box: tuple[int, int, int, int], size: tuple[int, int] = (96, 64)) -> Image.Image:
    made = Image.new("L", size)
    ImageDraw.Draw(made).rectangle(box, fill=255)
    return made


def shrink(pixels: Tensor) -> Tensor:
    """Stands in for a VAE: 4 channels, 8 times smaller."""
    small = torch.nn.functional.avg_pool2d(pixels, 8)
    return torch.cat([small, small[:, :1]], dim=1)


def test_without_a_mask_the_picture_is_resized() -> None:
    made = arrange(InitImage((noise_picture(),), resize_mode=ResizeMode.CROP), 0, 64, 64, None)
    assert made.picture.size == (64, 64)
    assert (made.mask, made.overlaid, made.box) == (None, None, None)
    result = Image.new("RGB", (64, 64), "red")
    assert made.finished(result) is result


def test_pictures_are_taken_in_turns() -> None:
    init = InitImage((Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")))
    colours = [arrange(init, index, 64, 64, None).picture.getpixel((0, 0)) for index in range(3)]
    assert colours == [(255, 0, 0), (0, 0, 255), (255, 0, 0)]


def test_outside_of_the_mask_the_original_comes_back() -> None:
    original = noise_picture()
    init = InitImage((original,), inpaint=Inpaint(mask((32, 16, 63, 47)), blur_x=0, blur_y=0))
    made = arrange(init, 0, 96, 64, None)
    finished = np.asarray(made.finished(Image.new("RGB", (96, 64), "red")))
    assert (finished[20:40, 36:60] == (255, 0, 0)).all()
    untouched = np.asarray(original).copy()
    assert (finished[:16] == untouched[:16]).all()
    assert (finished[:, :32] == untouched[:, :32]).all()
    kept = arrange(InitImage((original,), inpaint=Inpaint(mask((32, 16, 63, 47)), overlay=False)), 0, 96, 64, None)
    assert kept.overlaid is None


def test_inverting_paints_the_rest() -> None:
    init = InitImage((noise_picture(),), inpaint=Inpaint(mask((32, 16, 63, 47)), blur_x=0, blur_y=0, inverted=True))
    finished = np.asarray(arrange(init, 0, 96, 64, None).finished(Image.new("RGB", (96, 64), "red")))
    assert (finished[0, 0] == (255, 0, 0)).all()
    assert (finished[30, 48] == np.asarray(noise_picture())[30, 48]).all()


def test_only_the_masked_area_is_worked_on_at_full_size() -> None:
    original = noise_picture(256, 256)
    inpaint = Inpaint(mask((100, 100, 131, 131), (256, 256)), blur_x=0, blur_y=0, only_masked=True, padding=16)
    made = arrange(InitImage((original,), inpaint=inpaint), 0, 128, 128, None)
    assert made.box == (84, 84, 148, 148)
    assert made.picture.size == made.mask.size == (128, 128)  # type: ignore[union-attr]
    finished = made.finished(Image.new("RGB", (128, 128), "red"))
    assert finished.size == (256, 256)
    assert finished.getpixel((115, 115)) == (255, 0, 0)
    assert finished.getpixel((90, 90)) == original.getpixel((90, 90))


def test_an_empty_mask_with_only_masked_is_plain_img2img() -> None:
    inpaint = Inpaint(Image.new("L", (96, 64)), only_masked=True)
    made = arrange(InitImage((noise_picture(),), inpaint=inpaint), 0, 64, 64, None)
    assert (made.picture.size, made.mask, made.overlaid) == ((64, 64), None, None)


def test_latents_are_resized_instead_of_the_picture() -> None:
    init = InitImage((noise_picture(),), resize_mode=ResizeMode.LATENT)
    made = arrange(init, 0, 128, 128, None)
    assert made.picture.size == (96, 64)
    latents = encoded((made,), init, (16, 16), shrink, CPU).latents
    assert latents.shape == (1, 4, 16, 16)


def test_one_picture_is_encoded_once_for_a_batch() -> None:
    init = InitImage((noise_picture(),))
    made = arrange(init, 0, 96, 64, None)
    calls: list[int] = []

    def counting(pixels: Tensor) -> Tensor:
        calls.append(1)
        return shrink(pixels)

    assert encoded((made, made), init, (8, 12), counting, CPU).latents.shape == (2, 4, 8, 12)
    assert len(calls) == 1


@pytest.mark.parametrize("content", MaskedContent)
def test_masked_content(content: MaskedContent) -> None:
    init = InitImage((noise_picture(),), inpaint=Inpaint(mask((32, 0, 95, 63)), blur_x=0, blur_y=0, content=content))
    made = arrange(init, 0, 96, 64, None)
    start = encoded((made,), init, (8, 12), shrink, CPU)
    noise = torch.full((1, 4, 8, 12), 9.0)
    changed = start.with_content(noise).latents
    assert torch.equal(changed[..., :4], start.latents[..., :4])
    expected = {MaskedContent.LATENT_NOISE: noise, MaskedContent.LATENT_NOTHING: torch.zeros_like(noise)}
    assert torch.equal(changed[..., 4:], expected.get(content, start.latents)[..., 4:])
    same_picture = np.array_equal(np.asarray(made.picture), np.asarray(noise_picture()))
    assert same_picture == (content is MaskedContent.ORIGINAL)


def test_blending_keeps_what_is_not_painted() -> None:
    paint = torch.zeros(1, 1, 2, 2)
    paint[..., 1] = 1
    start = InitLatents(torch.zeros(3, 4, 2, 2), paint)
    blended = start.part(slice(1, 3)).blend(torch.ones(2, 4, 2, 2))
    assert torch.equal(blended, paint.expand(2, 4, 2, 2))


def test_channels_for_inpainting_models() -> None:
    init = InitImage((noise_picture(),), inpaint=Inpaint(mask((32, 0, 95, 63)), blur_x=0, blur_y=0))
    made = arrange(init, 0, 96, 64, None)
    channels = inpainting_channels((made, made), init, (8, 12), shrink, CPU)
    assert channels.shape == (2, 5, 8, 12)
    assert channels[0, 0].tolist() == [[0.0] * 4 + [1.0] * 8] * 8
    plain = encoded((made,), init, (8, 12), shrink, CPU).latents
    assert torch.allclose(channels[:1, 1:, :, :4], plain[..., :4])
    assert (channels[0, 1:, :, 4:] == 0).all()  # grey
    whole = InitImage((noise_picture(),))
    assert (inpainting_channels((arrange(whole, 0, 96, 64, None),), whole, (8, 12), shrink, CPU)[:, 0] == 1).all()
