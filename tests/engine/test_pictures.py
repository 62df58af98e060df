"""Pictures of img2img and inpainting: A1111's bytes (hechos/a1111.md 4.4 and 5)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.pictures import pattern, pixels, values

from sdcolab.engine.pictures import colours, masks, overlays

IMAGES = Path(__file__).parents[1] / "data/referencia/imagenes"

MASK_ROW = [0] * 12 + [255] * 5 + [0] * 7

OPENCV_ROWS = {
    1: [0] * 9 + [1, 15, 77, 178, 240, 253, 240, 178, 77, 15, 1] + [0] * 4,
    2.5: [0] * 6 + [2, 8, 19, 39, 69, 105, 140, 167, 177, 167, 140, 105, 69, 39, 19, 8, 2, 0],
    4: [0, 0, 1, 3, 7, 12, 21, 31, 45, 60, 78, 94, 109, 118, 122, 118, 109, 94, 78, 60, 46, 34, 28, 24],
    9: [36, 34, 35, 37, 39, 41, 45, 47, 50, 53, 55, 57, 61, 62, 64, 66, 67, 67, 69, 69, 69, 70, 70, 70],
}
"""``MASK_ROW`` after cv2.GaussianBlur with each sigma, by OpenCV 4.9.0 and 5.0.0."""

OPENCV_DIGESTS = {
    0.5: "6e2df9159104ab70",
    1: "c82cd43ba871534b",
    4: "ecc33178938dadb5",
    16: "3fa0cd9150f865a6",
    64: "083c73ab3eb9b2e6",
}
"""SHA-256 (16 digits) of a 56 x 40 pattern blurred across and down by OpenCV 4.9.0 and 5.0.0."""


def grey(rows: object) -> Image.Image:
    return Image.fromarray(np.array(rows, dtype=np.uint8))


class TestMasks:
    @pytest.mark.parametrize("sigma", OPENCV_ROWS)
    def test_blur_is_opencvs(self, sigma: float) -> None:
        """Expected rows: cv2.GaussianBlur(row, (n, 1), sigma), then (1, n), n = 2 * int(2.5 * sigma + 0.5) + 1."""
        assert pixels(masks.blurred(grey([MASK_ROW]), sigma)) == OPENCV_ROWS[sigma]

    @pytest.mark.parametrize("sigma", OPENCV_DIGESTS)
    def test_blur_of_a_picture_is_opencvs_even_if_the_kernel_is_larger(self, sigma: float) -> None:
        """Expected digests: of what cv2.GaussianBlur gives, as above. (Random masks of 1 to 90 pixels a side at twenty
        sigmas, 400 in all, were equal too.)"""
        picture = grey(np.add.outer(np.arange(40) ** 2 * 3, np.arange(56) * 7) % 256)
        digest = hashlib.sha256(masks.blurred(picture, sigma).tobytes()).hexdigest()
        assert digest.startswith(OPENCV_DIGESTS[sigma])

    @given(st.floats(0.05, 64))
    def test_kernels_add_up_to_one(self, sigma: float) -> None:
        kernel = masks.gaussian_kernel(sigma)
        assert kernel.sum() == 256
        assert kernel.min() >= 0
        assert len(kernel) == 2 * int(2.5 * sigma + 0.5) + 1

    def test_no_blur_changes_nothing(self) -> None:
        mask = grey([MASK_ROW])
        assert masks.blurred(mask, 0).tobytes() == mask.tobytes()

    def test_each_direction_has_its_own_blur(self) -> None:
        dot = Image.new("L", (9, 9))
        dot.putpixel((4, 4), 255)
        assert masks.blurred(dot, 1, 0).getbbox() == (1, 4, 8, 5)
        assert masks.blurred(dot, 0, 1).getbbox() == (4, 1, 5, 8)

    def test_painted_layers_are_masks_by_their_alpha(self) -> None:
        layer = Image.new("RGBA", (4, 1), "white")
        for x, alpha in enumerate((0, 128, 129, 255)):
            layer.putpixel((x, 0), (255, 255, 255, alpha))
        assert pixels(masks.mask_from(layer)) == [0, 0, 255, 255]
        assert pixels(masks.mask_from(layer, rounded=False)) == [0, 128, 129, 255]

    def test_other_pictures_are_masks_by_their_brightness(self) -> None:
        opaque = Image.new("RGBA", (1, 1), (255, 255, 255, 255))
        assert masks.mask_from(opaque).getpixel((0, 0)) == 255
        assert masks.mask_from(Image.new("RGB", (1, 1), (255, 0, 0))).getpixel((0, 0)) == 76

    @pytest.mark.parametrize(
        ("covered", "padding", "size", "box"),
        [
            ((40, 40, 60, 60), 0, (64, 64), (40, 40, 60, 60)),
            ((40, 40, 60, 60), 8, (64, 64), (32, 32, 68, 68)),
            ((2, 3, 12, 13), 8, (64, 64), (0, 0, 21, 21)),
            ((40, 40, 80, 60), 0, (64, 64), (40, 30, 80, 70)),
            ((40, 40, 60, 60), 0, (128, 64), (30, 40, 70, 60)),
            ((40, 40, 60, 61), 0, (64, 64), (40, 40, 61, 61)),
            ((40, 90, 80, 100), 0, (64, 64), (40, 60, 80, 100)),
            ((40, 0, 80, 10), 0, (64, 64), (40, 0, 80, 40)),
            ((0, 40, 100, 60), 0, (64, 128), (0, 0, 100, 100)),
            ((90, 10, 100, 90), 0, (64, 64), (20, 10, 100, 90)),
        ],
    )
    def test_only_masked_box(
        self,
        covered: tuple[int, int, int, int],
        padding: int,
        size: tuple[int, int],
        box: tuple[int, int, int, int],
    ) -> None:
        """Worked out by hand from the rule of hechos/a1111.md 5.2 on a picture of 100 x 100."""
        mask = Image.new("L", (100, 100))
        mask.paste(1, covered)
        assert masks.only_masked_box(mask, padding, *size) == box

    def test_an_empty_mask_has_no_box(self) -> None:
        assert masks.only_masked_box(Image.new("L", (8, 8)), 32, 64, 64) is None

    @given(st.data())
    def test_the_box_covers_the_mask_inside_of_the_picture(self, data: st.DataObject) -> None:
        width, height = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 200))
        left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
        size = data.draw(st.integers(8, 256).map(lambda n: n * 8)), data.draw(st.integers(8, 256).map(lambda n: n * 8))
        mask = Image.new("L", (width, height))
        mask.paste(255, (left, top, right, bottom))
        box = masks.only_masked_box(mask, data.draw(st.integers(0, 256)), *size)
        assert box is not None
        assert 0 <= box[0] <= left < right <= box[2] <= width
        assert 0 <= box[1] <= top < bottom <= box[3] <= height

    def test_latent_mask_rounds_halves_to_even(self) -> None:
        mask = Image.new("L", (64, 64))
        mask.paste(255, (0, 0, 20, 64))
        assert masks.latent_mask(mask, 8, 8)[0, 0, 0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
        soft = masks.latent_mask(mask, 8, 8, rounded=False)
        assert soft.shape == (1, 1, 8, 8)
        assert 0.5 < soft[0, 0, 0, 2] < 0.6
        assert masks.latent_mask(Image.new("L", (64, 64), 127), 8, 8).sum() == 0
        assert masks.latent_mask(Image.new("L", (64, 64), 128), 8, 8).sum() == 64

    def test_inpainting_checkpoints_see_grey_under_the_mask(self) -> None:
        mask = masks.conditioning_mask(grey(np.repeat([[0, 100, 200, 255]], 4, axis=0)))
        assert mask[0, 0, 0].tolist() == [0, 0, 1, 1]
        source = torch.full((2, 3, 4, 4), -0.5)
        assert masks.without_masked(source, mask)[1, 2, 3].tolist() == [-0.5, -0.5, 0, 0]
        assert masks.without_masked(source, mask, 0.5)[1, 2, 3].tolist() == [-0.5, -0.5, -0.25, -0.25]
        assert masks.mask_channel(mask, 2, 2)[0, 0].tolist() == [[0, 1], [0, 1]]


class TestOverlays:
    def test_whole_picture_overlay_leaves_nothing_over_what_is_mostly_new(self) -> None:
        doubled = overlays.whole_picture_overlay_mask(grey([[0, 1, 64, 127, 128, 255]]))
        assert pixels(doubled) == [0, 2, 128, 254, 255, 255]

    def test_outside_of_the_mask_the_original_comes_back_exactly(self) -> None:
        original, mask = pattern(40, 40), Image.new("L", (40, 40))
        mask.paste(255, (15, 15, 25, 25))
        overlay_mask = overlays.whole_picture_overlay_mask(masks.blurred(mask, 2))
        result = overlays.composed(Image.new("RGB", (40, 40), "blue"), overlays.overlay(original, overlay_mask))
        kept, new = np.asarray(overlay_mask) == 0, np.asarray(overlay_mask) == 255
        assert (values(result)[kept] == values(original)[kept]).all()
        assert (values(result)[new] == (0, 0, 255)).all()
        soft = ~kept & ~new
        weight = (np.asarray(overlay_mask)[soft] / 255)[:, None]
        expected = values(original)[soft] * (1 - weight) + np.array([0, 0, 255]) * weight
        assert np.abs(values(result)[soft] - expected).max() <= 2, "premultiplied colours round twice"

    def test_only_masked_goes_back_to_its_place(self) -> None:
        original, mask = pattern(40, 40), Image.new("L", (40, 40))
        box = (10, 12, 26, 28)
        mask.paste(255, box)
        result = overlays.composed(Image.new("RGB", (64, 64), "blue"), overlays.overlay(original, mask), box)
        expected = original.copy()
        expected.paste((0, 0, 255), box)
        assert result.tobytes() == expected.tobytes()

    def test_fill_flows_in_from_around_the_mask(self) -> None:
        picture, mask = Image.new("RGB", (64, 64), (200, 40, 90)), Image.new("L", (64, 64))
        picture.paste((0, 255, 0), (24, 24, 40, 40))
        mask.paste(255, (24, 24, 40, 40))
        filled = values(overlays.filled(picture, mask))
        assert np.abs(filled - (200, 40, 90)).max() <= 6, "nothing of what the mask covers is left"


COLOURS = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 77)]
COLOURS += [(250, 128, 3), (1, 2, 3), (90, 91, 92), (162, 169, 26), (93, 4, 5), (0, 168, 167), (254, 3, 21)]
OPENCV_LAB = [[0, 128, 128], [255, 128, 128], [137, 128, 128], [136, 208, 195], [224, 42, 211], [82, 207, 20]]
OPENCV_LAB += [[181, 61, 177], [169, 169, 201], [1, 128, 127], [99, 128, 127], [170, 110, 193], [45, 166, 153]]
OPENCV_LAB += [[159, 92, 118], [136, 208, 190]]
"""``COLOURS`` by OpenCV 5.0's 8-bit COLOR_RGB2LAB."""

CORRECTED = [
    [[31, 24, 0], [101, 36, 0], [152, 52, 32]],
    [[76, 79, 0], [125, 95, 39], [171, 105, 110]],
    [[117, 135, 0], [155, 153, 61], [198, 164, 137]],
]
"""Every second pixel of the test's picture after OpenCV's conversions, scikit-image 0.26's ``match_histograms`` and
the LUMINOSITY of blendmodes 2022, the libraries that A1111 uses."""


class TestColours:
    def test_lab_is_opencvs(self) -> None:
        assert colours.rgb_to_lab(grey([COLOURS]).convert("RGB")).tolist() == [OPENCV_LAB]

    def test_lab_is_the_published_one(self) -> None:
        """CIE 15 for sRGB's primaries under D65: L* a* b* of red 53.24 80.09 67.20, green 87.73 -86.18 83.18, blue
        32.30 79.19 -107.86."""
        lab = colours.rgb_to_lab(grey([COLOURS[3:6]]).convert("RGB"))[0] / [2.55, 1, 1] - [0, 128, 128]
        published = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
        assert np.abs(lab - published).max() < 0.6

    def test_lab_comes_back(self) -> None:
        picture = pattern(50, 50)
        back = colours.lab_to_rgb(colours.rgb_to_lab(picture)).astype(int)
        assert np.abs(back - values(picture)).mean() < 1

    def test_matching_gives_the_targets_histogram(self) -> None:
        rng = np.random.default_rng(5)
        source = rng.integers(100, 140, (50, 50), dtype=np.uint8)
        target = rng.integers(10, 250, (80, 80), dtype=np.uint8)
        matched = colours.match_histogram(source, target)
        for quantile in (0.1, 0.5, 0.9):
            assert abs(np.quantile(matched, quantile) - np.quantile(target, quantile)) < 8
        assert (colours.match_histogram(target, target) == target).all()

    def test_correction_is_a1111s(self) -> None:
        """Within what rounding on the way back from LAB makes of it."""
        y, x = np.mgrid[0:6, 0:6]
        result = grey(np.stack([x * 40 + 20, y * 35 + 30, (x + y) * 20], axis=-1))
        target = grey(np.stack([250 - y * 30, 120 + x * 9, 60 + y * 12], axis=-1))
        assert np.abs(values(colours.corrected(result, target))[::2, ::2] - CORRECTED).max() <= 1

    def test_the_references_own_picture_is_corrected_as_it_was_there(self) -> None:
        """Both cases are of one request: the second one says what OpenCV, scikit-image and blendmodes made of the first
        one's picture. Ours, which differs from that by one in a few bytes, ends further away: matching histograms makes
        up to 55 of it, with those libraries too."""
        plain, right = (Image.open(IMAGES / f"img2img/{case}/0.png") for case in ("denoise_0.5", "color_correction"))
        made = colours.corrected(plain.convert("RGB"), Image.open(IMAGES / "inputs/init.png").convert("RGB"))
        assert np.abs(values(made) - values(right.convert("RGB"))).max() <= 2

    def test_a_picture_that_has_the_colours_keeps_them(self) -> None:
        picture = pattern(50, 50)
        assert np.abs(values(colours.corrected(picture, picture)) - values(picture)).mean() < 1

    def test_luminosity_stays_in_gamut(self) -> None:
        rng = np.random.default_rng(2)
        tinted, bright = rng.random((30, 30, 3)), rng.random((30, 30, 3))
        blended = colours.with_luminosity(tinted, bright)
        assert blended.min() > -1e-9
        assert blended.max() < 1 + 1e-9
        luma = np.array([0.299, 0.587, 0.114])
        assert np.abs(blended @ luma - bright @ luma).max() < 1e-9
