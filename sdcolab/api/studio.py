"""What the HTTP API works with, in one object that the composition root builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sdcolab.core.jobs import JobQueue
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.settings import SettingsFile
from sdcolab.core.upscaling import Upscaling


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
