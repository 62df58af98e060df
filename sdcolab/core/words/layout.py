"""Words of the faces' forms that belong to no single field."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import human_bytes

SAME_CHOICE = "El mismo"
"""In a hires pass: what the first pass uses."""

EMPTY_CHOICE = "Ninguno"

TO_DOWNLOAD = "⬇️ {name} (por descargar)"
"""In a list: what is offered although its file is not here."""


def offer_download(name: str, size: int) -> str:
    """What is said when somebody chooses a file that is not here; ``size`` in bytes, 0 when nobody says."""
    return f"«{name}» todavía no está en este equipo{f': son {human_bytes(size)}' if size else ''}."


GET = "Descargar"
GET_ADVICE = "Descárgalo con su nombre desde el catálogo de «Descargas»."

NAMES_TO_READ: Mapping[str, str] = {"Automatic": "Automático", "None": "Ninguno (Lanczos)"}
"""Names that the program and A1111 write, as people read them in lists."""
