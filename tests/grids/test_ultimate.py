"""Ultimate SD upscale: tiles, masks and crops against reference vectors, and the dialogue answered by hand."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sdcolab.core.control import ControlType, ControlUnit
from sdcolab.core.request import GenerationRequest, InitImage
from sdcolab.core.scripts import Redraw, SeamsFix, Target, Ultimate
from sdcolab.engine.pictures.masks import blurred, only_masked_box
from sdcolab.grids.dialogue import Enlarge, Keep, Made, Make, Total
from sdcolab.grids.ultimate import dialogue, factors, mask_of, redraw_jobs, request_size, seam_jobs, window_of

CASES = json.loads((Path(__file__).parents[1] / "data" / "vectores" / "usdu_tiles.json").read_text("utf-8"))["cases"]
WHOLE = [case for case in CASES if "options" in case]


def ultimate(options: dict[str, Any]) -> Ultimate:
    return Ultimate(
        tile_width=options["tile_width"],
        tile_height=options["tile_height"],
        mask_blur=options["mask_blur"],
        padding=options["padding"],
        upscaler="Fake" if options["upscaler_index"] else "None",
        redraw=tuple(Redraw)[options["redraw_mode"]],
        seams_fix=tuple(SeamsFix)[options["seams_fix_type"]],
        seams_strength=options["seams_fix_denoise"],
        seams_width=options["seams_fix_width"],
        seams_mask_blur=options["seams_fix_mask_blur"],
        seams_padding=options["seams_fix_padding"],
        target=tuple(Target)[options["target_size_type"]],
        width=options["custom_width"],
        height=options["custom_height"],
        scale=options["custom_scale"],
    )


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case["name"])
def test_tiles_are_those_of_the_reference(case: dict[str, Any]) -> None:
    wanted = ultimate(case["options"])
    size = wanted.size_for(tuple(case["source"]), tuple(case["img2img_size"]))
    assert list(size) == case["results"][0]
    jobs = [*redraw_jobs(wanted, size, 0.4), *seam_jobs(wanted, size)]
    assert len(jobs) == len(case["jobs"]) == case["job_count"]
    whole = (0, 0, *size)
    for number, (job, row) in enumerate(zip(jobs, case["jobs"], strict=True)):
        assert (list(job.work), job.padding, job.blur, job.strength) == (
            row["work"],
            row["padding"],
            row["mask_blur"],
            row["denoise"],
        )
        mask = mask_of(job, whole)
        assert list(mask.getbbox() or ()) == row["mask_bbox"]
        if "mask_sum" in row:
            assert int(np.asarray(mask, dtype=np.int64).sum()) == row["mask_sum"]
        if 2 < number < len(jobs) - 2:
            continue  # blurring whole pictures takes its time
        soft = blurred(mask, job.blur)
        assert list(soft.getbbox() or ()) == row["blurred_bbox"]
        assert list(only_masked_box(soft, job.padding, *job.work) or ()) == row["crop"]


@pytest.mark.parametrize("case", [WHOLE[0], WHOLE[4]], ids=lambda case: case["name"])
def test_a_window_hides_nothing_that_the_job_would_see(case: dict[str, Any]) -> None:
    wanted = ultimate(case["options"])
    size = wanted.size_for(tuple(case["source"]), tuple(case["img2img_size"]))
    for job in (*redraw_jobs(wanted, size, 0.4), *seam_jobs(wanted, size)):
        window = window_of(job, size)
        whole, part = mask_of(job, (0, 0, *size)), mask_of(job, window)
        soft_whole, soft_part = blurred(whole, job.blur), blurred(part, job.blur)
        assert soft_whole.crop(window).tobytes() == soft_part.tobytes()
        width, height = request_size(job.work)
        in_whole = only_masked_box(soft_whole, job.padding, width, height)
        in_part = only_masked_box(soft_part, job.padding, width, height)
        assert in_whole and in_part
        assert in_whole == tuple(side + window[place % 2] for place, side in enumerate(in_part))


@given(
    width=st.integers(2, 40).map(lambda blocks: blocks * 8),
    height=st.integers(2, 40).map(lambda blocks: blocks * 8),
    tile=st.sampled_from([64, 96, 128]),
    blur=st.integers(0, 12),
    padding=st.integers(0, 60),
    seams=st.sampled_from(list(SeamsFix)),
)
@settings(max_examples=15, deadline=None)
def test_windows_of_any_picture(width: int, height: int, tile: int, blur: int, padding: int, seams: SeamsFix) -> None:
    wanted = Ultimate(tile_width=tile, mask_blur=blur, padding=padding, seams_fix=seams)
    size = (width, height)
    for job in (*redraw_jobs(wanted, size, 0.4), *seam_jobs(wanted, size)):
        window = window_of(job, size)
        soft_whole = blurred(mask_of(job, (0, 0, *size)), job.blur)
        soft_part = blurred(mask_of(job, window), job.blur)
        work = request_size(job.work)
        in_whole, in_part = (only_masked_box(mask, job.padding, *work) for mask in (soft_whole, soft_part))
        if in_whole is None:
            assert in_part is None
        else:
            assert in_part is not None
            assert in_whole == tuple(side + window[place % 2] for place, side in enumerate(in_part))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["name"].startswith("factors")], ids=lambda c: c["name"]
)
def test_factors_of_the_upscaler(case: dict[str, Any]) -> None:
    if "error" not in case:
        assert list(factors(int(case["name"].removeprefix("factors_")))) == case["upscaler_calls"]


@pytest.mark.parametrize(("scale", "made_of"), [(2, (2,)), (6, (3, 2)), (10, (4, 3)), (13, (4, 4)), (15, (4, 4))])
def test_factors_where_the_reference_fails(scale: int, made_of: tuple[int, ...]) -> None:
    assert factors(scale) == made_of


def test_the_dialogue_works_over_every_tile_and_keeps_the_rest() -> None:
    source = Image.new("RGB", (96, 64), "#336699")
    request = GenerationRequest(prompt="x", seed=7, width=64, height=64, init=InitImage((source,), strength=0.3))
    script = dialogue(request, Ultimate(tile_width=64, upscaler="Lanczos", mask_blur=0, padding=0))
    assert next(script) == Total(6)
    asked = script.send(None)
    made = 0
    kept: list[Made] = []
    while True:
        try:
            match asked:
                case Enlarge(picture, scale, _):
                    answer: Any = picture.resize((int(picture.width * scale), int(picture.height * scale)))
                case Make(job):
                    assert job.init and job.init.inpaint and job.seed == 7 and job.init.strength == 0.3
                    made += 1
                    white = Image.new("RGB", job.init.images[0].size, "#ffffff")
                    answer = (
                        Made(
                            Image.composite(white, job.init.images[0], job.init.inpaint.mask),
                            "x\nSteps: 1, Size: 64x64, Seed: 7, Version: v",
                            7,
                        ),
                    )
                case Keep(result):
                    kept.append(result)
                    answer = None
                case _:
                    answer = None
            asked = script.send(answer)
        except StopIteration:
            break
    assert made == 6
    assert len(kept) == 1
    assert kept[0].picture.size == (192, 128)
    assert kept[0].picture.getextrema() == ((255, 255),) * 3
    assert "Size: 192x128" in kept[0].infotext
    assert kept[0].infotext.endswith("Version: v")


def tiles(request: GenerationRequest, script: Ultimate) -> list[Make]:
    """What is asked for, where every tile comes back black."""
    talk = dialogue(request, script)
    found: list[Make] = []
    asked = next(talk)
    with contextlib.suppress(StopIteration):
        while True:
            answer: Any = None
            if isinstance(asked, Make):
                found.append(asked)
                assert asked.request.init
                answer = (Made(Image.new("RGB", asked.request.init.images[0].size), "x\nSteps: 1", 7),)
            asked = talk.send(answer)
    return found


def ramp(size: tuple[int, int]) -> Image.Image:
    """Every pixel tells where it lies."""
    across, down = (Image.linear_gradient("L").rotate(turn).resize(size) for turn in (90, 0))
    return Image.merge("RGB", (across, down, Image.new("L", size)))


CANVAS = (192, 128)
UPSCALING = Ultimate(tile_width=64, mask_blur=4, padding=8, target=Target.CUSTOM, width=192, height=128)


def with_unit(**unit: Any) -> GenerationRequest:
    init = InitImage((Image.new("RGB", (96, 64)),), strength=0.3)
    return GenerationRequest(prompt="x", seed=7, width=64, height=64, init=init, control=(ControlUnit(**unit),))


@pytest.mark.parametrize("seams", [SeamsFix.NONE, SeamsFix.HALF])
def test_each_tile_sees_its_own_part_of_the_control_picture(seams: SeamsFix) -> None:
    picture, region = ramp((48, 32)), ramp((48, 32)).convert("L")
    whole, acting = picture.resize(CANVAS, Image.Resampling.LANCZOS), region.convert("RGB").resize(CANVAS)
    request = with_unit(images=(picture,), mask=picture, region=region, crop_to_mask=False)
    jobs = tiles(request, replace(UPSCALING, seams_fix=seams))
    assert len(jobs) == (6 if seams is SeamsFix.NONE else 6 + 3 + 4)
    for job in jobs:
        (unit,) = job.request.control
        assert job.box and job.focus and job.request.init
        assert unit.images[0].size == job.request.init.images[0].size
        assert unit.images[0] == unit.mask == whole.crop(job.box)
        assert unit.region == acting.crop(job.focus)
        assert unit.crop_to_mask


def test_each_tile_sees_its_own_part_of_a_drawing() -> None:
    drawing = ramp((48, 32))
    whole = drawing.resize(CANVAS, Image.Resampling.LANCZOS)
    for job in tiles(with_unit(drawing=drawing), UPSCALING):
        assert job.box and job.request.control[0].drawing == whole.crop(job.box)


@pytest.mark.parametrize("unit", [{"module": "reference_only"}, {"kind": ControlType.IP_ADAPTER}])
def test_models_for_what_is_drawn_are_seen_whole(unit: dict[str, Any]) -> None:
    picture = ramp((48, 32))
    jobs = tiles(with_unit(images=(picture,), **unit), UPSCALING)
    assert [job.request.control[0].images for job in jobs] == [(picture,)] * 6


def test_a_unit_without_a_picture_reads_the_tile() -> None:
    assert all(job.request.control[0].images == () for job in tiles(with_unit(), UPSCALING))
