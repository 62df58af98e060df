"""Models, styles and settings of another program on this machine, used where they lie.

Nothing is copied: below each of our model folders stands a link to theirs, which our library walks as any subfolder.
Links on Windows are junctions, which need no permission. Settings are read once (hechos/a1111.md 8.6 and 12).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotWrite, FolderNotKnown, FolderOurs, RequestError
from sdcolab.core.fields import Field, with_values
from sdcolab.core.file_names import safe_name
from sdcolab.core.files import make_folder, storage_errors
from sdcolab.core.folders import Folders
from sdcolab.core.library import MODEL_SUFFIXES
from sdcolab.core.request import FIELDS
from sdcolab.core.settings import Settings
from sdcolab.core.style_files import FILE_NAME as STYLES_NAME
from sdcolab.core.style_files import peek_styles

MAX_BYTES = 5_000_000

MORE_FOLDERS = "extra_model_paths.yaml"
"""ComfyUI's list of folders elsewhere, often those of AUTOMATIC1111."""

CONFIGS = "configs"
"""Below its folder, where the notebooks of the guide keep A1111's settings on Drive (hechos/lanzadores.md 1)."""

PLACES: tuple[tuple[str, ModelKind], ...] = (
    ("stable-diffusion", ModelKind.CHECKPOINT),
    ("checkpoints", ModelKind.CHECKPOINT),
    ("lora", ModelKind.LORA),
    ("loras", ModelKind.LORA),
    ("lycoris", ModelKind.LORA),
    ("vae", ModelKind.VAE),
    ("embeddings", ModelKind.EMBEDDING),
    ("../embeddings", ModelKind.EMBEDDING),
    ("controlnet", ModelKind.CONTROLNET),
    ("../extensions/sd-webui-controlnet/models", ModelKind.CONTROLNET),
    ("esrgan", ModelKind.UPSCALER),
    ("realesrgan", ModelKind.UPSCALER),
    ("dat", ModelKind.UPSCALER),
    ("swinir", ModelKind.UPSCALER),
    ("ldsr", ModelKind.UPSCALER),
    ("upscale_models", ModelKind.UPSCALER),
    ("hypernetworks", ModelKind.HYPERNETWORK),
    ("text_encoder", ModelKind.TEXT_ENCODER),
    ("text_encoders", ModelKind.TEXT_ENCODER),
    ("clip", ModelKind.TEXT_ENCODER),
    ("unet", ModelKind.UNET),
    ("diffusion_models", ModelKind.UNET),
    ("gfpgan", ModelKind.FACES),
    ("facerestore_models", ModelKind.FACES),
    ("adetailer", ModelKind.DETECTOR),
    ("ultralytics", ModelKind.DETECTOR),
    ("clip_vision", ModelKind.CLIP_VISION),
    ("controlnetpreprocessor", ModelKind.ANNOTATOR),
    ("../extensions/sd-webui-controlnet/annotator/downloads", ModelKind.ANNOTATOR),
    ("vae-approx", ModelKind.TINY_VAE),
    ("vae_approx", ModelKind.TINY_VAE),
    ("vae-taesd", ModelKind.TINY_VAE),
)
"""Where AUTOMATIC1111, Forge and ComfyUI keep each kind, below their ``models``; case does not matter."""

UI_DEFAULTS: Mapping[str, str] = {
    "txt2img/Prompt/value": "prompt",
    "txt2img/Negative prompt/value": "negative_prompt",
    "txt2img/Sampling method/value": "sampler",
    "txt2img/Schedule type/value": "schedule",
    "txt2img/Sampling steps/value": "steps",
    "txt2img/CFG Scale/value": "cfg_scale",
    "txt2img/Width/value": "width",
    "txt2img/Height/value": "height",
}
"""Keys of A1111's ``ui-config.json`` and the fields that they are."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A link of ours: its ``name``, the kind of its files, where it stands and where it leads."""

    name: str
    kind: ModelKind
    link: Path
    target: Path


def program_in(source: Path) -> Path:
    """``source``, or the one folder in it that is the program: packages with a Python of their own have it there."""
    source = source.expanduser().absolute()
    if found_in(source) or has_settings(source):
        return source
    try:
        inside = [child for child in source.iterdir() if _child(child, "models") and found_in(child)]
    except OSError:
        return source
    return inside[0] if len(inside) == 1 else source


def found_in(source: Path) -> tuple[tuple[ModelKind, Path], ...]:
    """The folders of models of a program whose folder, or whose ``models``, is ``source``, and those that ComfyUI's
    list of more folders names."""
    if not source.is_dir():
        return ()
    models = _child(source, "models") or source
    found: dict[Path, ModelKind] = {}
    for place, kind in PLACES:
        if place.startswith("..") and not found and models.name.casefold() != "models":
            continue  # any folder of a program has these beside it
        folder = _child(models, place)
        if folder is not None and folder.resolve() not in found:
            found[folder.resolve()] = kind
    for kind, folder in _listed_in(_roots(source)[0] / MORE_FOLDERS):
        found.setdefault(folder, kind)
    return tuple((kind, folder) for folder, kind in found.items())


def _listed_in(path: Path) -> Iterator[tuple[ModelKind, Path]]:
    """The folders that are there of those in ComfyUI's list: groups of kinds, each with one folder a line."""
    try:
        groups = yaml.safe_load(_text(path))  # type: ignore[no-untyped-call]
    except (yaml.YAMLError, RecursionError, ValueError):
        return
    kinds = dict(PLACES)
    for group in groups.values() if isinstance(groups, dict) else ():
        if not isinstance(group, dict):
            continue
        base = path.parent / _plain(group.get("base_path"))
        for name, lines in group.items():
            kind = kinds.get(str(name).casefold())
            for line in str(lines or "").splitlines() if kind else ():
                folder = base / _plain(line)
                if kind and line.strip() and folder.is_dir():
                    yield kind, folder.resolve()


def _plain(path: object) -> Path:
    return Path(os.path.expandvars(str(path or "").strip())).expanduser()


def borrow(source: Path, folders: Folders, name: str = "") -> tuple[Borrowed, ...]:
    """Link every folder of models of ``source``. Links that are there already stay.

    Raises ``FolderNotKnown`` when it has none, ``FolderOurs``, ``DiskFull`` and ``CannotWrite``.
    """
    source = source.expanduser().absolute()
    found = found_in(source)
    if not found:
        raise FolderNotKnown(path=source)
    root = folders.root.resolve()
    made = []
    for kind, target in found:
        if target.is_relative_to(root) or root.is_relative_to(target):
            raise FolderOurs(path=source)
        made.append(_link(kind, target, folders, safe_name(name or _name_of(source))))
    return tuple(made)


def borrowed(folders: Folders) -> Iterator[Borrowed]:
    """The links that there are."""
    for kind in ModelKind:
        with contextlib.suppress(OSError):
            for path in sorted(folders.models(kind).iterdir()):
                if (target := _target(path)) is not None:
                    yield Borrowed(path.name, kind, path, target)


def give_back(name: str, folders: Folders) -> int:
    """Take the links called ``name`` away, which touches no model; how many there were. Raises ``CannotWrite``."""
    known = tuple(borrowed(folders))
    places = {(one.kind, one.target.parent) for one in known if one.name == name}
    numbered = re.compile(re.escape(name) + r"-\d+")  # where a program has two folders of a kind (Lora, LyCORIS)
    gone = [
        one
        for one in known
        if one.name == name or (numbered.fullmatch(one.name) and (one.kind, one.target.parent) in places)
    ]
    for one in gone:
        with storage_errors(one.link):
            if one.link.is_symlink():
                one.link.unlink()
            else:
                one.link.rmdir()  # a junction: what it leads to stays
        around = one.link.parent
        with contextlib.suppress(OSError):  # until there is something else in it
            while around != folders.root:
                around.rmdir()
                around = around.parent
    return len(gone)


def _name_of(source: Path) -> str:
    return (source.parent if source.name.casefold() == "models" else source).name


def _child(folder: Path, place: str) -> Path | None:
    """The folder at ``place`` below ``folder``, whatever the case of its letters; None when there is none."""
    for part in place.split("/"):
        if part == "..":
            folder = folder.parent
            continue
        try:
            known = {child.name.casefold(): child for child in folder.iterdir()}
        except OSError:
            return None
        if part not in known or not known[part].is_dir():
            return None
        folder = known[part]
    return folder


def _link(kind: ModelKind, target: Path, folders: Folders, name: str) -> Borrowed:
    folder = folders.models(kind)
    make_folder(folder)
    number = 1
    while True:
        link = folder / (name if number == 1 else f"{name}-{number}")
        if _target(link) == target:
            return Borrowed(link.name, kind, link, target)
        if not os.path.lexists(link):
            _make_link(link, target)
            return Borrowed(link.name, kind, link, target)
        number += 1


def _make_link(link: Path, target: Path) -> None:
    with storage_errors(link):
        if sys.platform == "win32":
            command = ["cmd", "/c", "mklink", "/J", str(link), str(target)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                raise CannotWrite(path=link, reason="EPERM")
        else:
            link.symlink_to(target, target_is_directory=True)


def _target(path: Path) -> Path | None:
    """Where a link to a folder leads, also while that is not there (a disk that is not plugged in); None for what is no
    link, and for a link to a file."""
    try:
        leads = os.readlink(path)  # noqa: PTH115 - junctions too, which Path.is_symlink does not call links
    except OSError:
        return None
    target = Path(path.parent, leads.removeprefix("\\\\?\\"))
    is_folder = target.is_dir() or not (target.exists() or path.suffix.lower() in MODEL_SUFFIXES)
    return target.resolve() if is_folder else None


# --- Styles and settings ------------------------------------------------------------------------------------------


def settings_of(source: Path, settings: Settings) -> tuple[Settings, int, int]:
    """``settings`` with the styles and the defaults that A1111's files in ``source`` say, how many styles are new, and
    how many defaults changed. Styles of the same name stay ours."""
    ours = {style.name for style in settings.styles}
    defaults, styles, changed = settings.defaults, settings.styles, 0
    for root in _roots(source):
        found = peek_styles(root / STYLES_NAME) or ()
        styles += tuple(style for style in found if style.name not in ours and (style.prompt or style.negative_prompt))
        ours |= {style.name for style in found}
        for path, value in _defaults_in(root):
            with contextlib.suppress(RequestError, ValueError, TypeError):
                now = with_values(defaults, {path: _value(FIELDS[path], value)})
                changed += now != defaults
                defaults = now
    return replace(settings, defaults=defaults, styles=styles), len(styles) - len(settings.styles), changed


def has_settings(source: Path) -> bool:
    """Whether A1111's files of settings lie in ``source``."""
    names = (STYLES_NAME, "config.json", "ui-config.json")
    return any((root / name).is_file() for root in _roots(source) for name in names)


def _roots(source: Path) -> tuple[Path, Path]:
    root = source.parent if source.name.casefold() == "models" else source
    return root, root / CONFIGS


def _defaults_in(root: Path) -> Iterator[tuple[str, Any]]:
    chosen = _object(root / "ui-config.json")
    yield from ((path, chosen[key]) for key, path in UI_DEFAULTS.items() if key in chosen)
    config = _object(root / "config.json")
    for path, field in FIELDS.items():
        if field.key and "." not in path and field.key in config:
            yield path, config[field.key]


def _value(field: Field, value: Any) -> Any:
    """A value of another program's JSON as a field has it. Raises ``ValueError`` or ``TypeError``."""
    kind: Any = field.kind
    if field.is_choice:
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind}")
    return value


def _object(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return ""
        return path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return ""
