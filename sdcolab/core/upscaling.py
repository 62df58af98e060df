"""Enlarging finished pictures: what can be asked for, who does it, and the job itself (hechos/a1111.md 10.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import EnlargedTooLarge, FieldOutOfRange, InfotextUnreadable, PictureUnreadable
from sdcolab.core.events import (
    CancelToken,
    Event,
    ImageReady,
    ImageSaved,
    Listener,
    Note,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)
from sdcolab.core.fields import Field, check, fact, table_of
from sdcolab.core.files import atomic_write
from sdcolab.core.finishing import Cutting, Point
from sdcolab.core.folders import LDSR
from sdcolab.core.infotext import Infotext, read_image, render
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.outputs import ImageStore
from sdcolab.core.pictures import MAX_PIXELS, open_picture
from sdcolab.core.resizing import flattened

NO_UPSCALER = "None"
PLAIN_UPSCALERS = (NO_UPSCALER, "Lanczos", "Nearest")
"""Upscalers that need no model, under A1111's names (hechos/a1111.md 4.4)."""

_KNOWN_FILES = {
    "RealESRGAN_x4plus": "R-ESRGAN 4x+",
    "RealESRGAN_x4plus_anime_6B": "R-ESRGAN 4x+ Anime6B",
    "RealESRGAN_x2plus": "R-ESRGAN 2x+",
    "realesr-general-x4v3": "R-ESRGAN General 4xV3",
    "realesr-general-wdn-x4v3": "R-ESRGAN General WDN 4xV3",
    "realesr-animevideov3": "R-ESRGAN AnimeVideo",
    "SwinIR_4x": "SwinIR 4x",
}
"""Files that A1111 gives a name of their own, by stem."""

TO_DOWNLOAD = (LDSR, "R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B", "4x-UltraSharp")
"""Upscalers that everybody knows by name and that the catalogue of downloads has under it."""

MAX_SIDE = 8192
"""Longest side in pixels of an enlarged picture."""


def upscaler_name(stem: str) -> str:
    """How the upscaler in a file with this name, without its extension, is called."""
    return _KNOWN_FILES.get(stem.rsplit("/", 1)[-1], stem)


def network_upscalers(library: Library) -> dict[str, ModelFile]:
    """The upscaling networks of ``library`` by name, in alphabetical order. The second file of a name keeps its
    extension."""
    found: dict[str, ModelFile] = {}
    for file in library.files(ModelKind.UPSCALER):
        name = LDSR if _is_ldsr(file) else upscaler_name(file.stem)
        found[file.name if name in found else name] = file
    return dict(sorted(found.items(), key=lambda entry: entry[0].casefold()))


def _is_ldsr(file: ModelFile) -> bool:
    return file.path.stem == "model" and file.path.resolve().parent.name.casefold() == LDSR.casefold()


def upscaler_names(library: Library) -> tuple[str, ...]:
    """What can be chosen to enlarge pictures: ``PLAIN_UPSCALERS``, then the networks of ``library``."""
    return (*PLAIN_UPSCALERS, *network_upscalers(library))


def networks_run() -> bool:
    """Whether what reads upscaling networks is installed; nothing of it is imported."""
    return all(find_spec(library) is not None for library in ("spandrel", "torchvision"))


def best_upscaler(names: Sequence[str], *, networks: bool) -> str:
    """The one of ``names`` to begin with: the first network that is quick, where ``networks`` run at all."""
    others = (name for name in names if name not in PLAIN_UPSCALERS and name != LDSR)
    return next(others, "Lanczos") if networks else "Lanczos"


class Upscaling(Protocol):
    """What enlarges pictures: the engine's registry of upscalers."""

    def names(self) -> tuple[str, ...]:
        """Every upscaler there is now: ``PLAIN_UPSCALERS``, then the models that were found."""
        ...

    def upscale(
        self, picture: Image.Image, scale: float, name: str, listener: Listener, cancel: CancelToken
    ) -> Image.Image:
        """``picture`` (RGB) about ``scale`` times larger, made in the caller's thread.

        Raises ``UnknownName``, ``Cancelled`` between tiles, and what loading a network raises.
        """
        ...


class Restoring(Protocol):
    """What finds and restores the faces of pictures."""

    def find_faces(self, picture: Image.Image) -> Sequence[Point]:
        """The middles of the faces in ``picture`` (RGB), in its pixels; none where nothing here can find them."""
        ...

    def restore_faces(self, picture: Image.Image, listener: Listener, cancel: CancelToken) -> Image.Image:
        """``picture`` (RGB) with its faces restored, made in the caller's thread.

        Raises ``FaceFileMissing``, ``Cancelled`` between faces, and what loading a network raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Enlargement:
    """How to enlarge pictures: ``scale`` times, at most until the longest side has ``max_side`` pixels (0: no limit);
    or, with ``width`` and ``height`` above 0, to that size, cut to fit when ``crop``.

    ``second`` upscaler's picture is laid over the first one's with ``second_visibility`` (0..1). With ``NO_UPSCALER``
    as the first one nothing is enlarged, as in A1111. ``gfpgan_visibility`` (0..1): how much of the restored faces is
    laid over the result. ``in_eights``: sides are multiples of 8, and what a picture that is cut to fit lacks for the
    wanted size stays black, as in A1111; without, sizes are exact.
    """

    upscaler: str = fact("Lanczos", api=("upscaler_1",), choices="upscalers")
    scale: float = fact(4.0, low=0.05, high=8, step=0.05, api=("upscaling_resize",))
    max_side: int = fact(0, low=0, high=MAX_SIDE, step=64, control="number")
    width: int = fact(0, low=0, high=MAX_SIDE, step=8, api=("upscaling_resize_w",), control="number")
    height: int = fact(0, low=0, high=MAX_SIDE, step=8, api=("upscaling_resize_h",), control="number")
    crop: bool = fact(True, api=("upscaling_crop",))
    second: str = fact(NO_UPSCALER, api=("upscaler_2",), choices="upscalers")
    second_visibility: float = fact(0.0, low=0, high=1, api=("extras_upscaler_2_visibility",))
    gfpgan_visibility: float = fact(0.0, low=0, high=1, api=("gfpgan_visibility",))
    in_eights: bool = False

    def __post_init__(self) -> None:
        check(self, "enlargement")

    @property
    def to_size(self) -> bool:
        """Whether a size was asked for rather than a scale."""
        return self.width > 0 and self.height > 0

    @property
    def blends(self) -> bool:
        """Whether the second upscaler has a part in the picture."""
        return self.second != NO_UPSCALER and self.second_visibility > 0

    def box_of(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The part (left, top, right, bottom) of a picture of ``width`` by ``height`` that is enlarged: all of it, or
        its middle when it is cut to fit."""
        if not (self.to_size and self.crop):
            return 0, 0, width, height
        wide = min(width, max(1, round(height * self.width / self.height)))
        high = min(height, max(1, round(width * self.height / self.width)))
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    def scale_of(self, width: int, height: int) -> float:
        """How many times a picture of ``width`` by ``height`` is enlarged; no side goes above ``MAX_SIDE``."""
        if self.to_size:
            scale = max(self.width / width, self.height / height)
        elif self.max_side:
            scale = min(self.scale, self.max_side / max(width, height))
        else:
            scale = self.scale
        return min(scale, MAX_SIDE / max(width, height))

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Size after enlarging what ``box_of`` leaves, ``width`` by ``height``."""
        if self.to_size and self.crop:
            return self.width, self.height
        scale = self.scale_of(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def check_fits(self, width: int, height: int) -> None:
        """Raise ``FieldOutOfRange`` when a picture of ``width`` by ``height`` would become one of more than
        ``MAX_PIXELS``."""
        if self.in_eights:  # all of it is enlarged, also what is cut afterwards
            replace(self, in_eights=False, crop=False).check_fits(width, height)
            return
        left, top, right, bottom = self.box_of(width, height)
        wide, high = self.size_of(right - left, bottom - top)
        if self.upscaler == NO_UPSCALER or wide * high <= MAX_PIXELS:
            return
        if self.to_size:
            raise FieldOutOfRange(field="enlargement.width", value=self.width, low=0, high=MAX_PIXELS // high)
        largest = math.floor((MAX_PIXELS / (width * height)) ** 0.5 * 100) / 100
        raise FieldOutOfRange(field="enlargement.scale", value=self.scale, low=1.0, high=largest)

    def description(self, number: Callable[[float], str] = "{:g}".format) -> str:
        """What is done, in A1111's words; "" when it is nothing. ``number``: how the scale is written."""
        size = f"{self.width}x{self.height}" if self.to_size else ""
        faces = {"GFPGAN visibility": f"{self.gfpgan_visibility:g}" if self.gfpgan_visibility else ""}
        fields = (
            {}
            if self.upscaler == NO_UPSCALER
            else {
                "Postprocess upscale by": "" if size else number(self.scale),
                "Max side length": str(self.max_side) if self.max_side and not size else "",
                "Postprocess upscale to": size,
                "Postprocess crop to": size if self.crop else "",
                "Postprocess upscaler": self.upscaler,
                "Postprocess upscaler 2": self.second if self.blends else "",
            }
        )
        known = tuple((label, value) for label, value in (fields | faces).items() if value)
        return render(Infotext(fields=known)) if known else ""


ENLARGEMENT_FIELDS: Final[Mapping[str, Field]] = table_of(Enlargement, "enlargement")
"""Every field of an enlargement, by path ("enlargement.scale")."""


Finish = Callable[[Image.Image, str, Listener], tuple[Image.Image, str]]
"""What else is done to an enlarged picture (RGB) with this infotext: the picture afterwards, of the same size, and what
its infotext says of that."""


Tell = Callable[[Image.Image], str]
"""What is seen in a picture (RGB), in words."""


@dataclass(frozen=True, slots=True)
class After:
    """What comes after enlarging: ``finish`` follows the faces, ``cutting`` makes other pictures of each, and ``tell``
    what is written beside each of them."""

    finish: Finish | None = None
    cutting: Cutting = field(default_factory=Cutting)
    tell: Tell | None = None


_EIGHT = 8
"""Sides of what an upscaler makes are multiples of this."""


def enlarged_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """The size in pixels that an upscaler gives a picture of ``size`` when it is to be ``scale`` times larger: sides
    are rounded down to multiples of 8 (hechos/a1111.md 4.4)."""
    width, height = (max(_EIGHT, int(side * scale) // _EIGHT * _EIGHT) for side in size)
    return width, height


def enlarge(
    pictures: Sequence[Image.Image | Path],
    wanted: Enlargement,
    upscaling: Upscaling,
    store: ImageStore | None,
    listener: Listener,
    cancel: CancelToken,
    infotexts: Sequence[str] = (),
    restoring: Restoring | None = None,
    after: After | None = None,
) -> None:
    """Enlarge ``pictures`` (any mode; files are opened when their turn comes, and told where they cannot be) and save
    them, unless ``store`` is None, telling ``listener`` as a generation does. Each keeps its infotext (that of
    ``infotexts``, else the one inside it) and gets ours after it.

    Raises ``UnknownName``, ``Cancelled``, ``DiskFull`` or ``CannotWrite``; ``FieldOutOfRange`` when the only one would
    become too large, which is told of one among many.
    """
    after, count = after or After(), len(pictures)
    results = _Results(store, listener, after)
    for index, given in enumerate(pictures):
        listener(PhaseStarted(Phase.UPSCALING, f"{index + 1}/{count}" if count > 1 else ""))
        cancel.raise_if_cancelled()
        try:
            picture = open_picture(given) if isinstance(given, Path) else given
            wanted.check_fits(*picture.size)
        except PictureUnreadable as error:
            listener(Warned(error))
            continue
        except FieldOutOfRange:
            if count == 1:
                raise
            listener(Warned(EnlargedTooLarge(number=index + 1, width=picture.width, height=picture.height)))
            continue
        tell = _one_of_many(listener, index, count)
        result = enlarged(picture, wanted, upscaling, tell, cancel)
        if wanted.gfpgan_visibility and restoring is not None:
            faces = restoring.restore_faces(result, tell, cancel)
            result = Image.blend(result, faces, wanted.gfpgan_visibility)
        own = (infotexts[index] if index < len(infotexts) else infotext_of(picture)).strip()
        result, finished = after.finish(result, own, tell) if after.finish else (result, "")
        infotext = ", ".join(text for text in (own, wanted.description(), finished) if text)
        for piece in after.cutting.of(result):
            cancel.raise_if_cancelled()
            results.add(piece, infotext, given.stem if isinstance(given, Path) else "")


class _Results:
    """Saves and announces what was made, one after another."""

    def __init__(self, store: ImageStore | None, listener: Listener, after: After) -> None:
        self._store = store
        self._listener = listener
        self._tell = after.tell
        self._count = 0

    def add(self, picture: Image.Image, infotext: str, own: str) -> None:
        """``own``: the name that its file has, kept as A1111 does (``use_original_name_batch``). Raises ``DiskFull`` or
        ``CannotWrite``.
        """
        caption = self._tell(picture) if self._tell else ""
        if self._store is None:
            self._listener(ImageReady(self._count, picture, 0, infotext))
        else:
            path = self._store.save(picture, infotext, None, own)
            if self._tell:
                with atomic_write(path.with_suffix(".txt")) as file:
                    file.write(f"{caption}\n".encode())
            self._listener(ImageSaved(self._count, path, 0, infotext))
        if self._tell:
            self._listener(Note(caption))
        self._count += 1


def _one_of_many(listener: Listener, index: int, count: int) -> Listener:
    """A listener for the steps of picture ``index`` of ``count``: hundredths of each, over all of them."""

    def hear(event: Event) -> None:
        if isinstance(event, StepDone) and count > 1:
            done = index * 100 + 100 * event.step // event.total
            event = StepDone(done, count * 100, index + 1, count, event.preview)
        listener(event)

    return hear


def enlarged(
    picture: Image.Image, wanted: Enlargement, upscaling: Upscaling, listener: Listener, cancel: CancelToken
) -> Image.Image:
    """``picture`` (any mode) enlarged, as RGB; what is transparent lies on white, as in img2img. Raises ``UnknownName``
    or ``Cancelled``."""
    rgb = flattened(picture)
    if wanted.upscaler == NO_UPSCALER:
        return rgb
    whole = wanted.in_eights or not (wanted.to_size and wanted.crop)
    rgb = rgb if whole else rgb.crop(wanted.box_of(*rgb.size))
    size = None if wanted.in_eights else wanted.size_of(*rgb.size)
    scale = max(size[0] / rgb.width, size[1] / rgb.height) if size else wanted.scale_of(*rgb.size)

    def one(name: str) -> Image.Image:
        large = upscaling.upscale(rgb, scale, name, listener, cancel)
        return large.resize(size, Image.Resampling.LANCZOS) if size and large.size != size else large

    made = one(wanted.upscaler)
    if wanted.blends:
        made = Image.blend(made, one(wanted.second), wanted.second_visibility)
    cut = wanted.in_eights and wanted.to_size and wanted.crop
    return _on_canvas(made, wanted.width, wanted.height) if cut else made


def _on_canvas(picture: Image.Image, width: int, height: int) -> Image.Image:
    """``picture`` in the middle of a black canvas, cut where it is larger."""
    canvas = Image.new("RGB", (width, height))
    canvas.paste(picture, (width // 2 - picture.width // 2, height // 2 - picture.height // 2))
    return canvas


def infotext_of(picture: Image.Image) -> str:
    """What is written inside ``picture``; empty when it is nothing that can be read."""
    try:
        return read_image(picture, "")
    except InfotextUnreadable:
        return ""
