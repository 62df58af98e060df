"""Words of the faces' forms that belong to no single field."""

from __future__ import annotations

from collections.abc import Mapping

SAME_CHOICE = "El mismo"
"""In a hires pass: what the first pass uses."""

EMPTY_CHOICE = "Ninguno"

NAMES_TO_READ: Mapping[str, str] = {"Automatic": "Automático", "None": "Ninguno (Lanczos)"}
"""Names that the program and A1111 write, as people read them in lists."""
