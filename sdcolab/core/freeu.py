"""FreeU's part of a request."""

from __future__ import annotations

from dataclasses import dataclass

from sdcolab.core.fields import check, fact


@dataclass(frozen=True, slots=True)
class FreeU:
    """More detail from the same model (Si et al. 2023, "FreeU: Free Lunch in Diffusion U-Net", arXiv:2309.11497): the
    decoder's own features are strengthened by ``b1`` and ``b2`` in its two widest stages, and the low frequencies of
    what skips to them are scaled by ``s1`` and ``s2``. 1 changes nothing. The defaults are the authors' own.
    """

    b1: float = fact(1.3, low=0, high=2, step=0.01, label="freeu_b1", codec="always", api=("freeu_b1",))
    b2: float = fact(1.4, low=0, high=2, step=0.01, label="freeu_b2", codec="always", api=("freeu_b2",))
    s1: float = fact(0.9, low=0, high=2, step=0.01, label="freeu_s1", codec="always", api=("freeu_s1",))
    s2: float = fact(0.2, low=0, high=2, step=0.01, label="freeu_s2", codec="always", api=("freeu_s2",))

    def __post_init__(self) -> None:
        check(self, "freeu")
