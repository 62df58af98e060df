"""What the HTTP API works with, in one object that the composition root builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from sdcolab.core.jobs import JobQueue
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.settings import SettingsFile


class Upscaling(Protocol):
    """Upscalers of pictures under A1111's names (hechos/a1111.md 4.4)."""

    def names(self) -> Sequence[str]:
        """Names to choose from, "None" first."""
        ...

    def upscale(self, picture: Image.Image, scale: float, name: str) -> Image.Image:
        """``picture`` (RGB) ``scale`` times larger, its sides rounded down to multiples of 8. Raises ``UnknownName``
        and what loading a network raises.
        """
        ...


class Models(Protocol):
    """The models in memory."""

    def preload(self, checkpoint: str = "") -> None:
        """Load the libraries and ``checkpoint`` (empty: the default one). Raises ``SdcolabError``."""
        ...

    def unload(self) -> None:
        """Let go of the models that are loaded."""
        ...


@dataclass(frozen=True, slots=True)
class ApiStudio:
    """Everything behind the API, which imports neither the engine nor the page.

    ``known_hash`` gives a file's SHA-256 if it is known already, and reads no model; ``cuda_memory`` what the graphics
    card holds, in A1111's words, or None without one.
    """

    library: Library
    jobs: JobQueue
    settings: SettingsFile
    upscaling: Upscaling
    models: Models
    known_hash: Callable[[ModelFile], str | None]
    cuda_memory: Callable[[], Mapping[str, object] | None]
