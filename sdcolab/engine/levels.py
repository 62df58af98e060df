"""What a model's output means at a noise level: the loop and the samplers know no other difference between models.

Samplers walk either x = image + sigma * noise (signal 1) or the same divided by sqrt(1 + sigma^2); a model that was
trained on another mixture is asked in its own scale here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from sdcolab.core.detect import Prediction


class Levels(Protocol):
    """One parameterisation. ``sigma`` is a 0-d float32 CPU tensor; the others are float32 [B, C, h, w]."""

    def scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        """What the model reads for ``x`` = image + sigma * noise."""
        ...

    def image(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """The image that ``output`` means in ``x`` = image + sigma * noise."""
        ...

    def output(self, x: Tensor, image: Tensor, sigma: Tensor) -> Tensor:
        """The output that means ``image`` in ``x`` = image + sigma * noise: the inverse of ``image``."""
        ...

    def noise(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """The noise that ``output`` means in ``x`` = (image + sigma * noise) / sqrt(1 + sigma^2)."""
        ...


class Epsilon:
    """The model says the noise (Ho et al. 2020, arXiv:2006.11239)."""

    def scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1).sqrt()

    def image(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        return x - output * sigma

    def output(self, x: Tensor, image: Tensor, sigma: Tensor) -> Tensor:
        return (x - image) / sigma

    def noise(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        del x, sigma
        return output


class Velocity:
    """The model says v = sqrt(abar) noise - sqrt(1 - abar) image (Salimans & Ho 2022, arXiv:2202.00512)."""

    def scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1).sqrt()

    def image(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        level = sigma**2 + 1
        return x / level - output * (sigma / level.sqrt())

    def output(self, x: Tensor, image: Tensor, sigma: Tensor) -> Tensor:
        level = sigma**2 + 1
        return (x / level - image) * (level.sqrt() / sigma)

    def noise(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        level = (sigma**2 + 1).sqrt()
        return output / level + x * (sigma / level)


LEVELS: Mapping[Prediction, Levels] = MappingProxyType({Prediction.EPSILON: Epsilon(), Prediction.V: Velocity()})
"""By what a checkpoint's UNet was found to predict."""
