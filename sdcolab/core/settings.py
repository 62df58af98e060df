"""What the program remembers between runs: the form's defaults, as JSON, and the user's styles, in A1111's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdcolab.core.codec import request_from_json, request_to_json
from sdcolab.core.kept import locked, peek_kept, read_kept, write_kept
from sdcolab.core.prompt import Style
from sdcolab.core.request import GenerationRequest
from sdcolab.core.style_files import FILE_NAME as STYLES_NAME
from sdcolab.core.style_files import load_styles, peek_styles, save_styles

FILE_NAME = "configuracion.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """``defaults`` is the request that a fresh page shows; styles keep their order. ``by_size`` has the defaults that
    were saved with models of each native size in pixels, which tells their families apart well enough."""

    defaults: GenerationRequest = field(default_factory=GenerationRequest)
    by_size: Mapping[int, GenerationRequest] = field(default_factory=dict)
    styles: tuple[Style, ...] = ()

    def with_defaults(self, request: GenerationRequest, native: int) -> Settings:
        """The same settings with ``request`` as what a fresh page shows, and what models of that size bring."""
        return replace(self, defaults=request, by_size={**self.by_size, native: request})

    def with_style(self, style: Style) -> Settings:
        """The same settings with ``style`` added, or put in the place of the one with its name."""
        if any(known.name == style.name for known in self.styles):
            return replace(self, styles=tuple(style if known.name == style.name else known for known in self.styles))
        return replace(self, styles=(*self.styles, style))

    def without_styles(self, names: Iterable[str]) -> Settings:
        """The same settings without the styles called ``names``."""
        gone = set(names)
        return replace(self, styles=tuple(style for style in self.styles if style.name not in gone))

    def chosen_styles(self, names: Iterable[str]) -> tuple[Style, ...]:
        """The styles called ``names``, in that order; names that no longer exist are left out."""
        by_name = {style.name: style for style in self.styles}
        return tuple(by_name[name] for name in names if name in by_name)


class SettingsFile:
    """Reads and writes the settings in ``folder``. Before there are styles in it, those of a file that stands in the
    folder above count, where A1111's users have theirs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.styles_path = folder / STYLES_NAME
        self._brought = folder.parent / STYLES_NAME

    def load(self) -> Settings:
        """The saved settings; the built-in ones when there are none yet.

        Raises ``SettingsUnreadable`` when a file is damaged (it is renamed out of the way first, so that the next
        call returns the built-in settings), or ``CannotRead``.
        """
        styles = load_styles(self.styles_path)
        return _with_styles(read_kept(self.path, _from_json), peek_styles(self._brought) if styles is None else styles)

    def peek(self) -> Settings:
        """The same; the built-in ones when the file is damaged or cannot be read, which ``load`` will tell."""
        path = self.styles_path if self.styles_path.exists() else self._brought
        return _with_styles(peek_kept(self.path, _from_json), peek_styles(path))

    def change(self, change: Callable[[Settings], Settings]) -> Settings:
        """Load the settings, save what ``change`` makes of them and return it. Changes made at once, by other threads
        or processes, follow one another. Raises as ``load`` and ``save``."""
        with locked(self.path):
            changed = change(self.load())
            self.save(changed)
        return changed

    def save(self, settings: Settings) -> None:
        """Write ``settings``, each file in one piece. Raises ``DiskFull`` or ``CannotWrite``."""
        save_styles(self.styles_path, settings.styles)
        write_kept(self.path, _to_json(settings))


def _with_styles(settings: Settings | None, styles: tuple[Style, ...] | None) -> Settings:
    """The file of styles counts, wherever it was edited; before there was one, they stood in the JSON."""
    settings = settings or Settings()
    return settings if styles is None else replace(settings, styles=styles)


def _to_json(settings: Settings) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "defaults": request_to_json(replace(settings.defaults, init=None)),  # pictures are not settings
        "by_size": {
            str(size): request_to_json(replace(request, init=None)) for size, request in settings.by_size.items()
        },
        "styles": [],  # older versions look for them here
    }


def _from_json(raw: Mapping[str, Any]) -> Settings:
    return Settings(
        defaults=request_from_json(raw["defaults"]),
        by_size={int(size): request_from_json(one) for size, one in raw.get("by_size", {}).items()},
        styles=tuple(
            Style(name=str(style["name"]), prompt=str(style["prompt"]), negative_prompt=str(style["negative_prompt"]))
            for style in raw["styles"]
        ),
    )
