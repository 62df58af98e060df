"""Things in pictures, found by YOLO networks in ONNX files (Redmon et al. 2016, arXiv:1506.02640; the layouts are those
that Ultralytics' exports of versions 5 to 26 have).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdcolab.core.errors import DetailClassesUnknown, ModelUnreadable
from sdcolab.engine.details.networks import Network

Floats = NDArray[np.float32]

_EMPTY = (114, 114, 114)
"""What fills the network's square beside the picture."""
_OVERLAP = 0.7
"""Boxes of one class that share more of their union are one thing."""
_MOST_FINISHED = 1000
"""Rows of a network that leaves out overlaps itself are fewer; those of a raw one are thousands."""
_FINISHED_COLUMNS = 6
_PROTOTYPES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One thing: its ``box`` (left, top, right, bottom in the picture's pixels), how sure it is (0..1), its class, and
    its shape [H, W] (True inside) where the network tells it."""

    box: tuple[float, float, float, float]
    confidence: float
    label: str
    shape: NDArray[np.bool_] | None = None

    @property
    def area(self) -> float:
        """Of the box, in pixels."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    """Candidates in the network's pixels: ``boxes`` [N, 4] by corners, ``scores`` [N], ``classes`` [N], and the
    coefficients [N, 32] of their shapes."""

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]
    shapes: Floats

    def rows(self, kept: NDArray[Any]) -> _Raw:
        return _Raw(self.boxes[kept], self.scores[kept], self.classes[kept], self.shapes[kept])


def find(picture: Image.Image, network: Network, confidence: float, classes: str = "") -> tuple[Found, ...]:
    """What ``network`` sees in ``picture`` (RGB) with at least ``confidence``, the surest first; of the ``classes``
    (names with commas), or of all.

    Raises ``ModelUnreadable`` and ``DetailClassesUnknown``.
    """
    names = names_of(network.metadata)
    wanted = _wanted(classes, names, network)
    square, scale, left, top = _square(picture, *network.size)
    pixels = np.asarray(square, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    outputs = network.run(pixels.astype(np.float32))
    try:
        raw = candidates(outputs, confidence, len(names))
    except (IndexError, ValueError) as error:
        raise ModelUnreadable(path=network.path, reason="not_a_model") from error
    if wanted is not None:
        raw = raw.rows(np.isin(raw.classes, wanted))
    raw = raw.rows(apart(raw.boxes, raw.scores, raw.classes))
    shapes = _shapes(outputs, raw, square.size) if raw.shapes.shape[1] else [None] * len(raw.boxes)
    offset = np.array((left, top, left, top), np.float32)
    sides = np.array((*picture.size, *picture.size), np.float32)
    boxes = np.clip((raw.boxes - offset) / scale, 0, sides)
    return tuple(
        Found(
            box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            confidence=float(score),
            label=names.get(int(number), str(number)),
            shape=None if shape is None else _on_picture(shape, picture.size, scale, left, top),
        )
        for box, score, number, shape in zip(boxes, raw.scores, raw.classes, shapes, strict=True)
    )


def names_of(metadata: Mapping[str, str]) -> dict[int, str]:
    """The classes that an export names in its metadata (``{0: 'face'}``); empty when it does not."""
    try:
        told = ast.literal_eval(metadata.get("names", "{}")[:100_000])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    pairs = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    return {int(number): str(name) for number, name in pairs if str(number).isdigit()}


def _wanted(classes: str, names: Mapping[int, str], network: Network) -> list[int] | None:
    asked = {name.strip().casefold() for name in classes.split(",") if name.strip()}
    if not asked:
        return None
    found = [number for number, name in names.items() if name.casefold() in asked]
    if not found:
        raise DetailClassesUnknown(model=network.path.name, classes=classes, known=", ".join(names.values()))
    return found


def _square(picture: Image.Image, height: int, width: int) -> tuple[Image.Image, float, int, int]:
    """``picture`` in the middle of the network's canvas, how much smaller it is there, and where it begins."""
    scale = min(width / picture.width, height / picture.height)
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    left, top = round((width - inner[0]) / 2 - 0.1), round((height - inner[1]) / 2 - 0.1)
    canvas = Image.new("RGB", (width, height), _EMPTY)
    canvas.paste(picture.convert("RGB").resize(inner, Image.Resampling.BILINEAR), (max(0, left), max(0, top)))
    return canvas, scale, max(0, left), max(0, top)


def candidates(outputs: Sequence[Floats], confidence: float, named: int) -> _Raw:
    """What a network's first output says, whatever its layout: finished rows (corners, score, class) of those without
    overlaps; [4 + classes (+ 32), places] of versions 8 on; [places, 5 + classes] of version 5. ``named``: how many
    classes there are, 0 when nobody told.

    Raises ``IndexError`` or ``ValueError`` for outputs that are none of them.
    """
    first = np.asarray(outputs[0], np.float32)
    if first.ndim != 3:
        raise ValueError("not a detector's output")
    rows, masks = first[0], _PROTOTYPES if len(outputs) > 1 and np.ndim(outputs[1]) == 4 else 0
    if rows.shape[1] == _FINISHED_COLUMNS + masks and rows.shape[0] <= _MOST_FINISHED:
        raw = _Raw(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), rows[:, _FINISHED_COLUMNS:])
    elif rows.shape[0] < rows.shape[1]:
        count = named or rows.shape[0] - 4 - masks
        places = rows.T
        raw = _scored(places[:, :4], places[:, 4 : 4 + count], places[:, 4 + count :])
    else:
        count = named or rows.shape[1] - 5 - masks
        scores = rows[:, 4:5] * rows[:, 5 : 5 + count]
        raw = _scored(rows[:, :4], scores, rows[:, 5 + count :])
    return raw.rows(raw.scores >= confidence)


def _scored(middles: Floats, scores: Floats, shapes: Floats) -> _Raw:
    """From middles and sizes [N, 4] and a score for each class [N, C]."""
    half = middles[:, 2:] / 2
    boxes = np.concatenate([middles[:, :2] - half, middles[:, :2] + half], axis=1)
    return _Raw(boxes, scores.max(axis=1), scores.argmax(axis=1), shapes)


def apart(boxes: Floats, scores: Floats, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the ``boxes`` [N, 4] to keep, the surest first: none that mostly covers a surer one of its class."""
    kept: list[int] = []
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    for place in np.argsort(-scores, kind="stable"):
        others = [other for other in kept if classes[other] == classes[place]]
        low = np.maximum(boxes[place, :2], boxes[others, :2])
        high = np.minimum(boxes[place, 2:], boxes[others, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        union = areas[place] + areas[others] - shared
        if not np.any(shared > _OVERLAP * np.maximum(union, 1e-9)):
            kept.append(int(place))
    return np.array(kept, np.int64)


def _shapes(outputs: Sequence[Floats], raw: _Raw, size: tuple[int, int]) -> list[Floats | None]:
    """How much each thing covers, [h, w] in 0..1 at the resolution of the prototypes, nothing outside of its box
    (Bolya et al. 2019, arXiv:1904.02689)."""
    prototypes = np.asarray(outputs[1], np.float32)[0]
    count, high, wide = prototypes.shape
    if raw.shapes.shape[1] != count:
        return [None] * len(raw.boxes)
    logits = (raw.shapes @ prototypes.reshape(count, -1)).reshape(-1, high, wide)
    shares = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    scale = np.array((wide / size[0], high / size[1]) * 2, np.float32)
    for share, box in zip(shares, raw.boxes * scale, strict=True):
        inside = np.zeros((high, wide), bool)
        left, top, right, bottom = box
        inside[max(0, int(top)) : int(np.ceil(bottom)), max(0, int(left)) : int(np.ceil(right))] = True
        share *= inside
    return list(shares)


def _on_picture(share: Floats, size: tuple[int, int], scale: float, left: int, top: int) -> NDArray[np.bool_]:
    """``share`` [h, w] of the network's canvas as the picture [H, W] has it."""
    high, wide = share.shape
    canvas_scale = wide / (size[0] * scale + 2 * left)
    box = (left, top, left + size[0] * scale, top + size[1] * scale)
    part = Image.fromarray(share).resize(
        size,
        Image.Resampling.BILINEAR,
        box=tuple(min(value * canvas_scale, side) for value, side in zip(box, (wide, high, wide, high), strict=True)),
    )
    return np.asarray(part) > 0.5
