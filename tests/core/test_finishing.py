"""What becomes of enlarged pictures: splitting, cutting, flipping, and the folders that can be worked on whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from sdcolab.core.errors import FieldOutOfRange, UnknownName
from sdcolab.core.finishing import CropObjective, Cutting, Flip, FocalCrop, SizedCrop, Split
from sdcolab.core.folders import Folders
from sdcolab.core.picture_folders import MOST_FOLDERS, picture_folders, pictures_of

GREY = (90, 90, 90)


def spotted(size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    """A plain picture with a chequered spot of 60 pixels around ``at``."""
    picture = Image.new("RGB", size, GREY)
    draw = ImageDraw.Draw(picture)
    for x in range(-30, 30, 10):
        for y in range(-30, 30, 10):
            shade = (x // 10 + y // 10) % 2 * 255
            draw.rectangle((at[0] + x, at[1] + y, at[0] + x + 9, at[1] + y + 9), fill=(shade, shade, shade))
    return picture


def ramp(width: int, height: int) -> Image.Image:
    """A picture whose rows are told by their brightness."""
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def test_a_tall_picture_is_cut_from_its_beginning_to_its_end() -> None:
    parts = list(Split().parts(ramp(300, 1200)))
    assert [part.size for part in parts] == [(512, 512)] * 5  # 2048 rows; 512 less a fifth each, at least
    first, last = parts[0].convert("L"), parts[-1].convert("L")
    assert first.getpixel((5, 0)) <= 1 and last.getpixel((5, 511)) >= 254
    starts = [part.convert("L").getpixel((5, 0)) for part in parts]
    assert starts == sorted(starts)


def test_a_wide_picture_is_cut_across() -> None:
    parts = list(Split(width=256, height=512, threshold=0.6).parts(ramp(300, 1200).rotate(90, expand=True)))
    assert {part.size for part in parts} == {(256, 512)} and len(parts) > 5


@pytest.mark.parametrize("size", [(512, 512), (600, 500), (500, 900)])
def test_what_is_not_long_stays_whole(size: tuple[int, int]) -> None:
    picture = ramp(*size)
    assert list(Split().parts(picture)) == [picture]


@given(
    width=st.integers(16, 400),
    height=st.integers(16, 400),
    side=st.sampled_from([64, 128, 192]),
    overlap=st.floats(0, 0.9),
)
def test_parts_always_have_their_size(width: int, height: int, side: int, overlap: float) -> None:
    picture = Image.new("RGB", (width, height))
    parts = list(Split(width=side, height=side, threshold=1, overlap=overlap).parts(picture))
    assert all(part.size == (side, side) for part in parts) or parts == [picture]


@pytest.mark.parametrize("at", [(60, 100), (200, 100), (340, 100)])
def test_the_crop_follows_what_matters(at: tuple[int, int]) -> None:
    crop = FocalCrop(width=192, height=192).cut(spotted((400, 192), at))
    assert crop.size == (192, 192)
    spot = [x for x in range(192) if crop.getpixel((x, 100)) != GREY]
    assert spot and spot[-1] - spot[0] >= 55  # the whole spot is in it


def test_faces_weigh_most() -> None:
    picture = spotted((600, 192), (60, 100))
    without, with_faces = (
        FocalCrop(width=192, height=192).focus(picture, find)[0] for find in (None, lambda _picture: [(550.0, 90.0)])
    )
    assert without < 150 < 300 < with_faces
    assert FocalCrop(width=192, height=192, faces=0).focus(picture, lambda _picture: [(550.0, 90.0)])[0] == without


def test_a_plain_picture_is_cut_in_its_middle() -> None:
    assert FocalCrop(entropy=0).focus(Image.new("RGB", (512, 900), GREY)) == (256, 450)


@pytest.mark.parametrize("cut", [lambda one: list(Split(width=2048).parts(one)), FocalCrop(width=2048).cut])
def test_a_thread_does_not_fill_the_memory(cut: Callable[[Image.Image], object]) -> None:
    with pytest.raises(FieldOutOfRange):
        cut(Image.new("RGB", (2, 60_000)))


def test_the_size_that_suits_best() -> None:
    assert SizedCrop().size_for(300, 400) == (576, 704)  # the largest below 640 * 640 that is near 3:4
    exact = SizedCrop(objective=CropObjective.ERROR).size_for(300, 400)
    assert exact == (384, 512)
    assert SizedCrop(error=0).size_for(1000, 333) is None
    picture = Image.new("RGB", (1000, 333))
    assert SizedCrop(error=0).cut(picture) is picture


def test_every_step_in_its_order() -> None:
    cutting = Cutting(Split(width=128, height=128), None, SizedCrop(low=64, high=64), Flip(vertical=True, both=True))
    made = list(cutting.of(spotted((100, 500), (50, 250))))
    assert {one.size for one in made} == {(64, 64)} and len(made) % 4 == 0 and len(made) > 4
    one, mirrored, upside_down, both = made[:4]
    assert mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT).tobytes() == one.tobytes()
    assert upside_down.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes() == one.tobytes()
    assert both.transpose(Image.Transpose.ROTATE_180).tobytes() == one.tobytes()


def test_nothing_asked_nothing_done() -> None:
    picture = Image.new("RGB", (70, 30))
    assert list(Cutting().of(picture)) == [picture]


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_folders_are_those_with_pictures(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "sdcolab")
    outside = tmp_path / "fuera"
    outside.mkdir()
    Image.new("RGB", (4, 4)).save(outside / "secreta.png")
    for day in ("2026-01-02", "2026-01-03"):
        (folders.txt2img / day).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folders.txt2img / day / "00001.png")
    (folders.txt2img / "vacía").mkdir()
    (folders.txt2img / "enlace").symlink_to(outside)
    found = picture_folders(folders)
    assert list(found) == [f"outputs/txt2img-images/{day}" for day in ("2026-01-03", "2026-01-02")]
    assert [path.name for path in pictures_of("outputs/txt2img-images/2026-01-02", folders)] == ["00001.png"]
    for name in ("../fuera", str(outside), "outputs/txt2img-images/enlace", "", "/"):
        with pytest.raises(UnknownName):
            pictures_of(name, folders)


def test_there_is_an_end_of_folders(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for number in range(MOST_FOLDERS + 20):
        day = folders.extras / f"{number:04}"
        day.mkdir(parents=True)
        (day / "1.png").touch()
    assert len(picture_folders(folders)) == MOST_FOLDERS
