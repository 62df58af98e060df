"""Soft inpainting: masks that half cover, and where the original goes back over the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from sdcolab.core import infotext
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint
from sdcolab.core.tuning import Tuning
from sdcolab.engine.engine import Engine
from sdcolab.engine.pictures.softness import around, at_level, changed_mask, mixed, overlay_mask

REQUEST = GenerationRequest(prompt="un gato", sampler="Euler", steps=4, seed=7, width=64, height=64)
HALF = Image.new("L", (64, 64))
HALF.paste(255, (40, 0, 64, 64))
SOFT = Inpaint(HALF, blur_x=8, blur_y=8, soft=True)


def photo(width: int = 64, height: int = 64) -> Image.Image:
    x = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    return Image.fromarray((x * (1.0, 0.5, 0.25)).astype(np.uint8))


# --- Mixing -----------------------------------------------------------------------------------------------------------


def test_hard_parts_of_a_mask_stay_hard_at_every_level() -> None:
    paint = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    for level in (14.0, 1.0, 0.05):
        nothing, some, everything = at_level(paint, level, SOFT).flatten().tolist()
        assert (nothing, everything) == (0, 1)
        assert some == pytest.approx(0.5 ** (level * 0.5))  # bias 1, preservation 0.5
    assert at_level(paint, 3.0, replace(SOFT, soft_bias=2.0))[0, 0, 0, 1] == pytest.approx(0.5 ** (9 * 0.5))


def test_the_mixture_is_as_long_as_what_it_is_made_of() -> None:
    generator = torch.Generator().manual_seed(0)
    kept, new = (torch.randn(2, 4, 5, 5, generator=generator) for _ in range(2))
    share = torch.rand(1, 1, 5, 5, generator=generator)
    made = mixed(kept, new, share, SOFT)
    direction = kept * (1 - share) + new * share
    assert torch.allclose(torch.cosine_similarity(made, direction), torch.ones(2, 5, 5), atol=1e-5)
    lengths = [one.pow(2).sum(dim=1).sqrt() for one in (kept, new)]
    expected = ((1 - share[:, 0]) * lengths[0] ** 4 + share[:, 0] * lengths[1] ** 4) ** 0.25
    assert torch.allclose(made.pow(2).sum(dim=1).sqrt(), expected, rtol=1e-3)
    assert torch.allclose(mixed(kept, new, torch.zeros(1, 1, 1, 1), SOFT), kept, atol=1e-3)
    assert torch.allclose(mixed(kept, new, torch.ones(1, 1, 1, 1), SOFT), new, atol=1e-3)


# --- What goes back ---------------------------------------------------------------------------------------------------


def by_hand(values: np.ndarray, part: tuple[float, float], y: int, x: int) -> float:
    """The mean over a part of what lies around one cell, by walking along it in small paces."""
    nothing, near = np.exp(-9 / 2.25), []
    for down in range(-2, 3):
        for across in range(-2, 3):
            row, column = y + down, x + across
            if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                width = max(0.0, (np.exp(-(down**2 + across**2) / 2.25) - nothing) / (1 - nothing))
                near.append((values[row, column], width))
    near.sort()
    total = sum(width for _, width in near)
    start, end = total * part[0], total * part[1]
    if end - start < 1:
        start, end = (start + end) / 2 - 0.5, (start + end) / 2 + 0.5
        if end > total:
            start, end = total - 1, total
        if start < 0:
            start, end = 0.0, 1.0
    ends = np.cumsum([width for _, width in near])
    paces = np.linspace(start, end, 20_001)[:-1] + (end - start) / 40_000
    return float(np.mean([near[at][0] for at in np.minimum(np.searchsorted(ends, paces), len(near) - 1)]))


@pytest.mark.parametrize("part", [(0.9, 1.0), (0.25, 0.75), (0.0, 0.1)])
def test_what_lies_around_a_cell(part: tuple[float, float]) -> None:
    values = np.random.default_rng(1).random((6, 7)) * 3
    found = around(values, part)
    for y, x in ((0, 0), (0, 6), (3, 3), (5, 2), (2, 5)):
        assert found[y, x] == pytest.approx(by_hand(values, part, y, x), abs=2e-3)
    assert np.allclose(around(np.full((4, 4), 2.5), part), 2.5)


def test_only_what_changed_is_new() -> None:
    before, paint = torch.zeros(4, 12, 12), torch.full((12, 12), 0.5)
    after = before.clone()
    after[:, :, 8:] = 3.0
    changed = changed_mask(before, after, paint, SOFT)
    assert (changed[:, :4] == 0).all()
    assert (changed[:, 9:] > 240).all()
    assert (changed_mask(before, after, paint, replace(SOFT, soft_threshold=0.0))[:, 9:] == 255).all()
    # what the mask says: the half of it that is hardly covered needs a larger change
    paint[:6] = 0.05
    told = changed_mask(before, after * 0.1, paint, replace(SOFT, soft_influence=1.0))
    assert told[2, 10] < told[9, 10]
    mask = overlay_mask(changed, 96, 96)
    assert (mask.mode, mask.size, mask.getpixel((4, 48))) == ("L", (96, 96), 0)


# --- Pictures ---------------------------------------------------------------------------------------------------------


def made(engine: Engine, inpaint: Inpaint, **more: object) -> np.ndarray:
    request = replace(REQUEST, init=InitImage((photo(),), 0.9, inpaint=inpaint), **more)  # type: ignore[arg-type]
    (image,) = engine.generate(request, save=False).images
    return np.asarray(image.image, np.int16)


def test_a_soft_mask_makes_another_picture_that_keeps_what_did_not_change(kept_engine: Engine) -> None:
    soft, hard = made(kept_engine, SOFT), made(kept_engine, replace(SOFT, soft=False))
    original = np.asarray(photo(), np.int16)
    assert (soft != hard).any()
    assert np.abs(soft[:, :8] - original[:, :8]).max() <= 1
    assert np.abs(soft[:, -8:] - original[:, -8:]).mean() > 10


@pytest.mark.parametrize(
    ("inpaint", "more"),
    [
        (replace(SOFT, only_masked=True, padding=8), {}),
        (SOFT, {"batch_size": 2}),
        (SOFT, {"tuning": Tuning(classic_inpainting=True)}),
        (SOFT, {"tuning": Tuning(classic_inpainting=True), "sampler": "DDIM"}),
        (replace(SOFT, overlay=False), {"sampler": "DDIM"}),
        (replace(SOFT, soft_contrast=32.0, soft_threshold=0.0, soft_difference=0.0), {}),
    ],
)
def test_soft_masks_with_everything(kept_engine: Engine, inpaint: Inpaint, more: dict[str, object]) -> None:
    request = replace(REQUEST, init=InitImage((photo(),), 0.9, inpaint=inpaint), **more)  # type: ignore[arg-type]
    for image in kept_engine.generate(request, save=False).images:
        assert image.image.size == (64, 64)
        assert np.asarray(image.image).std() > 5


def test_the_infotext_tells_and_makes_the_same_again(kept_engine: Engine) -> None:
    asked = replace(SOFT, soft_bias=1.3, soft_influence=0.5)
    request = replace(REQUEST, init=InitImage((photo(),), 0.9, inpaint=asked))
    image = kept_engine.generate(request, save=False).images[0]
    assert "Soft inpainting enabled: True, Soft inpainting schedule bias: 1.3" in image.infotext
    assert "Soft inpainting transition contrast boost: 4" in image.infotext
    pasted = infotext.to_request(infotext.parse(image.infotext))
    assert (pasted.warnings, pasted.unused) == ((), ())
    again = replace(GenerationRequest(), **pasted.changes, init=pasted.init_image(photo(), HALF))  # type: ignore[arg-type]
    assert np.array_equal(np.asarray(kept_engine.generate(again, save=False).images[0].image), np.asarray(image.image))


def test_a_hard_edge_is_blurred_over_the_picture() -> None:
    changed = np.zeros((8, 8), np.uint8)
    changed[:, 4:] = 255
    mask = np.asarray(overlay_mask(changed, 64, 64), np.int16)
    soft = Image.fromarray(changed).resize((64, 64), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(4))
    assert np.array_equal(mask, np.asarray(soft, np.int16))
