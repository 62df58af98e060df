"""The pictures of a training: folders and captions in, a list of pictures sorted into buckets out. No torch, no pixel
is read.

Folders, repeats, captions and counts follow sd-scripts' rules (hechos/extensiones.md 11, "Data" and "Steps"), so that
a plan trains the same pictures the same number of times in both programs.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import (
    CannotRead,
    CaptionEmpty,
    CaptionUnreadable,
    DatasetEmpty,
    DatasetMissing,
    FolderOfNoRepeats,
    FolderWithoutRepeats,
    PictureSkipped,
    PlanOptionUnserved,
    SdcolabError,
)
from sdcolab.core.files import system_reason
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS
from sdcolab.training.buckets import BucketRules, Buckets, Fit, Size
from sdcolab.training.captions import CaptionRules, tag_frequency

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PICTURE_SUFFIXES = frozenset((*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES)))
"""Suffixes that trainers read: all in lower case or all in capitals."""

MASK_SUFFIX = "_mask"
"""A picture ``NAME_mask.png`` beside ``NAME.png`` tells where the loss counts (white) and where it does not (black)."""

MAX_CAPTION_BYTES = 100_000

_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""
_ORIENTATION = 0x0112
_READ_LAZILY = ("JPEG", "MPO", "BMP")
"""Formats whose end Pillow has not seen when it knows size and orientation: half an upload would go unnoticed."""


@dataclass(frozen=True, slots=True)
class Subset:
    """A folder of pictures. ``class_tokens`` is the caption of pictures that have none.

    ``regularisation`` pictures show what the model should not forget: their loss counts ``prior_loss_weight`` times.
    """

    folder: Path
    repeats: int = 1
    regularisation: bool = False
    class_tokens: str | None = None
    caption_extension: str = ".caption"
    captions: CaptionRules = field(default_factory=CaptionRules)
    flip: bool = False
    colour: bool = False
    random_crop: bool = False
    alpha_mask: bool = False


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """Folders that share bucket rules and batch size. A training may have several."""

    rules: BucketRules
    subsets: tuple[Subset, ...]
    batch_size: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and how it is trained. ``size`` is (width, height) as its camera held it."""

    path: Path
    subset: Subset
    caption: str
    captioned: bool
    repeats: int
    size: Size
    fit: Fit
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A planned folder set with its pictures, those of regularisation last."""

    plan: DatasetPlan
    pictures: tuple[Picture, ...]
    found: tuple[tuple[Subset, int, dict[str, int]], ...]
    """Each folder with its number of pictures and its tags, folders that gave none included."""

    @property
    def train_images(self) -> int:
        """Pictures times repeats, without regularisation."""
        return sum(count * subset.repeats for subset, count, _ in self.found if not subset.regularisation)

    @property
    def reg_images(self) -> int:
        """Regularisation pictures times their folder's repeats."""
        return sum(count * subset.repeats for subset, count, _ in self.found if subset.regularisation)

    @property
    def buckets(self) -> dict[Size, tuple[int, ...]]:
        """Bucket -> indices of its pictures, each as often as it is repeated; sorted by bucket."""
        filled: dict[Size, list[int]] = {}
        for index, picture in enumerate(self.pictures):
            filled.setdefault(picture.fit.bucket, []).extend([index] * picture.repeats)
        return {size: tuple(filled[size]) for size in sorted(filled)}

    @property
    def batch_count(self) -> int:
        """Batches of an epoch: no batch mixes buckets."""
        return sum(math.ceil(len(entries) / self.plan.batch_size) for entries in self.buckets.values())

    @property
    def ratio_error(self) -> float:
        """Mean difference of shape between pictures and their buckets."""
        errors = [abs(picture.fit.ratio_error) for picture in self.pictures]
        return sum(errors) / len(errors) if errors else 0.0


def batches(dataset: Dataset, seed: int, epoch: int) -> tuple[tuple[int, ...], ...]:
    """The batches of ``epoch`` (from 1), in the order of training: indices of pictures.

    Entries are shuffled within their buckets and batches among each other; ``seed`` and ``epoch`` alone decide, so that
    an interrupted epoch can be gone on with.
    """
    chance = random.Random(seed + epoch)
    made: list[tuple[int, ...]] = []
    for entries in dataset.buckets.values():
        order = list(entries)
        chance.shuffle(order)
        size = dataset.plan.batch_size
        made += [tuple(order[start : start + size]) for start in range(0, len(order), size)]
    chance.shuffle(made)
    return tuple(made)


# --- Reading folders --------------------------------------------------------------------------------------------------

Complain = Callable[[SdcolabError], object]
"""Hears of what is left out."""


def ignore(_warning: SdcolabError) -> None:
    """For those who do not want to hear it."""


def folders_with_repeats(parent: Path, *, regularisation: bool = False, hear: Complain = ignore) -> Iterator[Subset]:
    """The folders ``N_words`` of ``parent``, N repeats each; ``words`` is the caption of pictures without one.

    Raises ``DatasetMissing``.
    """
    if not parent.is_dir():
        raise DatasetMissing(folder=parent)
    for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
        number, _, words = folder.name.partition("_")
        try:
            repeats = int(number)
        except ValueError:
            if not folder.name.startswith((".", "_")) and any(picture_paths(folder)):
                hear(FolderWithoutRepeats(folder=folder, name=folder.name))
            continue
        if repeats >= 1:
            yield Subset(folder, repeats, regularisation, words)
        elif any(picture_paths(folder)):
            hear(FolderOfNoRepeats(folder=folder, name=words or folder.name))


def read_dataset(plan: DatasetPlan, hear: Complain = ignore) -> Dataset:
    """Look at the folders of ``plan``. Files that are left out are told to ``hear``.

    Raises ``DatasetEmpty``, ``BucketRange``, ``PictureTooSmall``, ``CannotRead``, and once for all of them
    ``CaptionUnreadable`` or ``CaptionEmpty``.
    """
    buckets = Buckets(plan.rules.adjusted())
    spoiled: list[CaptionUnreadable | CaptionEmpty] = []
    train: list[Picture] = []
    reg: list[Picture] = []
    found: list[tuple[Subset, int, dict[str, int]]] = []
    seen: set[Path] = set()
    for subset in plan.subsets:
        if subset.folder in seen:
            continue
        seen.add(subset.folder)
        pictures = _read_subset(subset, buckets, hear, spoiled)
        (reg if subset.regularisation else train).extend(pictures)
        found.append((subset, len(pictures), tag_frequency(picture.caption for picture in pictures)))
    if spoiled:
        like = [one for one in spoiled if type(one) is type(spoiled[0])]
        raise replace(spoiled[0], count=len(like))
    dataset = Dataset(plan, (*train, *()), tuple(found))
    if not train:
        raise DatasetEmpty(folder=plan.subsets[0].folder if plan.subsets else Path())
    return replace(dataset, pictures=(*train, *_as_many(reg, dataset.train_images)))


def _as_many(reg: Sequence[Picture], wanted: int) -> list[Picture]:
    """Regularisation pictures, repeated in turn until there are ``wanted`` of them; those not needed are left out."""
    repeats: list[int] = []
    total = 0
    for picture in reg:
        if total >= wanted:
            break
        repeats.append(picture.repeats)
        total += picture.repeats
    used = len(repeats)
    for turn in range(max(0, wanted - total) if used else 0):
        repeats[turn % used] += 1
    return [replace(picture, repeats=count) for picture, count in zip(reg, repeats, strict=False)]


def picture_paths(folder: Path) -> list[Path]:
    """Pictures right in ``folder``, sorted; masks of others do not count."""
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if path.suffix in PICTURE_SUFFIXES and not path.name.startswith(".")]
    stems = {path.stem for path in paths}
    masks = {path for path in paths if path.stem.endswith(MASK_SUFFIX) and path.stem.removesuffix(MASK_SUFFIX) in stems}
    return sorted(path for path in paths if path not in masks and path.is_file())


def refuse_unserved(datasets: Iterable[Dataset]) -> None:
    """Options that change what is learnt and that do not exist here. Raises ``PlanOptionUnserved``."""
    subsets = [subset for dataset in datasets for subset in dataset.plan.subsets]
    for name, asked in (
        ("color_aug", any(subset.colour for subset in subsets)),
        ("random_crop", any(subset.random_crop for subset in subsets)),
    ):
        if asked:
            raise PlanOptionUnserved(name=name)


def _read_subset(
    subset: Subset, buckets: Buckets, hear: Complain, spoiled: list[CaptionUnreadable | CaptionEmpty]
) -> list[Picture]:
    """The pictures of a folder; captions that cannot be used go to ``spoiled``, so that all can be told at once."""
    pictures = []
    if subset.folder.is_dir():
        for path in sorted(subset.folder.iterdir()):
            if path.suffix.lower() in PICTURE_SUFFIXES and path.suffix not in PICTURE_SUFFIXES:
                hear(PictureSkipped(path=path))
    for path in picture_paths(subset.folder):
        size = picture_size(path)
        if size is None:
            hear(PictureSkipped(path=path))
            continue
        try:
            own = read_caption(path, subset.caption_extension, every_line=subset.captions.wildcards)
        except (CaptionUnreadable, CaptionEmpty) as error:
            spoiled.append(error)
            continue
        pictures.append(
            Picture(
                path=path,
                subset=subset,
                caption=own if own is not None else subset.class_tokens or "",
                captioned=own is not None,
                repeats=subset.repeats,
                size=size,
                fit=buckets.fit(size),
                mask=mask_of(path),
            )
        )
    return pictures


def mask_of(path: Path) -> Path | None:
    """The picture's mask, if it has one."""
    return next(
        (mask for suffix in _SUFFIXES if (mask := path.with_name(f"{path.stem}{MASK_SUFFIX}{suffix}")).is_file()), None
    )


def picture_size(path: Path) -> Size | None:
    """Width and height of a picture as its camera held it; None when it is none, or half of one, or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                size = image.size
                if size[0] * size[1] > MAX_PIXELS:
                    return None
                turned = image.getexif().get(_ORIENTATION) in _TURNED
                if image.format in _READ_LAZILY:
                    image.draft("L", (1, 1))  # an eighth of the work: only whether it is whole matters
                    image.load()
    except DAMAGED:
        return None
    return (size[1], size[0]) if turned else size


def read_caption(picture: Path, extension: str, *, every_line: bool = False) -> str | None:
    """The caption beside ``picture``: its first line, or with ``every_line`` all that are not blank. None where there
    is no file.

    Raises ``CaptionUnreadable`` or ``CaptionEmpty``.
    """
    path = picture.with_suffix(extension)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CAPTION_BYTES + 1)
        text = data.decode("utf-8").removeprefix("\ufeff")  # some editors put a mark first, which is no part of a tag
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    except UnicodeDecodeError as error:
        raise CaptionUnreadable(path=path) from error
    if len(data) > MAX_CAPTION_BYTES:
        raise CaptionUnreadable(path=path)
    if not text:
        raise CaptionEmpty(path=path)
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(filter(None, lines)) if every_line else lines[0]


# --- Telling datasets apart -------------------------------------------------------------------------------------------


def dataset_hash(datasets: Iterable[Dataset]) -> str:
    """SHA-256 over names, sizes, repeats and captions of all pictures and the bytes of their files and masks: tells
    whether a training goes on with what it began with.
    """
    digest = hashlib.sha256()
    for dataset in datasets:
        for picture in dataset.pictures:
            row = (picture.path.name, picture.size, picture.repeats, picture.caption, picture.fit.bucket)
            digest.update(json.dumps(row).encode())
            for path in filter(None, (picture.path, picture.mask)):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
