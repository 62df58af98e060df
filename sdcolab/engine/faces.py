"""Restored faces: each is found, turned upright, drawn again by GFPGAN and put back (hechos/extensiones.md 8).

Wang et al. 2021 (arXiv:2101.04061). Faces are found by YuNet, which OpenCV runs; it knows photographs, not drawings.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DetailPackageMissing, FaceFileMissing, ImageNotFinite, ModelUnreadable
from sdcolab.core.events import CancelToken, Listener, Phase, PhaseStarted, ignore_events
from sdcolab.core.faces import DETECTOR, RESTORER, FaceFile
from sdcolab.core.folders import Folders
from sdcolab.engine.upscale.networks import load_network

Floats = NDArray[np.float64]

SIDE = 512
"""Pixels of the square in which GFPGAN sees a face."""

POINTS: Floats = np.array(
    (
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    )
)
"""Where eyes, nose and corners of the mouth lie in that square (FFHQ's alignment; Karras et al. 2019,
arXiv:1812.04948)."""

_GREY = (135, 133, 132)
"""What lies beyond the picture in that square."""
_SURE = 0.8
_LONGEST = 1280
"""Larger pictures are shrunk to this before faces are looked for."""
_EDGE, _SOFT = 40, 12.0
"""Pixels of the square's border that are not put back, and how softly it fades."""

Restore = Callable[[Tensor], Tensor]
"""Faces [1, 3, 512, 512] (RGB, -1..1) -> the same, restored."""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """OpenCV's detector."""

    net: Any

    def points(self, picture: NDArray[np.uint8]) -> list[Floats]:
        """The five points [5, 2] of each face in a picture [H, W, 3] (RGB), in its pixels."""
        cv2 = _opencv()
        height, width = picture.shape[:2]
        scale = min(1.0, _LONGEST / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        seen = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        self.net.setInputSize(size)
        _, found = self.net.detect(np.ascontiguousarray(seen[..., ::-1]))
        rows = [] if found is None else found
        return [np.asarray(row[4:14], np.float64).reshape(5, 2) / scale for row in rows]


class FaceRestorer:
    """Restores the faces of pictures; keeps what it loaded."""

    def __init__(self, folders: Folders, device: torch.device) -> None:
        self._folders = folders
        self._device = device
        self._net: Restore | None = None
        self._detector: Detector | None = None

    def require(self) -> None:
        """Raise ``FaceFileMissing`` or ``DetailPackageMissing`` when it cannot work."""
        _opencv()
        for file in (RESTORER, DETECTOR):
            self._path(file)

    def restored(
        self, picture: Image.Image, listener: Listener = ignore_events, cancel: CancelToken | None = None
    ) -> Image.Image:
        """``picture`` as RGB with its faces restored. Raises as ``require``, what loading a network raises,
        ``Cancelled`` between faces and ``ImageNotFinite``."""
        self.require()
        cancel = cancel or CancelToken()
        pixels = np.asarray(picture.convert("RGB"))
        faces = self._detect(pixels)
        for number, points in enumerate(faces, 1):
            cancel.raise_if_cancelled()
            listener(PhaseStarted(Phase.RESTORING, f"{number}/{len(faces)}"))
            pixels = with_face(pixels, points, self._restorer(listener))
        return Image.fromarray(pixels)

    def found(self, picture: Image.Image) -> list[tuple[float, float]]:
        """As ``core.upscaling.Restoring.find_faces``."""
        try:
            faces = self._detect(np.asarray(picture.convert("RGB")))
        except (FaceFileMissing, DetailPackageMissing):
            return []
        return [(float(x), float(y)) for x, y in (points.mean(axis=0) for points in faces)]

    def release(self) -> None:
        """Let go of what is loaded."""
        self._net = self._detector = None

    def _path(self, file: FaceFile) -> Path:
        path = file.found_in(self._folders)
        if path is None:
            folder = self._folders.models(ModelKind.FACES)
            raise FaceFileMissing(file=file.file, folder=folder, link=file.link, size=file.size)
        return path

    def _detect(self, pixels: NDArray[np.uint8]) -> Sequence[Floats]:
        if self._detector is None:
            self._detector = open_detector(self._path(DETECTOR))
        return self._detector.points(pixels)

    def _restorer(self, listener: Listener) -> Restore:
        if self._net is None:
            path = self._path(RESTORER)
            listener(PhaseStarted(Phase.LOADING_MODEL, path.name))
            self._net = open_restorer(path, self._device)
        return self._net


def open_detector(path: Path) -> Detector:
    """The detector in ``path``. Raises ``DetailPackageMissing`` and ``ModelUnreadable``."""
    cv2 = _opencv()
    try:
        content = np.fromfile(path, np.uint8)  # OpenCV cannot open paths with accents on Windows
        nothing = np.zeros(0, np.uint8)
        return Detector(cv2.FaceDetectorYN.create("onnx", content, nothing, (320, 320), score_threshold=_SURE))
    except (cv2.error, OSError) as error:
        raise ModelUnreadable(path=path, reason="damaged") from error


def open_restorer(path: Path, device: torch.device) -> Restore:
    """The network in ``path``. Raises what ``load_network`` raises, and ``ImageNotFinite`` when it is used."""
    net = load_network(path, device).model
    net.to(dtype=torch.float32)  # its own numbers overflow in half precision

    @torch.inference_mode()
    def restore(faces: Tensor) -> Tensor:
        made: Tensor = net.model(faces.to(device), return_rgb=False, randomize_noise=False)[0].float().cpu()
        if not torch.isfinite(made).all():
            raise ImageNotFinite(checkpoint=path.name)
        return made

    return restore


def with_face(picture: NDArray[np.uint8], points: Floats, restore: Restore) -> NDArray[np.uint8]:
    """A picture [H, W, 3] (RGB) with the face at ``points`` [5, 2] restored."""
    cv2 = _opencv()
    upright, _ = cv2.estimateAffinePartial2D(points, POINTS, method=cv2.LMEDS)
    if upright is None or not np.isfinite(upright).all() or abs(np.linalg.det(upright[:, :2])) < 1e-9:
        return picture
    square = cv2.warpAffine(picture, upright, (SIDE, SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=_GREY)
    face = torch.from_numpy(square.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    made = restore(face)[0].clamp(-1, 1).permute(1, 2, 0).numpy()
    back = cv2.invertAffineTransform(upright)
    size = (picture.shape[1], picture.shape[0])
    new = cv2.warpAffine((made + 1) * 127.5, back, size, flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(_soft_square(), back, size, flags=cv2.INTER_LINEAR)[..., None]
    mixed = picture * (1 - share) + new * share
    return np.asarray(mixed.round().clip(0, 255).astype(np.uint8))


def _soft_square() -> NDArray[np.float32]:
    """How much of the square is put back: all but a soft edge."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[_EDGE:-_EDGE, _EDGE:-_EDGE] = 1
    return np.asarray(_opencv().GaussianBlur(mask, (0, 0), _SOFT))


def _opencv() -> Any:
    try:
        cv2 = importlib.import_module("cv2")
    except ModuleNotFoundError as error:
        raise DetailPackageMissing(package="opencv-python-headless") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # its notes on its own workings are no one's
    return cv2
