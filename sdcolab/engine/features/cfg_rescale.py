"""CFG rescale (Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv:2305.08891, 3.4):
strong guidance spreads what the model predicts, which burns colours; its spread is brought back to the prompt's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.calls import Predictions
from sdcolab.engine.feature import Feature


@dataclass(frozen=True, slots=True, eq=False)
class RescaledGuidance(Feature):
    """``share`` (0..1) is the paper's phi. As in A1111's extension of this name it works on what guidance sums up:
    images, or noises for samplers on timesteps.
    """

    share: float

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        share = asked.request.tuning.cfg_rescale
        return cls(share) if share else None

    def combine(self, predictions: Predictions) -> Predictions:
        """With several AND parts the prompt's own is what they predict at scale 1."""
        own = replace(predictions, scale=1.0).summed()
        return replace(predictions, guided=rescaled(predictions.summed(), own, self.share))


def rescaled(guided: Tensor, own: Tensor, share: float) -> Tensor:
    """``guided`` [B, C, h, w] with ``share`` of the way made to the deviation of ``own``, each picture by itself
    (equations 15 and 16)."""
    wanted, there = (one.std(dim=(1, 2, 3), keepdim=True) for one in (own, guided))
    return guided * (share * wanted / there.clamp_min(1e-8) + 1 - share)
