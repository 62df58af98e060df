"""Latent Couple: each part of a prompt joined by AND draws in its own area (hechos/extensiones.md 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from sdcolab.core.regions import Regions
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.calls import Predictions
from sdcolab.engine.feature import Feature


class RegionalPrompts(Feature):
    """Outside its area a part says what the negative prompt says, so that guidance does not hear it there."""

    def __init__(self, regions: Regions) -> None:
        self._areas = regions.areas()
        self._end = regions.end

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        return cls(asked.request.regions) if asked.request.regions else None

    def combine(self, predictions: Predictions) -> Predictions:
        """Until the last step of the regions."""
        if predictions.step.number >= self._end:
            return predictions
        masked = list(predictions.positive)
        for place, mask in enumerate(self._masks(predictions.negative)[: len(masked)]):
            masked[place] = masked[place] * mask + predictions.negative * (1 - mask)
        return replace(predictions, positive=tuple(masked))

    def _masks(self, like: Tensor) -> list[Tensor]:
        """The weight of each area [h, w] in latents as large as ``like``."""
        height, width = like.shape[-2:]
        masks = []
        for area in self._areas:
            mask = torch.zeros(height, width, device=like.device, dtype=like.dtype)
            mask[area.cells(height, width)] = area.weight
            masks.append(mask)
        return masks
