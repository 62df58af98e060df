"""Control models in memory: the last few of a checkpoint stay until something else needs the room."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch

from sdcolab.core.events import Listener, Phase, PhaseStarted
from sdcolab.core.library import ModelFile
from sdcolab.engine.control.clip_vision import ClipVision
from sdcolab.engine.control.loading import Control, load_control
from sdcolab.engine.control.preparing import Maps
from sdcolab.engine.shelf import Checkpoint, release_memory
from sdcolab.engine.weights import Stamp, open_weights, stamp_of

KEPT_MODELS = 2
"""As many as AUTOMATIC1111's extension keeps; a request with more units keeps as many as it needs."""


class ControlShelf:
    """What does not depend on a checkpoint. Lives as long as the engine."""

    def __init__(self) -> None:
        self.maps = Maps()
        self.clip: dict[Stamp, ClipVision] = {}


class Controls:
    """The models that were opened for a checkpoint, and go with it."""

    def __init__(self) -> None:
        self._open: OrderedDict[Stamp, Control] = OrderedDict()

    @property
    def all(self) -> tuple[Control, ...]:
        """Those in memory."""
        return tuple(self._open.values())

    def has(self, path: Path) -> bool:
        """Whether the file at ``path`` is in memory. Raises ``CannotRead``."""
        return stamp_of(path) in self._open

    @torch.inference_mode(False)
    def control(self, file: ModelFile, checkpoint: Checkpoint, listener: Listener, *, wanted: int) -> Control:
        """The model in ``file`` for ``checkpoint``, one of ``wanted`` at once. Raises ``SdcolabError``."""
        stamp = stamp_of(file.path)
        if stamp not in self._open:
            listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            while len(self._open) >= max(KEPT_MODELS, wanted):
                self._open.popitem(last=False)
            release_memory()
            weights = open_weights(file.path)
            self._open[stamp] = load_control(weights, checkpoint.model, lambda: open_weights(checkpoint.file.path))
        self._open.move_to_end(stamp)
        return self._open[stamp]
