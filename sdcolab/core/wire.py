"""What processes say to each other: messages, and events and errors as JSON values in them.

A message is one line of JSON; its pictures follow as they are in memory, since PNG and base64 would cost more time than
a denoising step: ``{"event": ..., "bytes": [786432]}``, a line's end, and that many bytes.

Both ends are the same version of the program, so anything that does not fit is a bug and raises ``ValueError``,
``KeyError`` or ``TypeError``. Tasks travel as ``core.codec`` writes them.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.codec import PictureIn, PictureOut, picture_from_text, png_text
from sdcolab.core.errors import SdcolabError, leaf_errors
from sdcolab.core.events import (
    BytesReceived,
    CellMade,
    Ended,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    MapMade,
    Note,
    PauseChanged,
    Phase,
    PhaseStarted,
    SheetDrawn,
    StepDone,
    StepLearnt,
    Warned,
)

SIZES = "bytes"
"""The key of a message that says how many bytes each of its blobs has."""

RAW_MODES = ("RGB", "RGBA", "L")
"""Pictures that travel as they are in memory; others as PNG."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one process says to another: JSON values, and the bytes that they speak of."""

    values: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()

    def encoded(self) -> bytes:
        """As it travels."""
        sizes = {SIZES: [len(blob) for blob in self.blobs]} if self.blobs else {}
        return b"".join((json.dumps({**self.values, **sizes}).encode("ascii"), b"\n", *self.blobs))


def message_from(line: bytes, read: Callable[[int], bytes]) -> Message | None:
    """The message that begins with ``line``, whose blobs ``read`` gives; None when it is something else.

    Raises ``EOFError`` when the stream ends in the midst of it.
    """
    if not line.startswith(b"{"):
        return None
    try:
        values = json.loads(line)
    except ValueError:
        return None
    blobs = tuple(read(size) for size in values.pop(SIZES, ()))
    return Message(values, blobs)


class Packing:
    """Takes the pictures out of values that are being written, and keeps them as blobs."""

    def __init__(self) -> None:
        self._blobs: list[bytes] = []

    def __call__(self, picture: Image.Image) -> dict[str, Any]:
        """What stands for ``picture`` among the values."""
        raw = picture.mode in RAW_MODES
        self._blobs.append(picture.tobytes() if raw else _png(picture))
        return {"blob": len(self._blobs) - 1, **({"mode": picture.mode, "size": list(picture.size)} if raw else {})}

    def message(self, values: Mapping[str, Any]) -> Message:
        """``values`` with the pictures that were in them."""
        return Message(values, tuple(self._blobs))


def unpacking(blobs: Sequence[bytes]) -> PictureIn:
    """Gives back the pictures that ``Packing`` took out."""

    def read(value: Any) -> Image.Image:
        blob = blobs[value["blob"]]
        if "mode" in value:
            return Image.frombytes(value["mode"], tuple(value["size"]), blob)
        return Image.open(io.BytesIO(blob)).copy()

    return read


def event_to_json(event: Event, picture: PictureOut = png_text) -> dict[str, Any]:
    """``event`` as JSON values; pictures as ``picture`` turns them."""
    match event:
        case PhaseStarted(phase, detail):
            return {"is": "phase", "phase": phase.value, "detail": detail}
        case StepDone(step, total, batch, batches, preview):
            shown = None if preview is None else picture(preview)
            return {"is": "step", "at": [step, total, batch, batches], "preview": shown}
        case StepLearnt(step, total, loss, rate):
            return {"is": "learnt", "at": [step, total], "loss": loss, "rate": rate}
        case PauseChanged(paused):
            return {"is": "pause", "paused": paused}
        case ImageSaved(index, path, seed, infotext):
            return {"is": "image", "index": index, "path": str(path), "seed": seed, "infotext": infotext}
        case ImageReady(index, image, seed, infotext):
            return {"is": "ready", "index": index, "picture": picture(image), "seed": seed, "infotext": infotext}
        case CellMade(cell, box, name, path, seed, infotext):
            about = {"name": name, "path": str(path), "seed": seed, "infotext": infotext}
            return {"is": "cell", "cell": cell, "box": list(box), **about}
        case SheetDrawn(path, cells):
            return {"is": "sheet", "path": str(path), "cells": [[cell, *box] for cell, box in cells]}
        case MapMade(unit, image, title):
            return {"is": "map", "unit": unit, "picture": picture(image), "title": title}
        case FileMade(path):
            return {"is": "file", "path": str(path)}
        case Note(text):
            return {"is": "note", "text": text}
        case Warned(warning):
            return {"is": "warned", "warning": error_to_json(warning)}
        case BytesReceived(name, received, total, speed):
            return {"is": "bytes", "name": name, "received": received, "total": total, "speed": speed}
        case Ended(error):
            return {"is": "ended", "error": None if error is None else error_to_json(error)}


def event_from_json(value: Mapping[str, Any], picture: PictureIn = picture_from_text) -> Event:
    """The event that ``event_to_json`` turned into ``value``."""
    match value:
        case {"is": "phase", "phase": phase, "detail": detail}:
            return PhaseStarted(Phase(phase), detail)
        case {"is": "step", "at": [step, total, batch, batches], "preview": preview}:
            return StepDone(step, total, batch, batches, None if preview is None else picture(preview))
        case {"is": "learnt", "at": [step, total], "loss": loss, "rate": rate}:
            return StepLearnt(step, total, loss, rate)
        case {"is": "pause", "paused": paused}:
            return PauseChanged(paused)
        case {"is": "image", "index": index, "path": path, "seed": seed, "infotext": infotext}:
            return ImageSaved(index, Path(path), seed, infotext)
        case {"is": "ready", "index": index, "picture": image, "seed": seed, "infotext": infotext}:
            return ImageReady(index, picture(image), seed, infotext)
        case {"is": "cell", "cell": cell, "box": box, "name": name, "path": path, "seed": seed, "infotext": infotext}:
            return CellMade(cell, tuple(box), name, Path(path), seed, infotext)
        case {"is": "sheet", "path": path, "cells": cells}:
            return SheetDrawn(Path(path), tuple((cell, tuple(box)) for cell, *box in cells))
        case {"is": "map", "unit": unit, "picture": image, "title": title}:
            return MapMade(unit, picture(image), title)
        case {"is": "file", "path": path}:
            return FileMade(Path(path))
        case {"is": "note", "text": text}:
            return Note(text)
        case {"is": "warned", "warning": warning}:
            return Warned(error_from_json(warning))
        case {"is": "bytes", "name": name, "received": received, "total": total, "speed": speed}:
            return BytesReceived(name, received, total, speed)
        case {"is": "ended", "error": error}:
            return Ended(None if error is None else error_from_json(error))
        case _:
            raise ValueError(f"not an event: {value!r}")


def error_to_json(error: SdcolabError) -> dict[str, Any]:
    """The code and the facts of ``error``."""
    return {"code": error.code, "facts": {name: _fact_to_json(value) for name, value in error.facts().items()}}


def error_from_json(value: Mapping[str, Any]) -> SdcolabError:
    """The error that ``error_to_json`` turned into ``value``."""
    classes = {kind.code: kind for kind in leaf_errors()}
    return classes[value["code"]](**{name: _fact_from_json(fact) for name, fact in value["facts"].items()})


def _fact_to_json(value: object) -> object:
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, datetime.datetime):
        return {"time": value.isoformat()}
    if isinstance(value, tuple):
        return [_fact_to_json(one) for one in value]
    return value


def _fact_from_json(value: object) -> object:
    match value:
        case {"path": str(path)}:
            return Path(path)
        case {"time": str(time)}:
            return datetime.datetime.fromisoformat(time)
        case [*values]:
            return tuple(_fact_from_json(one) for one in values)
        case _:
            return value


def _png(picture: Image.Image) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    return encoded.getvalue()
