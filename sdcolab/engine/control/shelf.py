"""Control models in memory: the last few stay until something else needs the room."""

from __future__ import annotations

from collections import OrderedDict

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
    """Lives as long as the engine."""

    def __init__(self) -> None:
        self.maps = Maps()
        self.clip: dict[Stamp, ClipVision] = {}
        self._controls: OrderedDict[tuple[Stamp, Stamp], Control] = OrderedDict()

    @torch.inference_mode(False)
    def control(self, file: ModelFile, checkpoint: Checkpoint, listener: Listener, *, wanted: int) -> Control:
        """The model in ``file`` for ``checkpoint``, one of ``wanted`` at once. Raises ``SdcolabError``."""
        key = stamp_of(file.path), checkpoint.stamp
        if key not in self._controls:
            listener(PhaseStarted(Phase.LOADING_MODEL, file.name))
            room = max(KEPT_MODELS, wanted) - 1
            stale = [known for known in self._controls if known[1] != checkpoint.stamp]
            stale += [known for known in self._controls if known not in stale][: max(0, len(self._controls) - room)]
            for known in stale:
                self._controls.pop(known, None)
            release_memory()
            weights = open_weights(file.path)
            self._controls[key] = load_control(weights, checkpoint.model, lambda: open_weights(checkpoint.file.path))
        self._controls.move_to_end(key)
        return self._controls[key]
