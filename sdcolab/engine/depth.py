"""How near the places of a picture are, for checkpoints that read it beside the latents (depth2img; hechos/a1111.md
5.3): by the network inside the checkpoint, or by MiDaS' file where there is none in it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import torch
from torch import Tensor
from torch.nn import functional

from sdcolab.core.errors import DepthFileMissing
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSOR_FILES, weights_in
from sdcolab.engine.models import LoadedModel
from sdcolab.engine.preprocessors import part
from sdcolab.engine.weights import open_weights

_WEIGHTS = "midas"
"""MiDaS' file among those of the preprocessors, which is the network inside such checkpoints."""

_REMEMBERED = 8


class DepthMaps:
    """Looks at pictures, and remembers the last ones: batches and grids show the same again and again."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, tuple[int, int]], Tensor] = OrderedDict()

    def of(self, pixels: Tensor, size: tuple[int, int], model: LoadedModel, folders: Folders) -> Tensor:
        """Of ``pixels`` [1, 3, H, W] (-1..1), what ``model`` reads in latents of ``size`` (h, w): float32 [1, 1, h, w]
        on its device, from -1, the farthest place, to 1, the nearest.

        Raises ``ModelError`` and ``PreprocessorPackageMissing``.
        """
        key = hashlib.blake2b(pixels.numpy().tobytes(), digest_size=16).hexdigest(), size
        if key not in self._known:
            self._known[key] = spread(_answer(pixels.to(model.device), model, folders), size)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def spread(depth: Tensor, size: tuple[int, int]) -> Tensor:
    """``depth`` [1, 1, H, W] in any unit at ``size`` (h, w), from -1 to 1; one that is everywhere the same is 0."""
    small = functional.interpolate(depth, size, mode="bicubic", align_corners=False)
    low, high = torch.aminmax(small)
    return 2 * (small - low) / (high - low) - 1 if high > low else torch.zeros_like(small)


def _answer(pixels: Tensor, model: LoadedModel, folders: Folders) -> Tensor:
    nets = part("nets.depth", "depth_midas")
    own = model.depth
    if own is None:
        path = weights_in(folders, _WEIGHTS)
        if path is None:
            row = PREPROCESSOR_FILES[_WEIGHTS]
            raise DepthFileMissing(model.path, row.file, folders.preprocessors, row.link, row.size)
        own = open_weights(path)
    given = {name: own.get(name).float() for name in own.header.tensors}
    answer: Tensor = nets.midas_answer(pixels, given, own.path)
    return answer
