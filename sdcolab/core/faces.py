"""Restoring faces: the files that it needs (hechos/extensiones.md 8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders


@dataclass(frozen=True, slots=True)
class FaceFile:
    """A file of the faces' folder: its name, where it is, its size in bytes, SHA-256 and licence."""

    file: str
    link: str
    size: int
    sha256: str
    licence: str

    def found_in(self, folders: Folders) -> Path | None:
        """Where it lies; None when it is not here."""
        places = (folder / self.file for folder in folders.roots(ModelKind.FACES))
        return next((path for path in places if path.is_file()), None)


RESTORER = FaceFile(
    "GFPGANv1.4.pth",
    "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
    348_632_874,
    "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
    "Apache 2.0",
)
"""GFPGAN (Wang et al. 2021, arXiv:2101.04061)."""

DETECTOR = FaceFile(
    "face_detection_yunet_2023mar.onnx",
    "https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
    232_589,
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    "MIT",
)
"""YuNet (Wu et al. 2023, doi:10.1007/s11633-023-1423-y): faces of photographs and their five points."""

FACE_FILES = (RESTORER, DETECTOR)
FACE_FILE_NAMES = frozenset(one.file for one in FACE_FILES)
GFPGAN = "GFPGAN"
"""What infotexts call it."""
