"""tile_colorfix: what is made keeps the colours of the unit's picture while its details are made anew
(sd-webui-controlnet's "tile_colorfix" and "tile_colorfix+sharp"; hechos/extensiones.md 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional

from sdcolab.engine.calls import Predictions

SHARPNESS_SCALE = 0.01
"""Of the slider, as a share of the negative prompt's details."""


@dataclass(frozen=True, slots=True, eq=False)
class ColourFix:
    """``latents`` [1 or B, C, h, w] of the unit's picture in the UNet's scale. ``spread``: cells to each side over
    which colours are averaged. ``sharpness``: share (0..1) of the details that the negative prompt loses, which
    makes those of the prompt stronger. ``weight`` (0..1) mixes what comes out with what was.
    """

    latents: Tensor
    spread: int
    sharpness: float
    weight: float

    def fixed(self, image: Tensor, *, negative: bool = False) -> Tensor:
        """``image`` [B, C, h, w] with the picture's colours."""
        wanted = self.latents.to(image)
        found = image - averaged(image, self.spread) + averaged(wanted, self.spread)
        if negative and self.sharpness:
            found = self.sharpness * averaged(found, self.spread) + (1 - self.sharpness) * found
        return self.weight * found + (1 - self.weight) * image

    def __call__(self, predictions: Predictions, x: Tensor) -> Predictions:
        """The predictions of a step whose noisy latents are ``x``, as images or noises alike."""
        step = predictions.step

        def mended(predicted: Tensor, *, negative: bool) -> Tensor:
            if not step.by_timesteps:
                return self.fixed(predicted, negative=negative)
            image = self.fixed((x - step.deviation * predicted) / step.signal, negative=negative)
            return (x - step.signal * image) / step.deviation

        return replace(
            predictions,
            positive=tuple(mended(one, negative=False) for one in predictions.positive),
            negative=mended(predictions.negative, negative=step.negative),
        )


def averaged(image: Tensor, spread: int) -> Tensor:
    """Each value's mean with its neighbours up to ``spread`` away; beyond the edges the edge goes on."""
    most = max(1, min(image.shape[-2:]))  # an edge can be carried on any number of cells, but a picture is only so wide
    spread = min(spread, most)
    padded = functional.pad(image, (spread,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * spread + 1, stride=1)
