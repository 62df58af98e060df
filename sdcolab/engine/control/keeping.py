"""inpaint_only: what is not to be painted stays as it is in the unit's picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Keeping:
    """``latents`` [1, C, h, w] of the unit's picture; ``paint`` [1, 1, h, w] is 1 where they are made anew."""

    latents: Tensor
    paint: Tensor

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` [B, C, h, w] with the kept part put back."""
        return image * self.paint + self.latents * (1 - self.paint)
