"""Events and errors as JSON values, for the parts of the program that run in processes of their own.

Both ends are the same version of the program, so anything that does not fit is a bug and raises ``ValueError``,
``KeyError`` or ``TypeError``. Requests travel as ``core.codec`` writes them.
"""

from __future__ import annotations

import base64
import datetime
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.core.errors import SdcolabError, leaf_errors
from sdcolab.core.events import (
    BytesReceived,
    Ended,
    Event,
    FileMade,
    ImageReady,
    ImageSaved,
    Note,
    Phase,
    PhaseStarted,
    StepDone,
    Warned,
)

PREVIEW_QUALITY = 80
"""JPEG quality of the small previews."""


def event_to_json(event: Event) -> dict[str, Any]:
    """``event`` as JSON values; the preview of a step travels as a small JPEG."""
    match event:
        case PhaseStarted(phase, detail):
            return {"is": "phase", "phase": phase.value, "detail": detail}
        case StepDone(step, total, batch, batches, preview):
            picture = None if preview is None else _picture_to_text(preview)
            return {"is": "step", "at": [step, total, batch, batches], "preview": picture}
        case ImageSaved(index, path, seed, infotext):
            return {"is": "image", "index": index, "path": str(path), "seed": seed, "infotext": infotext}
        case ImageReady(index, image, seed, infotext):
            picture = _picture_to_text(image, "PNG")
            return {"is": "ready", "index": index, "picture": picture, "seed": seed, "infotext": infotext}
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


def event_from_json(value: Mapping[str, Any]) -> Event:
    """The event that ``event_to_json`` turned into ``value``."""
    match value:
        case {"is": "phase", "phase": phase, "detail": detail}:
            return PhaseStarted(Phase(phase), detail)
        case {"is": "step", "at": [step, total, batch, batches], "preview": preview}:
            return StepDone(step, total, batch, batches, None if preview is None else _picture_from_text(preview))
        case {"is": "image", "index": index, "path": path, "seed": seed, "infotext": infotext}:
            return ImageSaved(index, Path(path), seed, infotext)
        case {"is": "ready", "index": index, "picture": picture, "seed": seed, "infotext": infotext}:
            return ImageReady(index, _picture_from_text(picture), seed, infotext)
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


def _picture_to_text(picture: Image.Image, file_format: str = "JPEG") -> str:
    encoded = io.BytesIO()
    picture.convert("RGB").save(encoded, format=file_format, quality=PREVIEW_QUALITY)
    return base64.b64encode(encoded.getvalue()).decode("ascii")


def _picture_from_text(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).copy()  # a plain image, equal to the one that was sent
