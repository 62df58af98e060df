"""Cards ("🎴 Show extra networks"): what is known of each model file, and what putting it in a prompt writes.

Read are A1111's own notes (``NAME.json``), civitai's (``NAME.civitai.info``), a description (``NAME.txt`` or
``NAME.description.txt``) and pictures beside the file (hechos/a1111.md 10.1). A1111's file is written, and civitai's
where there is one, so that other programs see the same; what they hold besides stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.kept import change_kept, locked, read_kept, write_kept
from sdcolab.core.library import INFO_SUFFIX, ModelFile, activation_words, civitai_info
from sdcolab.core.untrusted import clean_text, parse_json

MAX_NOTES_BYTES = 1_000_000
MAX_DESCRIPTION, MAX_TITLE = 4000, 200
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_STRONGEST = 10.0
_CIVITAI = {"activation text": "trainedWords", "description": "description", "sd version": "baseModel"}
"""What A1111's notes and civitai's both tell, by A1111's names."""

TITLE = "title"
"""Our own entry among A1111's notes, which keep what they do not know; civitai has it as the name of the model."""


@dataclass(frozen=True, slots=True)
class Card:
    """``title`` is what people call it, "" when nobody said; ``words`` wake it up; ``weight`` is the preferred one (0:
    the usual); ``base`` the family as somebody wrote it, "" when nobody did; ``link`` its page on civitai."""

    file: ModelFile
    title: str = ""
    description: str = ""
    notes: str = ""
    words: tuple[str, ...] = ()
    weight: float = 0.0
    negative: str = ""
    base: str = ""
    link: str = ""
    picture: Path | None = None

    @property
    def text(self) -> str:
        """What a prompt gets: nothing for kinds that are chosen in another way."""
        name = self.file.path.stem
        weight = f"{self.weight or 1:g}"
        match self.file.kind:
            case ModelKind.LORA:
                return " ".join((f"<lora:{name}:{weight}>", *self.words[:1]))
            case ModelKind.HYPERNETWORK:
                return f"<hypernet:{name}:{weight}>"
            case ModelKind.EMBEDDING:
                return name
            case _:
                return ""


def card_of(file: ModelFile) -> Card:
    """What lies beside the file. Never fails: what cannot be read says nothing."""
    own, info = read_notes(file.path), civitai_info(file.path)
    written = _said(own, "activation text")
    number = info.get("modelId")
    return Card(
        file=file,
        title=" ".join((_said(own, TITLE) or _said(_model_in(info), "name")).split())[:MAX_TITLE],
        description=_said(own, "description") or _description(file.path) or _said(info, "description"),
        notes=_said(own, "notes"),
        words=(written,) if written else activation_words(file.path),
        weight=_weight(own.get("preferred weight")),
        negative=_said(own, "negative text"),
        base=_said(own, "sd version") or _said(info, "baseModel"),
        link=f"https://civitai.com/models/{number}" if isinstance(number, int) and number > 0 else "",
        picture=picture_of(file.path),
    )


def picture_of(path: Path) -> Path | None:
    """The first picture beside the file: ``NAME.png`` before ``NAME.preview.png``, and so on by ending."""
    for ending in PICTURE_ENDINGS:
        for middle in ("", ".preview"):
            picture = path.with_name(f"{path.stem}{middle}{ending}")
            if picture.is_file():
                return picture
    return None


def read_notes(path: Path) -> Mapping[str, Any]:
    """A1111's notes on the file; empty when there are none that can be read."""
    try:
        with path.with_suffix(".json").open("rb") as file:
            found = parse_json(file.read(MAX_NOTES_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_notes(path: Path, changes: Mapping[str, Any]) -> None:
    """Put ``changes`` among A1111's notes on the file. Raises ``SettingsUnreadable`` when there are others that are not
    understood (they are renamed out of the way first), ``CannotRead``, ``DiskFull`` or ``CannotWrite``."""
    target = path.with_suffix(".json")
    change_kept(target, lambda: read_kept(target, _notes) or {}, lambda notes: {**notes, **changes}, indent=4)


def _notes(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise TypeError
    return found


def write_civitai(path: Path, changes: Mapping[str, Any]) -> None:
    """Put ``changes``, by A1111's names, into civitai's own notes on the file, where there are any that can be read.
    Raises ``DiskFull`` or ``CannotWrite``."""
    target = path.with_name(path.stem + INFO_SUFFIX)
    known = {_CIVITAI[name]: value for name, value in changes.items() if name in _CIVITAI}
    with locked(target):
        info = civitai_info(path)
        if changes.get(TITLE):  # without one the card goes back to civitai's name
            known["model"] = {**_model_in(info), "name": changes[TITLE]}
        if not info or not known:
            return
        if "trainedWords" in known:
            known["trainedWords"] = [word.strip() for word in str(known["trainedWords"]).split(",") if word.strip()]
        write_kept(target, {**info, **known}, indent=4)


def _model_in(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """What civitai says of the model that the file is a version of."""
    found = info.get("model")
    return found if isinstance(found, dict) else {}


def _said(notes: Mapping[str, Any], name: str) -> str:
    value = notes.get(name)
    return value.strip()[:MAX_DESCRIPTION] if isinstance(value, str) else ""


def _weight(value: object) -> float:
    good = isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _STRONGEST
    return float(value) if good and not isinstance(value, bool) else 0.0  # type: ignore[arg-type]


def _description(path: Path) -> str:
    for ending in (".description.txt", ".txt"):
        try:
            with path.with_name(path.stem + ending).open("rb") as file:
                return clean_text(file.read(MAX_DESCRIPTION).decode("utf-8", "replace")).strip()
        except OSError:
            continue
    return ""
