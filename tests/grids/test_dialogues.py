"""Loopback, SD upscale and outpainting, answered by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdcolab.core.errors import DirectionMissing, ResultTooLarge, ScriptNeedsPicture
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint, MaskedContent
from sdcolab.core.scripts import Curve, Direction, Loopback, Outpainting, PoorMansOutpainting, SdUpscale
from sdcolab.core.upscaling import enlarged_size
from sdcolab.grids import loopback, outpainting, sd_upscale
from sdcolab.grids.dialogue import Dialogue, Enlarge, Keep, Made, Make, Total
from sdcolab.grids.loopback import strength_of
from sdcolab.grids.outpainting import Borders, shaped_noise
from sdcolab.grids.pictures import Tiles

TOLD = "x\nSteps: 1, Sampler: Euler, Seed: {}, Size: 64x64, Version: v"
Answer = Callable[[GenerationRequest], list[Image.Image]]


def blank(request: GenerationRequest) -> list[Image.Image]:
    size = (request.width or 64, request.height or 64)
    return [Image.new("RGB", size, "#808080") for _ in range(request.batch_size)]


def held(script: Dialogue, answer: Answer = blank) -> tuple[list[GenerationRequest], list[Keep], int]:
    """The jobs, results and announced number of jobs of a dialogue."""
    jobs: list[GenerationRequest] = []
    kept: list[Keep] = []
    total, reply = 0, None
    try:
        while True:
            match asked := script.send(reply):
                case Total(count):
                    total, reply = count, None
                case Make(request):
                    jobs.append(request)
                    reply: Any = tuple(Made(one, TOLD.format(request.seed), request.seed) for one in answer(request))
                case Enlarge(picture, scale, _):
                    reply = picture.resize(enlarged_size(picture.size, scale))
                case Keep():
                    kept.append(asked)
                    reply = None
                case _:
                    reply = None
    except StopIteration:
        return jobs, kept, total


def started(size: tuple[int, int] = (64, 64), **changes: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"prompt": "x", "seed": 10, "width": 64, "height": 64}
        | changes
        | {"init": InitImage((Image.new("RGB", size, "#336699"),), strength=0.6)}
    )


@pytest.mark.parametrize(
    ("curve", "strengths"),
    [(Curve.LINEAR, (0.6, 0.4, 0.2)), (Curve.AGGRESSIVE, (0.6, 0.31716, 0.2)), (Curve.LAZY, (0.6, 0.48284, 0.2))],
)
def test_loopback_goes_from_one_strength_to_the_other(curve: Curve, strengths: tuple[float, ...]) -> None:
    settings = Loopback(3, 0.2, curve)
    assert [strength_of(loop, 0.6, settings) for loop in range(3)] == pytest.approx(strengths, abs=1e-5)
    assert strength_of(0, 0.6, Loopback(1, 0.2)) == 0.6


def test_loopback_starts_each_loop_from_the_last_picture() -> None:
    colours = iter(["#010101", "#020202", "#030303", "#040404"])
    jobs, kept, total = held(
        loopback.dialogue(started(batch_count=2), Loopback(2, 0.2)),
        lambda _request: [Image.new("RGB", (64, 64), next(colours))],
    )
    assert total == len(jobs) == 4
    assert [job.seed for job in jobs] == [10, 11, 12, 13]
    first = [job.init.images[0].getpixel((0, 0)) for job in jobs if job.init]
    assert first == [(51, 102, 153), (1, 1, 1), (51, 102, 153), (3, 3, 3)]
    assert [one.sheet for one in kept] == [False, False, True, False, False, True]
    assert "Final denoising strength: 0.2, Denoising curve: Linear, Version: v" in kept[0].made.infotext


def test_loopback_keeps_what_lies_under_a_mask_after_the_first_loop() -> None:
    request = started()
    assert request.init
    masked = InitImage(request.init.images, inpaint=Inpaint(Image.new("L", (64, 64), 255), content=MaskedContent.FILL))
    jobs, _, _ = held(loopback.dialogue(GenerationRequest(seed=1, init=masked), Loopback(2)))
    contents = [job.init.inpaint.content for job in jobs if job.init and job.init.inpaint]
    assert contents == [MaskedContent.FILL, MaskedContent.ORIGINAL]


def test_sd_upscale_makes_tiles_in_batches() -> None:
    settings = SdUpscale(overlap=32, scale=2.0, upscaler="Lanczos")
    jobs, kept, total = held(sd_upscale.dialogue(started((128, 128), width=128, height=128, batch_size=2), settings))
    assert total == len(jobs) == 5
    first = next(sd_upscale.dialogue(started((129, 131)), settings))
    assert first == Total(49)  # known before anything is enlarged
    assert [job.seed for job in jobs] == [10, 11, 12, 13, 14]
    assert [job.batch_size for job in jobs] == [2, 2, 2, 2, 1]
    assert kept[0].made.picture.size == (256, 256)
    assert "SD upscale overlap: 32, SD upscale upscaler: Lanczos" in kept[0].made.infotext


def test_sd_upscale_of_small_pictures_and_repeats() -> None:
    jobs, kept, _ = held(sd_upscale.dialogue(started((72, 100), width=512, height=512, batch_count=2), SdUpscale()))
    assert [(job.width, job.height, job.seed) for job in jobs][:2] == [(72, 96, 10), (72, 96, 11)]
    assert [one.made.seed for one in kept] == [10, 11]
    with pytest.raises(ResultTooLarge):
        held(sd_upscale.dialogue(started((4000, 4000)), SdUpscale(scale=4, upscaler="Lanczos")))


@pytest.mark.parametrize(
    ("size", "tile", "overlap"), [((256, 256), (128, 128), 32), ((200, 130), (64, 96), 16), ((64, 64), (64, 64), 16)]
)
def test_tiles_put_together_again_are_the_picture(size: tuple[int, int], tile: tuple[int, int], overlap: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    tiles = Tiles(*size, *tile, overlap)
    made = tiles.combined([picture.crop(box) for box in tiles.boxes()])
    assert np.abs(np.asarray(made, np.int16) - noise).max() <= 1  # blending a value with itself may round


def test_borders_come_in_blocks() -> None:
    assert Borders.around((128, 128), 64, [Direction.LEFT]) == Borders(64, 0, 0, 0)
    assert Borders.around((100, 128), 64, [Direction.LEFT, Direction.RIGHT]) == Borders(78, 78, 0, 0)
    assert Borders.around((100, 100), 10, [Direction.DOWN]) == Borders(0, 0, 0, 28)


def test_outpainting_goes_direction_by_direction_and_keeps_the_picture() -> None:
    settings = Outpainting(pixels=64, mask_blur=0, directions=(Direction.UP, Direction.LEFT))
    jobs, kept, total = held(outpainting.dialogue(started((128, 128), width=128, height=128), settings))
    assert total == len(jobs) == 2
    assert [(job.width, job.height) for job in jobs] == [(128, 128), (192, 128)]
    made = kept[0].made.picture
    assert made.size == (192, 192)
    assert made.getpixel((191, 191)) == (51, 102, 153)
    assert all(job.init and job.init.inpaint and job.init.inpaint.latent_mask for job in jobs)


def test_noise_has_the_pictures_colours() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.random((64, 64, 3)) * 0.5
    mask = np.zeros((64, 64, 3))
    mask[:, :32] = 1
    made = shaped_noise(pixels, mask, 1.0, 0.05)
    assert (made[:, 32:] == pixels[:, 32:]).all()
    assert np.percentile(made[:, :32], 50) == pytest.approx(np.percentile(pixels[:, 32:], 50), abs=0.05)
    assert (shaped_noise(pixels, mask, 1.0, 0.05) == made).all()
    assert (shaped_noise(pixels, np.ones_like(mask), 1.0, 0.05) == pixels).all()


def test_poor_mans_outpainting_works_on_the_new_area_only() -> None:
    settings = PoorMansOutpainting(pixels=32, directions=(Direction.LEFT, Direction.RIGHT))
    jobs, kept, total = held(outpainting.poor_dialogue(started((128, 128), width=128, height=128), settings))
    assert total == len(jobs) == 2
    assert [job.seed for job in jobs] == [10, 11]
    assert kept[0].made.picture.size == (192, 128)
    assert [job.init.inpaint.content for job in jobs if job.init and job.init.inpaint] == [MaskedContent.FILL] * 2


@pytest.mark.parametrize(
    "script",
    [
        loopback.dialogue(GenerationRequest(), Loopback()),
        sd_upscale.dialogue(GenerationRequest(), SdUpscale()),
        outpainting.dialogue(GenerationRequest(), Outpainting()),
        outpainting.poor_dialogue(GenerationRequest(), PoorMansOutpainting()),
    ],
)
def test_scripts_that_need_a_picture_say_so(script: Dialogue) -> None:
    with pytest.raises(ScriptNeedsPicture):
        next(script)


@pytest.mark.parametrize(
    "script",
    [
        outpainting.dialogue(started(), Outpainting(directions=())),
        outpainting.poor_dialogue(started(), PoorMansOutpainting(directions=())),
    ],
)
def test_outpainting_asks_where_to(script: Dialogue) -> None:
    with pytest.raises(DirectionMissing):
        next(script)
