"""The miniature model that ships with the package, and where it is when it did not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.library import ModelFile

DEMO_FILE = "emoji-128.safetensors"
DEMO_CONTROL_FILE = "emoji-128-lineas.safetensors"
DEMO_SHA256 = "13735a63f874dfbec4f44af0fca9739dc956c591e122410f01141bc3c316a426"
DEMO_VARIABLE = "SDCOLAB_DEMO"
"""Environment variable with its address, for copies of the package without it (tools/publicar.py)."""


def demo_model() -> ModelFile:
    """Its file, which may not be there."""
    return ModelFile(ModelKind.CHECKPOINT, DEMO_FILE, Path(str(resources.files("sdcolab") / "demo" / DEMO_FILE)))


def demo_control() -> ModelFile:
    """The ControlNet for it, which follows white lines on black."""
    path = Path(str(resources.files("sdcolab") / "demo" / DEMO_CONTROL_FILE))
    return ModelFile(ModelKind.CONTROLNET, DEMO_CONTROL_FILE, path)


def demo_address(environ: Mapping[str, str] = os.environ) -> str:
    """Where to download it from; empty when it is here, or nobody says where."""
    return "" if demo_model().path.is_file() else environ.get(DEMO_VARIABLE, "")
