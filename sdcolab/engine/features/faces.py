"""The faces of finished pictures restored ("Restore faces"; hechos/extensiones.md 8)."""

from __future__ import annotations

from typing import Self

from PIL import Image

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.bench import Bench
from sdcolab.engine.feature import Feature


class RestoredFaces(Feature):
    """Runs GFPGAN over each picture, before the detail pass."""

    retouches = True

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        return cls() if asked.request.restore_faces else None

    def retouch(self, picture: Image.Image, index: int, bench: Bench) -> Image.Image:
        """``picture`` with its faces restored. Raises ``SdcolabError``."""
        del index
        return bench.faces.restored(picture, bench.listener, bench.cancel)
