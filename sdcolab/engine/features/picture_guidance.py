"""How hard the initial picture pulls in models that edit pictures (InstructPix2Pix; Brooks et al. 2022,
arXiv:2211.09800, equation 3): the negative prompt is evaluated once more, without the picture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.beside import Beside
from sdcolab.engine.calls import Step
from sdcolab.engine.feature import Active, Feature, Start
from sdcolab.engine.plan import Batch


class PictureGuidance(Feature):
    """``scale`` of the picture. At 1, as A1111, nothing is evaluated more: what was added would fall out of the sum."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._edits = False

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        init = asked.request.init
        return cls(init.image_cfg_scale) if init and init.image_cfg_scale != 1 else None

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        """Whether the model of this pass edits pictures."""
        del batch
        self._edits = active.beside is Beside.PICTURE
        return start

    def before_step(self, step: Step) -> Step:
        """The negative prompt is always evaluated: what leaves it out is not for these models (hechos/a1111.md 3.7)."""
        return replace(step, negative=True, picture_scale=self._scale) if self._edits else step
