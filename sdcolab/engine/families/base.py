"""What tells one family of models from another: all of it is said here, and the loop knows no family by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diffusers import UNet2DConditionModel

from sdcolab.core.detect import Detected, ModelFamily, Prediction
from sdcolab.core.memory_plan import WorkMemory
from sdcolab.engine.convert import FamilyLayout, SizeConditioning
from sdcolab.engine.levels import LEVELS, Levels
from sdcolab.engine.prediction import declared_prediction
from sdcolab.engine.schedules import StepTables
from sdcolab.engine.weights import Weights

Settle = Callable[[Weights, UNet2DConditionModel, Detected], tuple[Detected, Prediction]]
"""What a checkpoint is, and what its loaded UNet predicts, where names and shapes alone do not tell."""


def declared(weights: Weights, unet: UNet2DConditionModel, detected: Detected) -> tuple[Detected, Prediction]:
    """As the file says, noise if it says nothing."""
    del unet
    return detected, declared_prediction(weights.path, weights.header) or Prediction.EPSILON


@dataclass(frozen=True, slots=True)
class Family:
    """A family of checkpoints.

    ``layout``: its networks in a file, how its prompts are read and how its latents are scaled. ``work``: memory beside
    the weights. ``tiny_vae``: how the files of its tiny VAE are called. ``step_tables``: which Align Your Steps table
    fits. ``counted_encoders``: A1111's names of a text encoder's layers, which LoRAs use, begin by its number.
    """

    id: ModelFamily
    layout: FamilyLayout
    work: WorkMemory
    tiny_vae: str
    step_tables: StepTables = StepTables.SD1
    counted_encoders: bool = False
    settle: Settle = declared

    @property
    def tells_sizes(self) -> bool:
        """Whether the UNet is told sizes and the pooled text beside the tokens."""
        return self.layout.size_conditioning is not SizeConditioning.NONE

    def levels(self, prediction: Prediction) -> Levels:
        """What the UNet's output means at a noise level."""
        return LEVELS[prediction]
