"""Enlarging pictures: sizes, cutting, mixing two upscalers, and what is saved."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdcolab.core.errors import Cancelled, EnlargedTooLarge, FieldOutOfRange, PictureUnreadable
from sdcolab.core.events import CancelToken, Event, ImageSaved, Listener, Note, Warned
from sdcolab.core.finishing import Cutting, Flip
from sdcolab.core.outputs import ImageStore, png_text
from sdcolab.core.pictures import open_picture
from sdcolab.core.upscaling import MAX_SIDE, NO_UPSCALER, After, Enlargement, best_upscaler, enlarge, enlarged
from sdcolab.core.words import FIELD_WORDS


class Painter:
    """Stands in for the engine: one colour an upscaler."""

    def __init__(self) -> None:
        self.colours = {"Rojo": (200, 0, 0), "Azul": (0, 0, 200)}

    def names(self) -> tuple[str, ...]:
        return tuple(self.colours)

    def upscale(
        self, picture: Image.Image, scale: float, name: str, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        assert picture.mode == "RGB"
        cancel.raise_if_cancelled()
        return Image.new("RGB", (round(picture.width * scale) + 3, picture.height), self.colours[name])


def run(folder: Path, pictures: list[Image.Image], wanted: Enlargement) -> list[ImageSaved]:
    events: list[Event] = []
    enlarge(pictures, wanted, Painter(), ImageStore(folder, today=None), events.append, CancelToken())
    return [event for event in events if isinstance(event, ImageSaved)]


def test_labels_are_complete() -> None:
    known = {f"enlargement.{field.name}" for field in fields(Enlargement)}
    assert {path for path in FIELD_WORDS if path.startswith("enlargement.")} == known


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (Enlargement(scale=2), (80, 40)),
        (Enlargement(scale=4, max_side=100), (100, 50)),
        (Enlargement(scale=2, width=64), (80, 40)),
        (Enlargement(width=100, height=100, crop=False), (200, 100)),
        (Enlargement(width=100, height=100), (100, 100)),
        (Enlargement(width=300, height=50), (300, 50)),
    ],
)
def test_sizes(wanted: Enlargement, size: tuple[int, int], tmp_path: Path) -> None:
    (saved,) = run(tmp_path, [Image.new("RGBA", (40, 20))], Enlargement(**{**_as_dict(wanted), "upscaler": "Rojo"}))
    assert open_picture(saved.path).size == size


def test_colours_under_what_is_transparent_stay_hidden(tmp_path: Path) -> None:
    hidden = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    (saved,) = run(tmp_path, [hidden], Enlargement(upscaler=NO_UPSCALER))
    assert open_picture(saved.path).convert("RGB").getcolors() == [(16, (255, 255, 255))]


def _as_dict(wanted: Enlargement) -> dict[str, object]:
    return {field.name: getattr(wanted, field.name) for field in fields(wanted)}


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 8192), st.integers(0, 8192), st.booleans())
def test_boxes_lie_inside_and_sizes_stay_in_bounds(
    width: int, height: int, wanted_width: int, wanted_height: int, crop: bool
) -> None:
    wanted = Enlargement(width=wanted_width, height=wanted_height, crop=crop, scale=8)
    left, top, right, bottom = wanted.box_of(width, height)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert all(1 <= side <= MAX_SIDE for side in wanted.size_of(right - left, bottom - top))


def test_what_enlarging_begins_with_can_run_here() -> None:
    names = ("None", "Lanczos", "Nearest", "LDSR", "Remacri")
    assert best_upscaler(names, networks=True) == "Remacri"
    assert best_upscaler(names, networks=False) == "Lanczos"
    assert best_upscaler(names[:4], networks=True) == "Lanczos", "LDSR takes minutes: nobody begins with it"


def test_the_second_upscaler_is_laid_over_the_first(tmp_path: Path) -> None:
    wanted = Enlargement("Rojo", scale=2, second="Azul", second_visibility=0.25)
    (saved,) = run(tmp_path, [Image.new("L", (8, 8))], wanted)
    assert open_picture(saved.path).getpixel((0, 0)) == (150, 0, 50)
    assert saved.infotext == "Postprocess upscale by: 2, Postprocess upscaler: Rojo, Postprocess upscaler 2: Azul"


def test_pictures_of_a_folder_keep_their_names(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("foto 1.png", "otra/foto 1.jpg", "ñandú.webp")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(file)
    saved = run(tmp_path / "salida", files, Enlargement("Azul", scale=2))
    assert [one.path.name for one in saved] == ["foto 1.png", "foto 1-2.png", "ñandú.png"]


def test_the_infotext_is_kept_and_files_are_numbered(tmp_path: Path) -> None:
    source = tmp_path / "origen.png"
    Image.new("RGB", (8, 8)).save(source, pnginfo=png_text("un gato\nSteps: 20, Sampler: Euler a, Seed: 1"))
    saved = run(tmp_path / "salida", [open_picture(source)] * 2, Enlargement("Azul", width=16, height=16))
    assert [one.path.name for one in saved] == ["00000.png", "00001.png"]
    assert open_picture(saved[1].path).info["parameters"] == (
        "un gato\nSteps: 20, Sampler: Euler a, Seed: 1, Postprocess upscale to: 16x16, Postprocess crop to: 16x16, "
        "Postprocess upscaler: Azul"
    )


def test_cancelled_before_the_first_picture(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        enlarge(
            [Image.new("RGB", (8, 8))],
            Enlargement("Rojo"),
            Painter(),
            ImageStore(tmp_path),
            lambda _event: None,
            cancel,
        )
    assert list(tmp_path.iterdir()) == []


def test_without_an_upscaler_a_picture_stays_as_it_is(tmp_path: Path) -> None:
    (saved,) = run(tmp_path, [Image.new("RGB", (8, 8), (1, 2, 3))], Enlargement("None", second="Azul", scale=4))
    assert open_picture(saved.path).size == (8, 8)
    assert saved.infotext == ""


@pytest.mark.parametrize(
    ("wanted", "field", "largest"),
    [
        (Enlargement("Rojo", scale=4), "enlargement.scale", 3.53),
        (Enlargement("Rojo", width=8192, height=8192), "enlargement.width", 6103),
    ],
)
def test_results_that_could_not_be_opened_are_refused(wanted: Enlargement, field: str, largest: float) -> None:
    with pytest.raises(FieldOutOfRange) as caught:
        wanted.check_fits(2000, 2000)
    assert (caught.value.field, caught.value.high) == (field, largest)
    Enlargement("Rojo", scale=3.53).check_fits(2000, 2000)


@pytest.mark.parametrize(
    "wrong", [{"scale": 0.01}, {"scale": 9}, {"max_side": -1}, {"width": 9000}, {"second_visibility": 1.1}]
)
def test_limits(wrong: dict[str, float]) -> None:
    with pytest.raises(FieldOutOfRange):
        Enlargement(**wrong)  # type: ignore[arg-type]


def test_as_a1111_sides_are_in_eights_and_what_lacks_is_black() -> None:
    class Eights(Painter):
        def upscale(self, picture: Image.Image, scale: float, *_rest: object) -> Image.Image:
            wide, high = (int(side * scale) // 8 * 8 for side in picture.size)
            return Image.new("RGB", (wide, high), "white")

    def made(wanted: Enlargement) -> Image.Image:
        return enlarged(Image.new("RGB", (160, 96)), wanted, Eights(), lambda _event: None, CancelToken())

    cut = made(Enlargement("Rojo", width=300, height=300, in_eights=True))
    assert cut.size == (300, 300)
    assert cut.getpixel((150, 1)) == (0, 0, 0)
    assert cut.getpixel((0, 2)) == (255, 255, 255)
    assert made(Enlargement("Rojo", scale=0.7, in_eights=True)).size == (112, 64)


def test_restored_faces_are_laid_over_the_result(tmp_path: Path) -> None:
    class Restorer:
        def restore_faces(self, picture: Image.Image, *_rest: object) -> Image.Image:
            return Image.new("RGB", picture.size, "white")

    events: list[Event] = []
    wanted = Enlargement("None", gfpgan_visibility=0.5)
    picture = Image.new("RGB", (8, 8), "black")
    enlarge([picture], wanted, Painter(), ImageStore(tmp_path), events.append, CancelToken(), (), Restorer())
    (saved,) = [event for event in events if isinstance(event, ImageSaved)]
    assert open_picture(saved.path).getpixel((0, 0)) in ((127, 127, 127), (128, 128, 128))
    assert saved.infotext == "GFPGAN visibility: 0.5"


def test_pictures_in_files_are_cut_and_described_one_by_one(tmp_path: Path) -> None:
    first, broken = tmp_path / "a.png", tmp_path / "b.png"
    Image.new("RGB", (40, 20), "red").save(first, pnginfo=png_text("un gato\nSteps: 20, Sampler: Euler, Seed: 1"))
    broken.write_bytes(b"nada")
    events: list[Event] = []
    seen: list[tuple[int, int]] = []

    def tell(picture: Image.Image) -> str:
        seen.append(picture.size)
        return f"gato, {len(seen)}"

    after, store = After(cutting=Cutting(flip=Flip()), tell=tell), ImageStore(tmp_path / "salida", today=None)
    pictures = [Image.new("RGB", (40, 20)), broken, first]
    enlarge(pictures, Enlargement("Rojo", scale=2), Painter(), store, events.append, CancelToken(), (), None, after)
    saved = [event for event in events if isinstance(event, ImageSaved)]
    assert [event.index for event in saved] == [0, 1, 2, 3]
    assert [event.path.with_suffix(".txt").read_text() for event in saved] == [f"gato, {n}\n" for n in range(1, 5)]
    assert [event.text for event in events if isinstance(event, Note)] == [f"gato, {n}" for n in range(1, 5)]
    assert saved[2].infotext.startswith("un gato") and "Postprocess upscaler: Rojo" in saved[3].infotext
    assert [type(event.warning) for event in events if isinstance(event, Warned)] == [PictureUnreadable]


def test_of_many_pictures_one_that_would_be_too_large_is_left_out(tmp_path: Path) -> None:
    small, large, wanted = Image.new("RGB", (8, 8)), Image.new("RGB", (6000, 6000)), Enlargement("Rojo", scale=8)
    events: list[Event] = []
    store = ImageStore(tmp_path, today=None)
    enlarge([small, large, small], wanted, Painter(), store, events.append, CancelToken())
    assert sum(isinstance(event, ImageSaved) for event in events) == 2
    (told,) = (event.warning for event in events if isinstance(event, Warned))
    assert isinstance(told, EnlargedTooLarge) and told.number == 2
    with pytest.raises(FieldOutOfRange):
        enlarge([large], wanted, Painter(), store, events.append, CancelToken())
