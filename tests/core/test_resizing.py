"""Resizing pictures: A1111's bytes (hechos/a1111.md 4.4 and 5.1)."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.pictures import pattern, pixels, values

from sdcolab.core.control import ControlResize
from sdcolab.core.request import ResizeMode
from sdcolab.core.resizing import CONTROL_MODES, flattened, laid_over, part_laid_over, resize, resize_exactly


class TestResizing:
    @pytest.mark.parametrize("mode", ResizeMode)
    @pytest.mark.parametrize("size", [(64, 64), (96, 40), (40, 96), (48, 32)])
    @pytest.mark.parametrize("colour", ["RGB", "L"])
    def test_gives_the_size_and_mode_asked_for(self, mode: ResizeMode, size: tuple[int, int], colour: str) -> None:
        picture = resize(pattern(48, 32).convert(colour), *size, mode)
        assert (picture.size, picture.mode) == (size, colour)

    def test_crop_keeps_the_middle(self) -> None:
        picture = pattern(48, 32)
        cropped = resize(picture, 16, 32, ResizeMode.CROP)
        assert cropped.tobytes() == picture.crop((16, 0, 32, 32)).tobytes()

    @pytest.mark.parametrize(("size", "inner"), [((48, 64), (0, 16)), ((80, 32), (16, 0))])
    def test_fill_keeps_the_whole_and_stretches_its_edges(self, size: tuple[int, int], inner: tuple[int, int]) -> None:
        picture = pattern(48, 32)
        filled = resize(picture, *size, ResizeMode.FILL)
        left, top = inner
        assert filled.crop((left, top, left + 48, top + 32)).tobytes() == picture.tobytes()
        array, axis = values(filled), int(left > 0)
        before, after = np.split(array, [max(left, top), max(left, top) + picture.size[1 - axis]], axis=axis)[::2]
        for border in (before, after):
            assert (border == np.take(border, [0], axis=axis)).all(), "the border is one row, stretched"
        edges = np.moveaxis(values(picture), axis, 0)
        # Pillow's bicubic filter (a = -0.5) half a pixel away and one and a half: 0.5625 and -0.0625, scaled to sum 1.
        for border, near, next_to_it in ((before, edges[0], edges[1]), (after, edges[-1], edges[-2])):
            expected = np.clip(1.125 * near - 0.125 * next_to_it, 0, 255)
            assert np.abs(np.moveaxis(border, axis, 0)[0] - expected).max() <= 1

    def test_only_growing_pictures_meet_the_upscaler(self) -> None:
        asked: list[float] = []

        def enlarge(picture: Image.Image, scale: float) -> Image.Image:
            asked.append(scale)
            return Image.new("RGB", (picture.width * 4, picture.height * 4), "red")

        small, large = pattern(16, 16), pattern(64, 64)
        assert resize_exactly(small, 24, 40, enlarge).getcolors() == [(24 * 40, (255, 0, 0))]
        assert resize_exactly(large, 24, 40, enlarge) == large.resize((24, 40), Image.Resampling.LANCZOS)
        mask = small.convert("L")
        assert resize_exactly(mask, 24, 40, enlarge) == mask.resize((24, 40), Image.Resampling.LANCZOS)
        assert asked == [2.5]

    def test_a_very_thin_picture_still_fills(self) -> None:
        assert resize(pattern(1, 64), 8, 8, ResizeMode.FILL).size == (8, 8)

    def test_where_latents_are_resized_pictures_are_filled(self) -> None:
        filled = resize(pattern(48, 32), 16, 32, ResizeMode.FILL)
        assert resize(pattern(48, 32), 16, 32, ResizeMode.LATENT) == filled


class TestFlattening:
    def test_transparency_lies_on_the_background(self) -> None:
        picture = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
        picture.putpixel((1, 0), (10, 20, 30, 0))
        assert pixels(flattened(picture)) == [(10, 20, 30), (255, 255, 255)]
        assert flattened(picture, "#ff0000").getpixel((1, 0)) == (255, 0, 0)

    def test_palettes_with_a_transparent_colour(self) -> None:
        picture = Image.new("P", (2, 1))
        picture.putpalette([0, 0, 0, 9, 8, 7])
        picture.putpixel((1, 0), 1)
        picture.info["transparency"] = 0
        assert pixels(flattened(picture)) == [(255, 255, 255), (9, 8, 7)]

    def test_pictures_of_phones_stand_upright(self) -> None:
        picture = pattern(4, 2)
        picture.getexif()[0x0112] = 6
        assert flattened(picture).size == (2, 4)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "RGBA"])
    def test_every_mode_becomes_rgb(self, mode: str) -> None:
        assert flattened(Image.new(mode, (3, 3))).mode == "RGB"


@pytest.mark.parametrize("mode", ControlResize)
def test_a_unit_s_picture_lies_over_the_whole_in_its_own_way(mode: ControlResize) -> None:
    laid = laid_over(pattern(48, 32).convert("RGBA"), (32, 64), mode)
    assert laid == resize(pattern(48, 32), 32, 64, CONTROL_MODES[mode])


BOXES = [(0, 0, 30, 40), (25, 10, 90, 64), (60, 50, 97, 131), (0, 0, 97, 131), (96, 130, 97, 131)]


@pytest.mark.parametrize("mode", ControlResize)
@pytest.mark.parametrize("shape", [(48, 32), (20, 64), (300, 300), (97, 131), (500, 3), (1, 1)])
def test_a_part_of_it_is_the_same_without_the_whole(mode: ControlResize, shape: tuple[int, int]) -> None:
    picture, size = pattern(*shape), (97, 131)
    whole = laid_over(picture, size, mode)
    for box in BOXES:
        part = part_laid_over(picture, size, mode, box)
        far = np.abs(values(part) - values(whole.crop(box)))
        assert far.max() <= 2 and far.mean() < 0.02, box  # Pillow keeps the box in single precision
