"""Captions of anime pictures by the WD taggers (hechos/extensiones.md 9): an ONNX model and its list of tags. No torch.

The order of edits is sd-scripts': thresholds, tags not wanted, ratings, tags that go first, then what was in the file
already.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdcolab.core.checks import check_range
from sdcolab.core.errors import CannotRead, LibraryMissing, SdcolabError, TaggerDamaged, TaggerMissing
from sdcolab.core.files import system_reason
from sdcolab.training.pictures import open_training_picture
from sdcolab.training.tags import EXTENSION, write_caption

MODEL_FILE, TAGS_FILE = "model.onnx", "selected_tags.csv"
SIDE = 448
_GENERAL, _CHARACTER, _RATING = "0", "4", "9"
_KAOMOJI = 3
"""Tags of up to so many letters keep their underscores: ``^_^``."""
MAX_TAGS = 200_000

Pixels = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class TaggerRules:
    """What becomes of the probabilities. ``character_threshold`` and ``general_threshold`` None: the common one; a
    threshold above 1 leaves that kind out.
    """

    threshold: float = 0.35
    general_threshold: float | None = None
    character_threshold: float | None = None
    without_underscores: bool = False
    undesired: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    rating: bool = False
    rating_last: bool = False
    characters_first: bool = False
    expand_characters: bool = False
    separator: str = ", "
    append: bool = False

    def __post_init__(self) -> None:
        check_range("umbral", self.threshold, 0, 2)


@dataclass(frozen=True, slots=True)
class TagList:
    """A model's tags in the order of its answers, by kind."""

    names: tuple[str, ...]
    categories: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> TagList:
        """Rows of ``tag_id,name,category,count``, or as the first row names them. Raises ``CannotRead``."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [row for _, row in zip(range(MAX_TAGS), csv.reader(file), strict=False)]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = system_reason(error) if isinstance(error, OSError) else "damaged"
            raise CannotRead(path=path, reason=reason) from error
        head = rows[0] if rows and "name" in rows[0] else ["tag_id", "name", "category"]
        name, category = head.index("name"), head.index("category")
        body = rows[1:] if rows and rows[0] is head else rows
        good = [row for row in body if len(row) > max(name, category)]
        return cls(tuple(row[name] for row in good), tuple(row[category] for row in good))


def tags_of(probabilities: Sequence[float], tags: TagList, rules: TaggerRules) -> list[str]:
    """The tags of a picture, in the order in which its caption has them."""
    general = _above(probabilities, tags, _GENERAL, rules.general_threshold, rules)
    characters = _above(probabilities, tags, _CHARACTER, rules.character_threshold, rules)
    found = [*characters[::-1], *general] if rules.characters_first else [*general, *characters]
    if rules.rating or rules.rating_last:
        ratings = [index for index, kind in enumerate(tags.categories) if kind == _RATING]
        name = _shown(tags.names[max(ratings, key=lambda index: probabilities[index])], rules)
        if name not in rules.undesired:
            found = [name, *found] if rules.rating else [*found, name]
    for name in rules.first:
        if name in found:
            found.remove(name)
            found.insert(0, name)
    return found


def _above(
    probabilities: Sequence[float], tags: TagList, category: str, threshold: float | None, rules: TaggerRules
) -> list[str]:
    limit = np.float32(rules.threshold if threshold is None else threshold)
    found = []
    for index, (name, kind) in enumerate(zip(tags.names, tags.categories, strict=True)):
        if kind == category and np.float32(probabilities[index]) >= limit:
            if category == _CHARACTER and rules.expand_characters:
                name = _expanded(name, rules.separator)
            shown = _shown(name, rules)
            if shown not in rules.undesired:
                found.append(shown)
    return found


def _expanded(name: str, separator: str) -> str:
    """``saber_(fate)`` as its character and its series."""
    if not name.endswith(")"):
        return name
    character, _, series = name.rpartition("(")
    return character.removesuffix("_") + separator + series.replace(")", "")


def _shown(name: str, rules: TaggerRules) -> str:
    return name.replace("_", " ") if rules.without_underscores and len(name) > _KAOMOJI else name


def caption_text(found: Sequence[str], existing: str | None, rules: TaggerRules) -> str:
    """The caption file's text; with ``append`` new tags come after those that were there."""
    if rules.append and existing is not None:
        old = [tag.strip() for tag in existing.split(rules.separator.strip()) if tag.strip()]
        found = [*old, *(tag for tag in found if tag not in old)]
    return rules.separator.join(found) + "\n"


def pixels_of(picture: Image.Image, side: int = SIDE) -> Pixels:
    """What the model reads: [side, side, 3], blue first, 0..255, on white and padded to a square with white."""
    plain = picture.convert("RGBA") if "A" in picture.getbands() or "transparency" in picture.info else picture
    if plain.mode == "RGBA":
        white = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(white, plain)
    rgb = np.asarray(plain.convert("RGB"), np.uint8)
    height, width = rgb.shape[:2]
    longest = max(height, width)
    square = np.full((longest, longest, 3), 255, np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = rgb
    return _resized(np.ascontiguousarray(square[:, :, ::-1]), side).astype(np.float32)


def _resized(square: Any, side: int) -> Any:
    if square.shape[0] == side:
        return square
    way = Image.Resampling.BOX if square.shape[0] > side else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(square).resize((side, side), way))


def plain_pixels_of(picture: Image.Image, side: int = SIDE) -> Pixels:
    """What PixAI's model reads: [3, side, side], red first, -1..1, stretched to a square, transparent pixels white."""
    layer = picture.convert("RGBA")
    rgb = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    values = np.asarray(rgb.resize((side, side), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1
    return np.ascontiguousarray(values.transpose(2, 0, 1))


Predict = Callable[[Pixels], Pixels]
"""Pictures as the model reads them, [B, ...] -> probabilities [B, tags]."""


class Tagger:
    """A tagger's model and tags, from its folder."""

    def __init__(self, folder: Path, predict: Predict | None = None) -> None:
        """``predict`` takes the place of the folder's model, reading what ``pixels_of`` makes. Raises
        ``TaggerMissing``, ``LibraryMissing``, ``CannotRead``.
        """
        for name in (TAGS_FILE,) if predict else (MODEL_FILE, TAGS_FILE):
            if not (folder / name).is_file():
                raise TaggerMissing(folder=folder, missing=name)
        self.tags = TagList.read(folder / TAGS_FILE)
        self._prepare: Callable[[Image.Image], Pixels] = pixels_of
        if predict is None:
            self._prepare, self._predict = onnx_model(folder / MODEL_FILE)
        else:
            self._predict = predict

    def tag(self, picture: Image.Image, rules: TaggerRules) -> list[str]:
        """The tags of one picture."""
        return tags_of(list(self._predict(self._prepare(picture)[None])[0]), self.tags, rules)

    def tag_files(
        self,
        pictures: Iterable[Path],
        rules: TaggerRules,
        *,
        extension: str = EXTENSION,
        tell: Callable[[Path, list[str]], object] = lambda _path, _tags: None,
        hear: Callable[[SdcolabError], object] = lambda _error: None,
    ) -> Counter[str]:
        """Write a caption beside each picture; how often each tag came. Pictures that cannot be read are told to
        ``hear``.
        """
        counts: Counter[str] = Counter()
        for path in pictures:
            try:
                found = self.tag(open_training_picture(path, alpha=True), rules)
                target = path.with_suffix(extension)
                existing = target.read_text(encoding="utf-8", errors="replace") if target.is_file() else None
                write_caption(path, caption_text(found, existing, rules), extension)
            except SdcolabError as error:
                hear(error)
                continue
            counts.update(found)
            tell(path, found)
        return counts


def onnx_model(path: Path) -> tuple[Callable[[Image.Image], Pixels], Predict]:
    """How the model in an ONNX file wants its pictures, which its input's shape tells, and the model itself, on the
    card where onnxruntime can use it, else on the processor. Raises ``LibraryMissing``, ``TaggerDamaged``.
    """
    try:
        import onnxruntime
    except ImportError:
        raise LibraryMissing(library="onnxruntime", packages="onnxruntime") from None
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # onnxruntime's errors have no common class
        raise TaggerDamaged(path=path) from error
    taken = session.get_inputs()[0]
    name, colours_first = taken.name, taken.shape[1] == COLOURS
    outputs = [output.name for output in session.get_outputs()]
    answer = [ANSWER] if ANSWER in outputs else outputs[:1]

    def predict(pixels: Pixels) -> Pixels:
        output: Pixels = session.run(answer, {name: pixels})[0]
        return output

    return plain_pixels_of if colours_first else pixels_of, predict


COLOURS = 3
ANSWER = "prediction"
"""Which of PixAI's outputs has the probabilities."""
