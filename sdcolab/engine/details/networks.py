"""Networks in ONNX files, run by onnxruntime or, where it is not installed, by OpenCV."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdcolab.core.errors import DetailPackageMissing, ModelUnreadable
from sdcolab.core.files import system_reason

Floats = NDArray[np.float32]

USUAL_SIDE = 640
"""Pixels of the square that YOLO networks look at, where their file does not say."""

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
_MOST_KEPT = 3


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network of one picture [1, 3, H, W] and its file. ``size``: (H, W); ``metadata``: what its file says."""

    path: Path
    size: tuple[int, int]
    metadata: Mapping[str, str]
    answers: Callable[[Floats], Sequence[Floats]]

    def run(self, pixels: Floats) -> Sequence[Floats]:
        """The outputs for ``pixels`` [1, 3, H, W] in 0..1. Raises ``ModelUnreadable``."""
        try:
            return self.answers(np.ascontiguousarray(pixels, np.float32))
        except Exception as error:  # neither library's errors have a class of their own: a model of another shape
            raise ModelUnreadable(path=self.path, reason="not_a_model") from error


@dataclass(slots=True, eq=False)
class NetworkShelf:
    """The last networks that were used, by file."""

    _networks: dict[Path, Network] = field(default_factory=dict)

    def open(self, path: Path) -> Network:
        """The network in ``path``. Raises ``DetailPackageMissing`` and ``ModelUnreadable``."""
        network = self._networks.pop(path, None) or opened(path)
        self._networks[path] = network
        while len(self._networks) > _MOST_KEPT:
            del self._networks[next(iter(self._networks))]
        return network


def opened(path: Path) -> Network:
    """The network in ``path``. Raises ``DetailPackageMissing`` and ``ModelUnreadable``."""
    try:
        content = path.read_bytes()  # OpenCV cannot open paths with accents on Windows
    except OSError as error:
        raise ModelUnreadable(path=path, reason=system_reason(error)) from error
    for open_with in (_by_onnxruntime, _by_opencv):
        with contextlib.suppress(ModuleNotFoundError):
            try:
                return open_with(path, content)
            except ModuleNotFoundError:
                raise
            except Exception as error:  # as above
                raise ModelUnreadable(path=path, reason="damaged") from error
    raise DetailPackageMissing(package="onnxruntime")


def _by_onnxruntime(path: Path, content: bytes) -> Network:
    onnxruntime: Any = importlib.import_module("onnxruntime")
    there = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(content, providers=[one for one in _PROVIDERS if one in there])
    given = session.get_inputs()[0]
    sides = [side if isinstance(side, int) and 0 < side <= 4096 else USUAL_SIDE for side in given.shape[2:4]]
    metadata = session.get_modelmeta().custom_metadata_map
    return Network(path, (sides[0], sides[1]), metadata, lambda pixels: session.run(None, {given.name: pixels}))


def _by_opencv(path: Path, content: bytes) -> Network:
    cv2: Any = importlib.import_module("cv2")
    net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))

    def answers(pixels: Floats) -> Sequence[Floats]:
        net.setInput(pixels)
        found: Sequence[Floats] = net.forward(net.getUnconnectedOutLayersNames())
        return found

    return Network(path, (USUAL_SIDE, USUAL_SIDE), {}, answers)
